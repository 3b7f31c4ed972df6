package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// hashLines reads one hash a line.
func hashLines(lines []string) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, line := range lines {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func proof(vkey, proofFile, entryFile string) (facts, error) {
	data, err := os.ReadFile(proofFile)
	if err != nil {
		return nil, err
	}
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return nil, err
	}
	index, hashes, msg, err := parseProof(data)
	if err != nil {
		return nil, err
	}
	n, err := open(vkey, msg)
	if err != nil {
		return nil, err
	}
	origin, tree, err := checkpoint(n.Text)
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return nil, err
	}
	return facts{"origin": origin, "size": tree.N, "index": index, "verified": len(n.Sigs)}, nil
}

func consistency(vkey, older, newer, proofFile string) (facts, error) {
	_, old, err := openCheckpoint(vkey, older)
	if err != nil {
		return nil, err
	}
	origin, tree, err := openCheckpoint(vkey, newer)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(proofFile)
	if err != nil {
		return nil, err
	}
	hashes, err := hashLines(strings.Fields(string(data)))
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(hashes, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return nil, fmt.Errorf("from %d to %d: %v", old.N, tree.N, err)
	}
	return facts{"origin": origin, "from": old.N, "to": tree.N}, nil
}
