module attestd.dev/test/peers/exports

go 1.26

require (
	github.com/fxamacker/cbor/v2 v2.9.6
	github.com/in-toto/attestation v1.2.0
	github.com/transparency-dev/merkle v0.0.2
	github.com/veraison/go-cose v1.3.0
	google.golang.org/protobuf v1.36.11
)

require github.com/x448/float16 v0.8.4 // indirect
