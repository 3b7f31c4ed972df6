/** Names of users and groups: what the host says, what it does not, and what a hostile or hanging answer comes to. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { createAccounts, namesIn } from '../../src/measure/account.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-account-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const now = () => performance.now();

/** A program in place of getent, which notes how it was called. */
function program(name: string, script: string): { command: string; calls: () => string[] } {
  const command = join(dir, name);
  const log = `${command}.calls`;
  writeFileSync(log, '');
  writeFileSync(command, `#!/bin/sh\necho "$*" >> ${log}\n${script}\n`);
  chmodSync(command, 0o755);
  return { command, calls: () => readFileSync(log, 'utf8').split('\n').filter(Boolean) };
}

it('are those of the databases of this host', async () => {
  const accounts = createAccounts({ now });
  expect(await accounts.of(0, [0, 65534])).toEqual({
    user: { name: 'root' },
    groups: [
      { gid: 0, name: 'root' },
      { gid: 65534, name: 'nogroup' },
    ],
    unresolved: [],
  });
  // A number without a name is said to have none, and takes no name from the others.
  expect(await accounts.of(3_999_999_999, [0, 3_999_999_999])).toEqual({
    user: 'unresolved',
    groups: [{ gid: 0, name: 'root' }],
    unresolved: [3_999_999_999],
  });
});

it('are said to be unresolved where no process can be started at all', async () => {
  const accounts = createAccounts({ command: 'get\0ent', now });
  expect(await accounts.of(0, [7])).toEqual({ user: 'unresolved', groups: [], unresolved: [7] });
});

it('are asked for by four processes at once, and what found no room is asked for the next time', async () => {
  const { command, calls } = program('slow', '[ "$2" -ge 100 ] && sleep 0.7; echo "name$2:x:$2:"');
  const accounts = createAccounts({ command, now });
  const uids = [101, 102, 103, 104, 105, 106];
  const all = await Promise.all(uids.map((uid) => accounts.of(uid, [])));
  expect(calls()).toHaveLength(4);
  expect(all.filter(({ user }) => user === 'unresolved')).toHaveLength(2);
  expect(await accounts.of(106, [])).toMatchObject({ user: { name: 'name106' } });
});

it('are asked for once while the answer serves, however many connections there are', async () => {
  const { command, calls } = program('counted', 'echo "name$2:x:$2:"');
  let at = 0;
  const accounts = createAccounts({ command, now: () => at, serves: 1000 });
  await Promise.all(Array.from({ length: 20 }, () => accounts.of(7, [8])));
  expect(calls().sort()).toEqual(['group 8', 'passwd 7']);
  at = 1001;
  expect(await accounts.of(7, [8])).toMatchObject({ user: { name: 'name7' } });
  expect(calls()).toHaveLength(4);
});

it.each([
  ['is not there', undefined],
  ['fails', 'exit 3'],
  ['is late', 'exec sleep 60'],
  ['says another number', 'echo "mallory:x:0:0::/:"'],
  ['says more than it was asked', 'yes "a:x:1:"'],
])('are unresolved where the program %s', async (name, script) => {
  const command =
    script === undefined ? join(dir, 'nowhere') : program(name.replaceAll(' ', '-'), script).command;
  const accounts = createAccounts({ command, now });
  expect(await accounts.of(7, [8, 9])).toEqual({ user: 'unresolved', groups: [], unresolved: [8, 9] });
});

it('are read from any text, and only for numbers that were asked for', () => {
  expect(namesIn('a:x:1:0\nb:x:1:0\nc:x:2\nd:x:3:', [1, 2, 3])).toEqual(
    new Map([
      [1, 'a'],
      [3, 'd'],
    ]),
  );
  expect(namesIn('\u001b[31m:x:1:\n:x:2:\n', [1, 2]).size).toBe(0);
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', ':', '1', '2', '\n', 'é', '\0') }), (text) => {
      for (const [number, name] of namesIn(text, [1, 2]))
        expect([[1, 2].includes(number), /^[^:\p{Cc}]{1,64}$/u.test(name)]).toEqual([true, true]);
    }),
  );
});
