/**
 * `attestctl restore`: a backup, checked and audited, put back on the host that it is of. The counter in the TPM is asked
 * before anything is written, where it can be: an older log than the TPM counted can be kept, and never goes on.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { useSha256 } from '../../core/hash.ts';
import type { Config } from '../../daemon/config.ts';
import { checkContinuity } from '../../daemon/continuity.ts';
import { layoutOf } from '../../daemon/layout.ts';
import { accessOf } from '../../daemon/tpmaccess.ts';
import { sha256Of } from '../../store/hash.ts';
import { loadCounter } from '../../tpm/counter.ts';
import { openTpm } from '../../tpm/tpm.ts';
import { type Input, on, text } from '../command.ts';
import { chosenConfig } from '../host.ts';
import type { Manifest } from '../keeping/manifest.ts';
import { countedIn, judgeBackup, restoreBackup } from '../keeping/restore.ts';
import { createProgress } from '../progress.ts';
import { confirmOrRefuse } from '../question.ts';

/** What the counter says of the log: it agrees, it disagrees, or why it could not be asked. */
type Continuity = 'agrees' | 'disagrees' | 'none' | { readonly unknown: string };

export async function run(input: Input): Promise<number> {
  useSha256(sha256Of);
  const { io } = input;
  const dir = input.args[0] as string;
  const config = chosenConfig(input);
  const progress = createProgress(io, 'entries', text(input, 'progress'));
  let manifest: Manifest;
  try {
    manifest = await judgeBackup(dir, config, progress);
  } finally {
    progress.end();
  }
  const continuity = await askCounter(dir, manifest, config, on(input, 'asEvidence'));
  const { current, made } = manifest;
  await confirmOrRefuse(io, `restore ${current} as it was at ${made}?`, on(input, 'yes'));
  const written = await restoreBackup(dir, manifest, config.state_dir);
  if (io.json) {
    const schema = 'attestd.dev/restored/v1';
    io.out(`${JSON.stringify({ schema, current, made, files: written, continuity })}\n`);
    return 0;
  }
  for (const { origin, size, seal } of manifest.logs)
    io.out(`${origin}  ${size} entries, sealed up to ${seal?.size ?? 0}\n`);
  io.note(next(continuity));
  if (!manifest.keys && !existsSync(join(layoutOf(config.state_dir).identity, 'identity.json')))
    io.note('it holds no keys: attestctl recover --new-epoch makes new ones, and the host enrols again');
  return 0;
}

function next(continuity: Continuity): string {
  if (continuity === 'agrees') return 'the counter agrees: systemctl start attestd goes on with this log';
  if (continuity === 'disagrees')
    return 'the counter disagrees: this log is evidence and never goes on; attestctl recover --new-epoch begins another';
  if (continuity === 'none') return 'this log has no counter: nothing shows whether a newer one existed';
  return `the counter could not be asked (${continuity.unknown}): the next start holds the log against it`;
}

/** @throws RESTORE_DISCONTINUOUS unless the operator wants it as evidence */
async function askCounter(
  dir: string,
  manifest: Manifest,
  config: Config,
  asEvidence: boolean,
): Promise<Continuity> {
  const counted = await countedIn(dir, manifest);
  if (counted === undefined) return 'none';
  const here = layoutOf(config.state_dir).identity;
  const identity = existsSync(join(here, 'counter.json')) ? here : join(dir, 'identity');
  let value: bigint;
  try {
    const tpm = await openTpm(accessOf(config));
    try {
      value = await (await loadCounter(tpm, identity)).read();
    } finally {
      await tpm.close();
    }
  } catch (e) {
    // Without the counter's auth value, or without the TPM, nobody can ask it here.
    if (!isAttestdError(e)) throw e;
    return { unknown: e.message };
  }
  try {
    checkContinuity(counted, value);
    return 'agrees';
  } catch (e) {
    if (!isAttestdError(e, 'AUDIT_CONTINUITY_LOST')) throw e;
    if (asEvidence) return 'disagrees';
    throw new AttestdError('RESTORE_DISCONTINUOUS', e.message, { cause: e });
  }
}
