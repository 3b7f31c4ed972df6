/**
 * Names of users and groups, as this host's databases give them (NSS: /etc/passwd, sssd, systemd, …). Numbers are what the
 * kernel shows and what everything is bound to; a name is the host's word for a number, kept for people and for policies.
 *
 * Asked is `getent`, in a process of its own: modules of NSS run foreign code and may wait for a network, and neither
 * belongs into a process that holds TPM sessions or onto threads that wait for a disk. It inherits the sandbox of the
 * daemon, so what it can reach are files and Unix sockets. It is killed when it is late; then, and where there is no such
 * name or no such program, the name is `unresolved`.
 */
import { execFile } from 'node:child_process';

/** What the host calls the numbers of a caller. */
export interface Account {
  readonly user: { readonly name: string } | 'unresolved';
  /** Its groups that have a name. */
  readonly groups: readonly { readonly gid: number; readonly name: string }[];
  /** And those that have none. */
  readonly unresolved: readonly number[];
}

/** Names by number. */
export interface Accounts {
  /** Never throws and never waits longer than a second for each of two questions. @param gids each once */
  of(uid: number, gids: readonly number[]): Promise<Account>;
}

export interface AccountsInput {
  /** The program; `getent` of the C library when absent. */
  readonly command?: string;
  readonly now: () => number;
  /** How long an answer serves, in milliseconds: a name that changed is not noticed earlier. */
  readonly serves?: number;
}

const COMMAND = '/usr/bin/getent';
const LATE_MS = 1000;
const SERVES_MS = 60_000;
/** Most numbers that are remembered, and most that are asked for at once. */
const MAX_KNOWN = 4096;
const MAX_ASKED = 256;
const MAX_ANSWER = 1 << 20;
/** Questions under way at once; the daemon may start few processes. */
const MAX_CHILDREN = 4;
/** A line of passwd or group: name, password, number. */
const LINE = /^([^:\p{Cc}]{1,64}):[^:\n]*:(\d{1,10}):/u;

/** Names for numbers in the answer of getent, of those asked for, the first line of each. */
export function namesIn(answer: string, asked: readonly number[]): Map<number, string> {
  const out = new Map<number, string>();
  for (const line of answer.split('\n')) {
    const m = LINE.exec(line);
    const number = Number(m?.[2]);
    if (m !== null && asked.includes(number) && !out.has(number)) out.set(number, m[1] as string);
  }
  return out;
}

interface Known {
  readonly name: Promise<string | undefined>;
  readonly until: number;
}

export function createAccounts({ command = COMMAND, now, serves = SERVES_MS }: AccountsInput): Accounts {
  let children = 0;
  const known = { passwd: new Map<number, Known>(), group: new Map<number, Known>() };

  function ask(database: 'passwd' | 'group', numbers: readonly number[]): Promise<Map<number, string>> {
    const args = [database, ...numbers.map(String)];
    const options = {
      timeout: LATE_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_ANSWER,
      env: { LANG: 'C.UTF-8' },
      cwd: '/',
    } as const;
    return new Promise((resolve) => {
      children++;
      const end = (answer: string): void => {
        children--;
        resolve(namesIn(answer, numbers));
      };
      try {
        // Where one number has no name, getent ends with 2 and has told the others.
        execFile(command, args, options, (_error, stdout) => end(stdout));
      } catch {
        // Without memory or leave to start it, Node throws at once.
        end('');
      }
    });
  }

  /** Names of these numbers: those that are known, and the others in one question. */
  function look(database: 'passwd' | 'group', numbers: readonly number[]): Promise<string | undefined>[] {
    const names = known[database];
    const at = now();
    const open = numbers.filter((n) => (names.get(n)?.until ?? 0) <= at).slice(0, MAX_ASKED);
    // When too many are under way, what is not known stays so for this time, and is asked for the next.
    if (open.length > 0 && children < MAX_CHILDREN) {
      if (names.size + open.length > MAX_KNOWN) names.clear();
      const answer = ask(database, open);
      for (const n of open) names.set(n, { name: answer.then((a) => a.get(n)), until: at + serves });
    }
    return numbers.map((n) => names.get(n)?.name ?? Promise.resolve(undefined));
  }

  return {
    async of(uid, gids) {
      const [name, ...names] = await Promise.all([...look('passwd', [uid]), ...look('group', gids)]);
      const groups = gids.map((gid, i) => ({ gid, name: names[i] }));
      return {
        user: name === undefined ? 'unresolved' : { name },
        groups: groups.flatMap((g) => (g.name === undefined ? [] : [{ gid: g.gid, name: g.name }])),
        unresolved: groups.flatMap((g) => (g.name === undefined ? [g.gid] : [])),
      };
    },
  };
}
