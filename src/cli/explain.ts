/**
 * A bundle taken apart for an auditor who trusts no program of ours: the files in it, and the commands of coreutils,
 * OpenSSL and tpm2-tools that check them, each with what it shows. They go as far as a shell can: quote, tree,
 * certificate, record key. What they leave out (counters, runs, clocks, revocation by date) the last step names.
 */
import { fromBase64, toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { printPem } from '../evidence/certfile.ts';
import { parseEntry, recordDigest } from '../evidence/dsse.ts';
import type { Bundle } from '../evidence/schema/bundle.ts';
import { parseSeal, SEAL_HEADER_BYTES, SEAL_TYPE } from '../evidence/seal.ts';
import { parseAttest } from '../evidence/tpm/attest.ts';
import { parseNote } from '../log/note.ts';
import { parseOrigin } from '../log/origin.ts';
import { pathShape } from '../log/path.ts';
import { parseProof } from '../log/proof.ts';
import { keySteps } from './explainkeys.ts';

export interface Step {
  readonly title: string;
  readonly why: string;
  /** Lines for bash, in the folder of the files; each ends with 0 where the evidence holds. */
  readonly commands: readonly string[];
}

export interface Explained {
  readonly files: ReadonlyMap<string, Uint8Array | string>;
  readonly steps: readonly Step[];
}

/** @param root PEM of the auditor's own root certificates @throws MALFORMED */
export function explainBundle(bundle: Bundle, root: string): Explained {
  const entry = fromBase64(bundle.record.entry);
  const { payload } = parseEntry(entry);
  const proof = parseProof(utf8(bundle.record.proof));
  const { text, signatures } = parseNote(proof.note);
  const line = signatures.find((s) => s.signature[0] === 1);
  if (line === undefined) throw new AttestdError('MALFORMED', 'the note in the bundle has no seal');
  const seal = parseSeal(line.signature);
  const [leaf, ...others] = bundle.chain.map(fromBase64);
  const certificates = (ders: readonly Uint8Array[]) =>
    printPem(ders.map((der) => ({ label: 'CERTIFICATE', der })));
  const files = new Map<string, Uint8Array | string>([
    ['entry.bin', entry],
    ['statement.json', payload],
    ['checkpoint.txt', text],
    ['seal-header.bin', line.signature.subarray(0, SEAL_HEADER_BYTES)],
    ['quote.attest', seal.attest],
    ['quote.sig', seal.signature],
    ['root.pem', root],
    ['leaf.pem', certificates(leaf === undefined ? [] : [leaf])],
    ['crl.pem', printPem(bundle.crls.map((c) => ({ label: 'X509 CRL', der: fromBase64(c) })))],
  ]);
  if (others.length > 0) files.set('intermediates.pem', certificates(others));
  for (const [i, hash] of proof.hashes.entries()) files.set(`sibling-${i}.bin`, hash);
  const { origin } = proof.checkpoint;
  const steps = [
    identity(entry, payload),
    tree(proof),
    quote(),
    ...pcrs(bundle, seal.attest, files),
    certificate(origin, others.length > 0),
    ...keySteps(bundle, origin, files),
  ];
  return { files, steps };
}

function identity(entry: Uint8Array, payload: Uint8Array): Step {
  return {
    title: 'The record',
    why: 'The entry of the log is the statement behind a DSSE prefix; its SHA-256 is what every other record calls it.',
    commands: [
      `echo '${toHex(recordDigest(entry))}  entry.bin' | sha256sum -c -`,
      `tail -c ${payload.length} entry.bin | cmp - statement.json`,
    ],
  };
}

function tree({ index, hashes, checkpoint }: ReturnType<typeof parseProof>): Step {
  const { inner } = pathShape(index, checkpoint.size);
  const commands = ["{ printf '\\000'; cat entry.bin; } | openssl dgst -sha256 -binary > hash-0.bin"];
  for (let i = 0; i < hashes.length; i++) {
    // Below the border the bit of the index says on which side the sibling is; from there on it is always left.
    const right = i < inner && Math.floor(index / 2 ** i) % 2 === 0;
    const pair = right ? `hash-${i}.bin sibling-${i}.bin` : `sibling-${i}.bin hash-${i}.bin`;
    commands.push(`{ printf '\\001'; cat ${pair}; } | openssl dgst -sha256 -binary > hash-${i + 1}.bin`);
  }
  commands.push(`sed -n 3p checkpoint.txt | base64 -d | cmp - hash-${hashes.length}.bin`);
  return {
    title: 'The record is in the log',
    why: `It is leaf ${index} of ${checkpoint.size}: hashed with its siblings (RFC 6962) it gives the root in the checkpoint.`,
    commands,
  };
}

function quote(): Step {
  return {
    title: 'The TPM signed this state of the log',
    why: 'The quote commits to the checkpoint by its qualifying data, and the attestation key signed the quote.',
    commands: [
      `{ printf '${SEAL_TYPE}\\n'; cat seal-header.bin checkpoint.txt; } | sha256sum | cut -c1-64 > extra-data.hex`,
      'tpm2_checkquote -u ak.pem -m quote.attest -s quote.sig -g sha256 -q "$(cat extra-data.hex)"',
    ],
  };
}

function pcrs(bundle: Bundle, attest: Uint8Array, files: Map<string, Uint8Array | string>): Step[] {
  const { attested } = parseAttest(attest);
  const values = bundle.pcrs?.sha256;
  if (attested.kind !== 'quote' || values === undefined) return [];
  const all = Object.keys(values)
    .map(Number)
    .sort((a, b) => a - b);
  const listed = all.map((pcr) => `${String(pcr).padStart(2)} ${values[String(pcr)]}\n`).join('');
  files.set('pcrs.txt', listed);
  return [
    {
      title: 'These are the PCR values that it quoted',
      why: 'The quote ends with the SHA-256 over the values in rising order. Whether they are good ones is yours to say.',
      commands: [
        "printf \"$(cut -c4- pcrs.txt | tr -d '\\n' | sed 's/../\\\\x&/g')\" | openssl dgst -sha256 -binary > pcr-digest.bin",
        'tail -c 32 quote.attest | cmp - pcr-digest.bin',
      ],
    },
  ];
}

function certificate(origin: string, chained: boolean): Step {
  const { fleet, host } = parseOrigin(origin);
  const untrusted = chained ? ' -untrusted intermediates.pem' : '';
  return {
    title: 'The attestation key is that of a host you know',
    why: 'A certificate under your own root names the host in the first line of the checkpoint, and holds this key.',
    commands: [
      `openssl verify -x509_strict -crl_check_all -no-CApath -no-CAstore -CAfile root.pem -CRLfile crl.pem${untrusted} leaf.pem`,
      'openssl x509 -in leaf.pem -noout -pubkey | cmp - ak.pem',
      `openssl x509 -in leaf.pem -noout -ext subjectAltName | grep -F 'URI:attestd://${fleet}/${host}'`,
      `sed -n 1p checkpoint.txt | grep -Fx '${origin}'`,
    ],
  };
}

/** The steps as a script for bash, which stops at the first that does not hold. */
export function printScript(steps: readonly Step[]): string {
  const parts = steps.map(
    ({ title, why, commands }, i) =>
      `\n# ${i + 1}. ${title}\n# ${why}\n${commands.map((c) => `${c}\n`).join('')}`,
  );
  return `#!/usr/bin/env bash\nset -euo pipefail\ncd "$(dirname "$0")"\n${parts.join('')}`;
}

/** What is left to a program: said, so that nobody takes the steps for the whole verdict. */
export const LEFT_OUT =
  'not checked by hand: that the run, counters and clocks follow, disclosures, revocation at the time; attestctl verify does';
