// Command peer reads notes, tiles and proofs of attestd with code that is not attestd's: golang.org/x/mod/sumdb
// for notes and trees, and another project's or Go's own verifier for lines of type 0x02.
//
//	peer note-open <vkey> <note>
//	peer tiles <vkey|-> <directory> <note> [<older note> ...]
//	peer proof <vkey|-> <proof> <entry>
//	peer consistency <vkey|-> <older note> <note> <proof>
//
// A vkey of - leaves the signatures unread. It prints one line of JSON and ends with 0, or a reason and 1.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	facts, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(facts); err != nil {
		os.Exit(1)
	}
}

type facts map[string]interface{}

func run(args []string) (facts, error) {
	switch {
	case len(args) == 3 && args[0] == "note-open":
		return noteOpen(args[1], args[2])
	case len(args) >= 4 && args[0] == "tiles":
		return tiles(args[1], args[2], args[3], args[4:])
	case len(args) == 4 && args[0] == "proof":
		return proof(args[1], args[2], args[3])
	case len(args) == 5 && args[0] == "consistency":
		return consistency(args[1], args[2], args[3], args[4])
	}
	return nil, fmt.Errorf("usage: peer note-open|tiles|proof|consistency ...")
}

// open reads a note; it must verify under the key, unless that is "-".
func open(vkey string, msg []byte) (*note.Note, error) {
	if vkey == "-" {
		at := strings.LastIndex(string(msg), "\n\n")
		if at < 0 {
			return nil, fmt.Errorf("not a note")
		}
		return &note.Note{Text: string(msg[:at+1])}, nil
	}
	verifier, err := newVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return note.Open(msg, note.VerifierList(verifier))
}

func openFile(vkey, file string) (*note.Note, error) {
	msg, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return open(vkey, msg)
}

func noteOpen(vkey, file string) (facts, error) {
	n, err := openFile(vkey, file)
	if err != nil {
		return nil, err
	}
	return facts{"text": n.Text, "verified": len(n.Sigs), "unverified": len(n.UnverifiedSigs), "peers": peers}, nil
}

// checkpoint reads the text of a checkpoint: origin, size, root.
func checkpoint(text string) (string, tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return "", tlog.Tree{}, fmt.Errorf("a checkpoint has three lines, this %d", len(lines)-1)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return "", tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return lines[0], tlog.Tree{N: size, Hash: root}, err
}

func openCheckpoint(vkey, file string) (string, tlog.Tree, error) {
	n, err := openFile(vkey, file)
	if err != nil {
		return "", tlog.Tree{}, err
	}
	return checkpoint(n.Text)
}
