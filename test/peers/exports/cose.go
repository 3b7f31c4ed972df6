package main

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/fxamacker/cbor/v2"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/veraison/go-cose"
)

const (
	labelClaims   = int64(15)
	labelReceipts = int64(394)
	labelVds      = int64(395)
	labelVdp      = int64(396)
)

// inclusion is the RFC 9942 inclusion proof of RFC9162_SHA256.
type inclusion struct {
	_     struct{} `cbor:",toarray"`
	Size  uint64
	Index uint64
	Path  [][]byte
}

func readKey(path string) (crypto.PublicKey, []byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, errors.New("the key is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	id := sha256.Sum256(block.Bytes)
	return key, id[:], err
}

func sign1(data []byte, keyID []byte) (*cose.Sign1Message, error) {
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(data); err != nil {
		return nil, err
	}
	kid, ok := m.Headers.Protected[cose.HeaderLabelKeyID].([]byte)
	if !ok || !bytes.Equal(kid, keyID) {
		return nil, errors.New("another key ID")
	}
	return &m, nil
}

func readCose(args []string) (any, error) {
	data, err := os.ReadFile(args[0])
	if err != nil {
		return nil, err
	}
	key, keyID, err := readKey(args[1])
	if err != nil {
		return nil, err
	}
	entry, err := os.ReadFile(args[2])
	if err != nil {
		return nil, err
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES256, key)
	if err != nil {
		return nil, err
	}
	statement, err := sign1(data, keyID)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if err := statement.Verify(nil, verifier); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	kind, _ := statement.Headers.Protected[cose.HeaderLabelContentType].(string)
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(kind), kind, len(statement.Payload))
	if !bytes.Equal(append(pae, statement.Payload...), entry) {
		return nil, errors.New("the entry is not the PAE of the payload")
	}
	receipts, _ := statement.Headers.Unprotected[labelReceipts].([]any)
	if len(receipts) != 1 {
		return nil, errors.New("not one receipt")
	}
	receiptBytes, _ := receipts[0].([]byte)
	receipt, err := sign1(receiptBytes, keyID)
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	if vds, _ := receipt.Headers.Protected[labelVds].(int64); vds != 1 {
		return nil, errors.New("receipt: not RFC9162_SHA256")
	}
	vdp, _ := receipt.Headers.Unprotected[labelVdp].(map[any]any)
	proofs, _ := vdp[int64(-1)].([]any)
	if len(proofs) != 1 {
		return nil, errors.New("receipt: not one inclusion proof")
	}
	proofBytes, _ := proofs[0].([]byte)
	var p inclusion
	if err := cbor.Unmarshal(proofBytes, &p); err != nil {
		return nil, err
	}
	root, err := proof.RootFromInclusionProof(rfc6962.DefaultHasher, p.Index, p.Size, rfc6962.DefaultHasher.HashLeaf(entry), p.Path)
	if err != nil {
		return nil, err
	}
	receipt.Payload = root
	if err := receipt.Verify(nil, verifier); err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	claims, _ := statement.Headers.Protected[labelClaims].(map[any]any)
	about, _ := receipt.Headers.Protected[labelClaims].(map[any]any)
	return map[string]any{
		"issuer":  claims[int64(1)],
		"subject": claims[int64(2)],
		"log":     about[int64(2)],
		"index":   p.Index,
		"size":    p.Size,
		"root":    hex.EncodeToString(root),
	}, nil
}
