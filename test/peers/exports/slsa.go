package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	statement "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// readSlsa opens a DSSE envelope and has the in-toto project's own code judge statement and provenance.
func readSlsa(args []string) (any, error) {
	text, err := os.ReadFile(args[0])
	if err != nil {
		return nil, err
	}
	key, _, err := readKey(args[1])
	if err != nil {
		return nil, err
	}
	var envelope struct {
		PayloadType, Payload string
		Signatures           []struct{ Sig string }
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		return nil, err
	}
	payload, err := base64.StdEncoding.DecodeString(envelope.Payload)
	if err != nil {
		return nil, err
	}
	if len(envelope.Signatures) != 1 {
		return nil, errors.New("not one signature")
	}
	signature, err := base64.StdEncoding.DecodeString(envelope.Signatures[0].Sig)
	if err != nil {
		return nil, err
	}
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(envelope.PayloadType), envelope.PayloadType, len(payload), payload)
	digest := sha256.Sum256(pae)
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || !ecdsa.VerifyASN1(public, digest[:], signature) {
		return nil, errors.New("the signature does not hold")
	}
	var s statement.Statement
	if err := protojson.Unmarshal(payload, &s); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.GetPredicateType() != "https://slsa.dev/provenance/v1" {
		return nil, errors.New("another predicate type")
	}
	predicate, err := protojson.Marshal(s.GetPredicate())
	if err != nil {
		return nil, err
	}
	// An unknown field is an error here: what we write is what SLSA knows.
	var p provenance.Provenance
	if err := protojson.Unmarshal(predicate, &p); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	subjects := map[string]string{}
	for _, subject := range s.GetSubject() {
		subjects[subject.GetName()] = subject.GetDigest()["sha256"]
	}
	dependencies := []map[string]string{}
	for _, d := range p.GetBuildDefinition().GetResolvedDependencies() {
		dependencies = append(dependencies, d.GetDigest())
	}
	return map[string]any{
		"builder":      p.GetRunDetails().GetBuilder().GetId(),
		"buildType":    p.GetBuildDefinition().GetBuildType(),
		"subjects":     subjects,
		"dependencies": dependencies,
	}, nil
}
