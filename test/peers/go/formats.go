//go:build !debian

package main

import (
	fnote "github.com/transparency-dev/formats/note"
	fproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const peers = "transparency-dev/formats"

// newVerifier takes types 0x01, 0x02 and 0x04.
func newVerifier(vkey string) (note.Verifier, error) { return fnote.NewVerifier(vkey) }

func parseProof(data []byte) (int64, []tlog.Hash, []byte, error) {
	var p fproof.TLogProof
	if err := p.Unmarshal(data); err != nil {
		return 0, nil, nil, err
	}
	hashes := make([]tlog.Hash, len(p.Hashes))
	for i, h := range p.Hashes {
		hashes[i] = h
	}
	return int64(p.Index), hashes, p.Checkpoint, nil
}
