/** The steps by hand over the host's own keys: how each came into force, and that the record key is the host's. */
import { fromBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { KEY_ROLES } from '../evidence/binding.ts';
import { printPem } from '../evidence/certfile.ts';
import type { Bundle } from '../evidence/schema/bundle.ts';
import { isHostKeychange } from '../evidence/schema/keychange.ts';
import { readStatement } from '../evidence/statement.ts';
import { parsePublic, publicSpki } from '../evidence/tpm/public.ts';
import { ecdsaP1363, parseSignature } from '../evidence/tpm/signature.ts';
import { ecdsaDer } from '../evidence/x509/signature.ts';
import type { Step } from './explain.ts';

type Files = Map<string, Uint8Array | string>;
interface Certification {
  readonly attest: string;
  readonly signature: string;
}

/** Writes `ak.pem`, the key in force under the seal, and the files of the steps. @throws MALFORMED */
export function keySteps(bundle: Bundle, origin: string, files: Files): Step[] {
  const genesis = readStatement(fromBase64(bundle.genesis.entry));
  if (genesis.kind !== 'genesis') throw new AttestdError('MALFORMED', 'the genesis entry is another');
  const { ak, recordKey } = genesis.predicate;
  files.set('ak.pem', pem(ak.public));
  certification(files, 'record-key', recordKey);
  files.set('record-key.pem', pem(recordKey.public));
  let recordAk = 'ak.pem';
  const steps: Step[] = [];
  let count = 0;
  for (const { entry } of bundle.keyChanges ?? []) {
    const { kind, predicate } = readStatement(fromBase64(entry));
    if (kind !== 'keychange' || !isHostKeychange(predicate)) {
      throw new AttestdError('MALFORMED', 'what stands as key change is another entry');
    }
    if (predicate.role === 'record') {
      certification(files, 'record-key', predicate.key);
      files.set('record-key.pem', pem(predicate.key.public));
      recordAk = 'ak.pem';
      continue;
    }
    const n = ++count;
    const old = `ak-${n}.pem`;
    files.set(old, files.get('ak.pem') as Uint8Array | string);
    if (recordAk === 'ak.pem') recordAk = old;
    files.set('ak.pem', pem(predicate.key.public));
    files.set(`ak-${n}-next.pem`, pem(predicate.key.public));
    certification(files, `ak-${n}-next`, predicate.key);
    certification(files, `ak-${n}-retired`, predicate.retires);
    steps.push({
      title: 'The attestation key took the place of another one',
      why: 'The key before certified the new one for that, and the new one the key before: both in one TPM, for this log.',
      commands: [
        ...certified(`ak-${n}-next`, old, KEY_ROLES.ak, origin),
        ...certified(`ak-${n}-retired`, `ak-${n}-next.pem`, KEY_ROLES.retired, origin),
      ],
    });
  }
  return [
    ...steps,
    {
      title: 'The record key lives in the same TPM',
      why: 'The attestation key certified it for this log: exports that it signed (Sigstore, COSE, checkpoints) are of the host.',
      commands: certified('record-key', recordAk, KEY_ROLES.record, origin),
    },
  ];
}

const pem = (area: string) =>
  printPem([{ label: 'PUBLIC KEY', der: publicSpki(parsePublic(fromBase64(area))) }]);

function certification(files: Files, name: string, { attest, signature }: Certification): void {
  files.set(`${name}.attest`, fromBase64(attest));
  files.set(`${name}.sig`, ecdsaDer(ecdsaP1363(parseSignature(fromBase64(signature)), 32)));
}

function certified(name: string, by: string, role: number, origin: string): string[] {
  return [
    `openssl dgst -sha256 -verify ${by} -signature ${name}.sig ${name}.attest`,
    `printf 'attestd.dev/tpm-key/v1\\n\\00${role}${origin}' | sha256sum | cut -c1-64 > key-data.hex`,
    // Behind magic, type and the signer's qualified Name stand the 32 bytes of qualifying data.
    `od -An -v -tx1 -j44 -N32 ${name}.attest | tr -d " \\n" | grep -Fx "$(cat key-data.hex)"`,
  ];
}
