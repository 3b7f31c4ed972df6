// A caller of go-attestation: a P-256 attestation key that quotes a nonce, or an application key under it that signs a
// digest, one after the other.
//
//	attestation quote|sign COUNT HOST:PORT
//
// Prints the milliseconds of each, a line each.
package main

import (
	"crypto"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/google/go-attestation/attest"
)

// channel is a software TPM that takes plain commands on a socket.
type channel struct{ net.Conn }

func (channel) MeasurementLog() ([]byte, error) { return nil, nil }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("attestation quote|sign COUNT HOST:PORT")
	}
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	conn, err := net.Dial("tcp", os.Args[3])
	check(err)
	tpm, err := attest.OpenTPM(&attest.OpenConfig{CommandChannel: channel{conn}})
	check(err)
	defer tpm.Close()
	ak, err := tpm.NewAK(&attest.AKConfig{Algorithm: attest.ECDSA})
	check(err)
	defer ak.Close(tpm)
	once := func(nonce []byte) error {
		_, err := ak.Quote(tpm, nonce, attest.HashSHA256)
		return err
	}
	if os.Args[1] == "sign" {
		key, err := tpm.NewKey(ak, &attest.KeyConfig{Algorithm: attest.ECDSA, Size: 256})
		check(err)
		defer key.Close()
		private, err := key.Private(key.Public())
		check(err)
		signer := private.(crypto.Signer)
		once = func(digest []byte) error {
			_, err := signer.Sign(rand.Reader, digest, crypto.SHA256)
			return err
		}
	}
	bytes := make([]byte, 32)
	for i := range count {
		binary.LittleEndian.PutUint32(bytes, uint32(i))
		from := time.Now()
		check(once(bytes))
		fmt.Printf("%.4f\n", float64(time.Since(from).Nanoseconds())/1e6)
	}
}
