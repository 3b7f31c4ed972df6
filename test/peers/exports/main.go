// Command exports reads what attestd writes for other tools, and uses its workload keys, with independent code:
// veraison/go-cose for COSE_Sign1, transparency-dev/merkle for proofs, crypto/tls and crypto/x509 for keys,
// in-toto/attestation for SLSA provenance.
//
//	exports cose FILE KEY.pem ENTRY        the statement and its receipt, facts as JSON
//	exports request FILE                   a certificate request, facts as JSON
//	exports handshake SOCKET NAME CERT.pem ROOT.pem
//	                                       mutual TLS with a workload key, over the socket of the daemon
//	exports slsa FILE KEY.pem              a DSSE envelope with SLSA provenance, facts as JSON
//
// Status 0: accepted. Status 1: refused, the reason on stderr.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) (any, error){
		"cose":      readCose,
		"request":   readRequest,
		"handshake": handshake,
		"slsa":      readSlsa,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "which command?")
		os.Exit(2)
	}
	facts, err := commands[os.Args[1]](os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(facts); err != nil {
		panic(err)
	}
}
