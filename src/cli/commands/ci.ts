/**
 * `attestctl ci -- cmd`: a step of a CI job between its two records. They name the commit that git says is checked out,
 * the declared inputs as they were before and the artefacts as they are after; what the CI system's environment says
 * is claimed.
 */
import { basename } from 'node:path';
import { AttestdError } from '../../core/errors.ts';
import { CI_STEP } from '../../evidence/schema/ci.ts';
import { artefactReader, readInputs } from '../ci/declared.ts';
import { readSource } from '../ci/source.ts';
import { systemClaims } from '../ci/system.ts';
import { type Input, list, on, text } from '../command.ts';
import { commandLine } from '../executable.ts';
import { recordedRun } from '../recordedrun.ts';
import { claimedBy } from '../token.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const command = await commandLine(input);
  const salted = on(input, 'salted');
  const made = artefactReader(list(input, 'artefact'), salted, (name, code) =>
    io.note(`--artefact ${name} is not on record: ${code}`),
  );
  const files = await readInputs(list(input, 'input'));
  const source = await readSource(io.environment);
  const claims = systemClaims(io.environment);
  const { claimed } = await claimedBy(input);
  const twice = Object.keys(claimed ?? {}).find((name) => Object.hasOwn(claims, name));
  if (twice !== undefined) {
    throw new AttestdError('USAGE', `the claim ${twice} is the CI system's`, { field: '--claim' });
  }
  const told = { ...claimed, ...claims };
  if (source === undefined)
    io.note('git names no commit that is checked out here, and the record names none');
  else if (told['ci.commit'] !== undefined && told['ci.commit'] !== source.commit) {
    io.note(`the CI system names commit ${told['ci.commit']}, git ${source.commit}; the record has both`);
  }
  const withheld = { ...command.inputs, ...(salted && files.length > 0 ? { files } : {}) };
  const plain = {
    ...(source === undefined ? {} : { source }),
    ...(!salted && files.length > 0 ? { files } : {}),
  };
  const action = { type: CI_STEP, name: text(input, 'step') ?? basename(command.name) };
  const said = {
    action,
    inputs: withheld,
    ...(Object.keys(plain).length === 0 ? {} : { plain: { inputs: plain } }),
    ...(Object.keys(told).length === 0 ? {} : { claimed: told }),
  };
  return recordedRun(input, command, said, async () => {
    const { artefacts, omitted } = await made();
    return {
      ...(artefacts === undefined ? {} : { artefacts }),
      omitted: source === undefined ? ['source', ...omitted] : omitted,
    };
  });
}
