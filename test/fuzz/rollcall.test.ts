/**
 * Whoever reads what comes from outside is fuzzed: every module that exports a parser is read from by a test that scripts/fuzz
 * runs for long, or stands here with the module through which it is, or with the reason why there is nothing to fuzz.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

const PARSER = /export (?:async )?(?:function|const) (?:(?:parse|read|decode)[A-Z]\w*|unpack)\b/;

/** Reached by every input of another module, which is fuzzed. */
const THROUGH: Readonly<Record<string, string>> = {
  'evidence/corim/fields.ts': 'evidence/corim/comid.ts',
  'evidence/corim/measurement.ts': 'evidence/corim/comid.ts',
  'evidence/corim/validity.ts': 'evidence/corim/signed.ts',
  'evidence/eventlog/uefi/gpt.ts': 'evidence/eventlog/describe.ts',
  'evidence/eventlog/uefi/signatures.ts': 'evidence/eventlog/describe.ts',
  'evidence/eventlog/uefi/variable.ts': 'evidence/eventlog/describe.ts',
  'evidence/import/cer.ts': 'evidence/import/judge.ts',
  'evidence/jsonfile.ts': 'evidence/enrolment.ts',
  'evidence/timestamp/cms.ts': 'evidence/timestamp/token.ts',
  'evidence/x509/constraints.ts': 'evidence/x509/certificate.ts',
  'evidence/x509/der.ts': 'evidence/x509/certificate.ts',
  'evidence/x509/endorsement.ts': 'evidence/x509/certificate.ts',
  'evidence/x509/extension.ts': 'evidence/x509/certificate.ts',
  'cli/certificates.ts': 'evidence/certfile.ts',
  'cli/keeping/checkbackup.ts': 'cli/keeping/manifest.ts',
  'daemon/chronicle.ts': 'evidence/statement.ts',
  'daemon/measured/chain.ts': 'evidence/statement.ts',
  'daemon/published.ts': 'log/note.ts',
  'daemon/vouch.ts': 'evidence/statement.ts',
  'store/replay.ts': 'store/frame.ts',
  'store/seal.ts': 'log/note.ts',
  'tpm/approved.ts': 'evidence/stateapproval.ts',
  'verify/audit/stretch.ts': 'verify/audit/entry.ts',
  'verify/fresh.ts': 'evidence/bundle.ts',
  'verify/gather.ts': 'verify/verify.ts',
  'verify/keys.ts': 'verify/verify.ts',
  'verify/read.ts': 'verify/verify.ts',
  'verify/tee/report.ts': 'evidence/tee/snp.ts',
  'verify/tee/trust.ts': 'verify/trust.ts',
  'verify/timestamptrust.ts': 'verify/trust.ts',
  'verify/witness.ts': 'verify/trust.ts',
  'verify/appraisal/provider.ts': 'evidence/corim/signed.ts',
};
const BYTES = 'hands on bytes of a file, and does not look into them';
const TPM =
  'asks the TPM; the addon unmarshals its answers, and is tried with ones that are cut (test/native)';
/** Nothing to fuzz. */
const NOT: Readonly<Record<string, string>> = {
  'ca/folder.ts': BYTES,
  'cli/ci/declared.ts': BYTES,
  'cli/ci/source.ts': 'what git of the same user says of its own tree',
  'cli/epochs.ts': 'names in a directory, held against one pattern',
  'cli/files.ts': BYTES,
  'cli/hostkeys.ts': 'by the readers of tpm/keys.ts and tpm/rotation.ts',
  'cli/keeping/files.ts': BYTES,
  'cli/nonce.ts': 'one pattern',
  'daemon/hostkeys.ts': 'entries of the own log, by evidence/statement.ts; a word of one member',
  'daemon/run.ts': 'by the readers of measure/',
  'measure/environment.ts': 'one pattern over what the kernel says',
  'measure/firmware.ts': BYTES,
  'measure/tee/configfs.ts': 'bytes and a number that the kernel writes',
  'measure/tee/report.ts': 'by the readers of measure/tee/',
  'tpm/file.ts': BYTES,
  'tpm/nv.ts': TPM,
  'tpm/pcr.ts': TPM,
  'tpm/property.ts': TPM,
};

const files = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.ts'))
    .map((f) => join(dir, f));

/** What the tests read from that scripts/fuzz runs. */
function fuzzed(): Set<string> {
  const script = readFileSync('scripts/fuzz', 'utf8');
  const paths = script.match(/test\/[\w./]+/g) ?? [];
  const found = new Set<string>();
  for (const path of paths.filter((p) => existsSync(p))) {
    for (const file of statSync(path).isDirectory() ? files(path) : [path]) {
      const text = readFileSync(file, 'utf8');
      if (!/from '(?:fast-check|[./]+fuzz\.ts)'/.test(text)) continue;
      for (const [, from] of text.matchAll(/from '((?:\.\.\/)+src\/[^']+)'/g))
        found.add(normalize(join(dirname(file), from as string)).slice('src/'.length));
    }
  }
  return found;
}

const parsers = files('src')
  .filter((f) => PARSER.test(readFileSync(f, 'utf8')))
  .map((f) => f.slice('src/'.length));

test('every module that reads something is fuzzed', () => {
  const reached = fuzzed();
  expect(parsers.length).toBeGreaterThan(100);
  expect(parsers.filter((p) => !reached.has(p) && !(p in THROUGH) && !(p in NOT))).toEqual([]);
});

test('what stands here still has to', () => {
  const reached = fuzzed();
  for (const [module, by] of Object.entries(THROUGH))
    expect([module, parsers.includes(module), reached.has(module), by, reached.has(by)]).toEqual([
      module,
      true,
      false,
      by,
      true,
    ]);
  for (const module of Object.keys(NOT))
    expect([module, parsers.includes(module), reached.has(module)]).toEqual([module, true, false]);
});
