/** Files: who owns the state, and who can look into it. */
import { accessSync, constants, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CannotTell, type Check, type Finding, ok, wrong } from './check.ts';
import { reading } from './closed.ts';
import type { Patient } from './patient.ts';

/** Files that are looked at; a log of years has fewer than this in all that matters here. */
const MOST = 20_000;
const octal = (mode: number): string => `0${(mode & 0o777).toString(8)}`;

/** The state directory. @throws CannotTell where there is none */
export function stateOf(p: Patient) {
  const path = p.config().state_dir;
  const s = p.around.stat(path);
  if (s === undefined) throw new CannotTell(`${path} is not there: see state-directory.`);
  return { path, s };
}

const directory: Check = {
  id: 'state-directory',
  title: 'state directory',
  run(p) {
    const path = p.config().state_dir;
    const s = p.around.stat(path);
    const make = `install -d -m 0700 -o ${p.account().name} -g ${p.account().name} ${path}`;
    if (s === undefined) return wrong(`${path} is not there.`, make);
    if (!s.isDirectory()) return wrong(`${path} is no directory.`, `move it away, then ${make}`);
    if ((s.mode & 0o077) !== 0)
      return wrong(
        `${path} is open to others (mode ${octal(s.mode)}): openings and key blobs lie in it.`,
        `chmod 0700 ${path}`,
      );
    try {
      accessSync(path, constants.W_OK);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'EROFS')
        return wrong(
          `${path} is on a disk that is mounted read-only.`,
          'see dmesg for why; mount it writable',
        );
    }
    return ok(`${path}, mode ${octal(s.mode)}.`);
  },
};

/** Every file below, not following links, up to `MOST`. @throws CannotTell where it may not be read */
function* below(dir: string, left = { files: MOST }): Generator<{ path: string; uid: number; mode: number }> {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'EACCES')
      throw new CannotTell(`${dir} is closed to you.`, 'sudo attestctl doctor');
    throw e;
  }
  for (const name of names) {
    if (left.files-- <= 0) return;
    const path = join(dir, name);
    const s = lstatSync(path, { throwIfNoEntry: false });
    if (s === undefined) continue;
    yield { path, uid: s.uid, mode: s.mode };
    if (s.isDirectory()) yield* below(path, left);
  }
}

const owner: Check = {
  id: 'state-owner',
  title: 'owner of the state',
  run(p) {
    const { path, s } = stateOf(p);
    const { uid, name } = p.account();
    const fix = `chown -R ${name}: ${path}`;
    if (s.uid !== uid) return wrong(`${path} belongs to uid ${s.uid}, and the daemon is ${name}.`, fix);
    const others: string[] = [];
    for (const file of below(path)) if (file.uid !== uid) others.push(file.path);
    if (others.length > 0)
      return wrong(`${others.length} files are not ${name}'s: ${others.slice(0, 3).join(', ')}.`, fix);
    return ok(`All of it is ${name}'s.`);
  },
};

const secrets: Check = {
  id: 'secrets',
  title: 'files that hold secrets',
  run: (p) => reading(() => secretsOf(p)),
};

function secretsOf(p: Patient): Finding {
  const { path } = stateOf(p);
  const open: string[] = [];
  for (const dir of [p.layout().identity, p.layout().keys]) {
    if (p.around.stat(dir) === undefined) continue;
    for (const file of below(dir))
      if (
        (file.mode & 0o170_000) === 0o100_000 &&
        /\.(?:auth|json)$/.test(file.path) &&
        (file.mode & 0o077) !== 0
      )
        open.push(file.path);
  }
  if (open.length > 0)
    return wrong(`Readable by others: ${open.slice(0, 3).join(', ')}.`, `chmod 0600 ${open.join(' ')}`);
  return ok(`Nobody but their owner may read the keys in ${path}.`);
}

export const FILE_CHECKS: readonly Check[] = [directory, owner, secrets];
