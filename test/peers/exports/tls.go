package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"
)

func readRequest(args []string) (any, error) {
	der, err := os.ReadFile(args[0])
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(der); block != nil {
		der = block.Bytes
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	if err := request.CheckSignature(); err != nil {
		return nil, err
	}
	uris := []string{}
	for _, u := range request.URIs {
		uris = append(uris, u.String())
	}
	return map[string]any{"subject": request.Subject.String(), "uris": uris}, nil
}

// daemonSigner is a key in the TPM behind the daemon's socket. It is asked with whole messages only, for the daemon
// signs no digest; crypto/tls does so since Go 1.25 where a key is a crypto.MessageSigner.
type daemonSigner struct {
	client *http.Client
	name   string
	public crypto.PublicKey
}

func (s *daemonSigner) Public() crypto.PublicKey { return s.public }

func (s *daemonSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a digest is never signed")
}

func (s *daemonSigner) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 {
		return nil, errors.New("SHA-256 only")
	}
	body, err := json.Marshal(map[string][]byte{"message": message})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest("POST", "http://attestd/v1/keys/"+s.name+"/sign", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("attestd-client", "go-peer/1")
	request.Header.Set("content-type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != 200 {
		return nil, fmt.Errorf("the daemon refuses: %s", answer)
	}
	var signed struct{ Signature []byte }
	return signed.Signature, json.Unmarshal(answer, &signed)
}

func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(path + " is not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// serverCertificate is a certificate of this process alone, for the other side of the handshake.
func serverCertificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "server"},
		DNSNames:     []string{"server"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, nil
}

// socketPair gives both ends of a connection that buffers, as real ones do.
func socketPair() (net.Conn, net.Conn, error) {
	dir, err := os.MkdirTemp("", "attestd-peer-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("unix", dir+"/s")
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	near, err := net.Dial("unix", dir+"/s")
	if err != nil {
		return nil, nil, err
	}
	far, err := listener.Accept()
	if err != nil {
		return nil, nil, err
	}
	end := time.Now().Add(2 * time.Minute)
	return near, far, errors.Join(near.SetDeadline(end), far.SetDeadline(end))
}

func handshake(args []string) (any, error) {
	socket, name, certPath, rootPath := args[0], args[1], args[2], args[3]
	leaf, err := readCertificate(certPath)
	if err != nil {
		return nil, err
	}
	root, err := readCertificate(rootPath)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	clients.AddCert(root)
	serverCert, servers, err := serverCertificate()
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	signer := &daemonSigner{&http.Client{Transport: &http.Transport{DialContext: dial}}, name, leaf.PublicKey}
	clientConfig := &tls.Config{
		ServerName:   "server",
		RootCAs:      servers,
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: signer}},
	}
	if len(args) > 4 && args[4] == "1.2" {
		clientConfig.MinVersion, clientConfig.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
	serverConfig := &tls.Config{
		Certificates: []tls.Certificate{serverCert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
	}
	near, far, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer near.Close()
	defer far.Close()
	server := tls.Server(far, serverConfig)
	heard := make(chan error, 1)
	go func() {
		buffer := make([]byte, 5)
		_, err := io.ReadFull(server, buffer)
		if err == nil && string(buffer) != "hello" {
			err = errors.New("the server heard something else")
		}
		if err != nil {
			far.Close()
		}
		heard <- err
	}()
	client := tls.Client(near, clientConfig)
	if _, err := client.Write([]byte("hello")); err != nil {
		near.Close()
		<-heard
		return nil, fmt.Errorf("the client: %w", err)
	}
	if err := <-heard; err != nil {
		return nil, fmt.Errorf("the server: %w", err)
	}
	state := server.ConnectionState()
	uris := []string{}
	for _, u := range state.PeerCertificates[0].URIs {
		uris = append(uris, u.String())
	}
	return map[string]any{"version": tls.VersionName(state.Version), "uris": uris}, nil
}
