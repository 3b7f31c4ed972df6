/** `attestctl backup` and `restore` on a real daemon, and what somebody who holds the backup can do to it. */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkBackup } from '../../src/cli/keeping/checkbackup.ts';
import { belongs, parseManifest } from '../../src/cli/keeping/manifest.ts';
import { judgeBackup } from '../../src/cli/keeping/restore.ts';
import { jcsBytes } from '../../src/core/json.ts';
import { startLoad } from '../crash/load.ts';
import { CTL, ctl, runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { until } from '../kit/host.ts';

/** strace counts the calls of each thread by itself. */
const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' };
const SECRET = 'a word that opens a record';
const SILENT = { update: () => undefined, end: () => undefined };
let host: EnrolledHost;
let id: string;
let trust: string;
let config: string[];
let state: string;
const at = (name: string) => host.at(name);
const told = (stdout: string) => JSON.parse(stdout);

/** Every file below a directory, relative to it. */
const walk = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(dir.length + 1))
    .sort();
const holds = (dir: string, word: string) =>
  walk(dir).some((f) => {
    const bytes = readFileSync(join(dir, f));
    return bytes.includes(word) || bytes.includes(Buffer.from(word).toString('base64url').slice(2, -2));
  });
const restore = (dir: string, ...more: string[]) => ctl(['restore', dir, ...config, '--yes', ...more]);

beforeAll(async () => {
  host = await makeEnrolledHost();
  config = ['--config', at('attestd.toml')];
  state = host.config.state_dir;
  const daemon = await host.up();
  id = await host.recorded('echo', SECRET);
  trust = await host.trust(await host.bundle(id, 'first.attest.json'));
  // While it runs, and is written to.
  const load = startLoad(host.socket);
  await until('a load', () => load.acked.length > 50);
  await host.must(['backup', at('evidence'), ...config]);
  const sealed = load.acked.length;
  await until('more of it', () => load.acked.length > sealed + 50);
  await load.stop();
  await daemon.stop();
  await host.must(['backup', at('whole'), ...config, '--openings', '--keys']);
});
afterAll(() => host?.remove());

describe('a backup', () => {
  test('of a daemon that is written to is audited on any machine, with nothing else', async () => {
    const { status, stdout } = await ctl(['audit', at('evidence'), '--json'], { under: ['unshare', '-rn'] });
    expect([status, told(stdout).verdict]).toEqual([0, 'verified']);
    const { logs } = told(readFileSync(at('evidence/backup.json'), 'utf8'));
    expect(told(stdout).entries).toBe(logs[0].size);
    expect(logs[0].size).toBeGreaterThan(20);
  });

  test('has what an auditor takes bundles out with: certificates, lists, PCR values', async () => {
    const before = walk(at('evidence'));
    const env = { TMPDIR: mkdtempSync(at('tmp-')) };
    await host.must(['bundle', id, '--state', at('evidence'), '-o', at('theirs.attest.json')], { env });
    // And is a backup as before, that can be put back; nothing of it stays elsewhere.
    expect(walk(at('evidence'))).toEqual(before);
    expect((await ctl(['audit', at('evidence')])).status).toBe(0);
    expect(readdirSync(env.TMPDIR)).toEqual([]);
    const verified = await ctl(['verify', at('theirs.attest.json'), '--trust', trust, '--json']);
    expect([verified.status, told(verified.stdout).level]).toEqual([0, 3]);
  });

  test('has no key and nothing that opens a record unless that is asked for', async () => {
    const files = walk(at('evidence'));
    expect(files.filter((f) => f.startsWith('identity/'))).toEqual(['identity/certificate.pem']);
    expect(files.filter((f) => !belongs(f, false))).toEqual(['backup.json']);
    expect([holds(at('evidence'), SECRET), holds(at('whole'), SECRET)]).toEqual([false, true]);
    expect(walk(at('whole'))).toEqual(
      expect.arrayContaining(['identity/identity.auth', 'identity/counter.json']),
    );
    for (const f of [...files.map((f) => join('evidence', f)), 'evidence'])
      expect([f, statSync(at(f)).mode & 0o077]).toEqual([f, 0]);
  });

  test('never takes the place of something, and is whole or not there', async () => {
    expect((await ctl(['backup', at('evidence'), ...config])).status).toBe(2);
    const theirs = at('cut.new/of-the-operator');
    mkdirSync(at('cut.new'));
    writeFileSync(theirs, 'mine');
    for (const when of [1, 4]) {
      const kill = ['-e', `inject=rename:signal=KILL:when=${when}`];
      const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=rename', ...kill];
      const run = await runProgram([process.execPath, CTL, 'backup', at('cut'), ...config], {
        under: strace,
        env: { UV_THREADPOOL_SIZE: '1' },
      });
      expect([run.status === 0, existsSync(at('cut'))]).toEqual([false, false]);
    }
    await host.must(['backup', at('cut'), ...config]);
    expect((await ctl(['audit', at('cut')])).status).toBe(0);
    // What an interruption leaves is named for what it is, and nothing that was there is touched.
    const beside = readdirSync(at('')).filter((n) => n.startsWith('cut'));
    expect(beside.filter((n) => !/^cut\.unfinished-/.test(n))).toEqual(['cut', 'cut.new']);
    expect([beside.length, readFileSync(theirs, 'utf8')]).toEqual([4, 'mine']);
  });
});

describe('somebody changes a backup', () => {
  const wal = (dir: string) => join(dir, walk(dir).find((f) => f.endsWith('.wal')) as string);
  const manifest = (dir: string) => told(readFileSync(join(dir, 'backup.json'), 'utf8'));
  const rewrite = (dir: string, change: (m: ReturnType<typeof manifest>) => void) => {
    const m = manifest(dir);
    change(m);
    writeFileSync(join(dir, 'backup.json'), jcsBytes(m));
  };
  const changes: [string, (dir: string) => void][] = [
    [
      'a bit of an entry',
      (d) => {
        const bytes = readFileSync(wal(d));
        const middle = bytes.length >> 1;
        bytes[middle] = (bytes[middle] as number) ^ 1;
        writeFileSync(wal(d), bytes);
      },
    ],
    ['the log is cut', (d) => truncateSync(wal(d), statSync(wal(d)).size >> 1)],
    ['a file is gone', (d) => rmSync(join(d, 'identity/certificate.pem'))],
    ['a file more', (d) => writeFileSync(join(d, 'identity/identity.json'), '{}')],
    [
      'a link in place of a file',
      (d) => {
        const file = wal(d);
        renameSync(file, `${d}.wal`);
        symlinkSync(`${d}.wal`, file);
      },
    ],
    [
      'a link in place of a directory',
      (d) => {
        cpSync(join(d, 'pcrs'), `${d}-pcrs`, { recursive: true });
        rmSync(join(d, 'pcrs'), { recursive: true });
        symlinkSync(`${d}-pcrs`, join(d, 'pcrs'));
      },
    ],
    [
      'a path that leads out',
      (d) =>
        rewrite(d, (m) => {
          m.files[0].path = '../outside';
        }),
    ],
    [
      'an absolute path',
      (d) =>
        rewrite(d, (m) => {
          m.files[0].path = '/etc/passwd';
        }),
    ],
    [
      'a path below a known one that leads out',
      (d) =>
        rewrite(d, (m) => {
          m.files[0].path = 'boot-logs/../../x';
        }),
    ],
    [
      'a key where it says that there are none',
      (d) =>
        rewrite(d, (m) => {
          m.files[0].path = 'identity/identity.auth';
        }),
    ],
    ['a list with a space', (d) => appendFileSync(join(d, 'backup.json'), ' ')],
    ['a list that is cut', (d) => truncateSync(join(d, 'backup.json'), 100)],
    [
      'no list',
      (d) => {
        rmSync(join(d, 'backup.json'));
      },
    ],
  ];
  test.each(changes)('%s: neither audited nor restored', async (name, change) => {
    const dir = at(`changed-${changes.findIndex(([n]) => n === name)}`);
    cpSync(at('evidence'), dir, { recursive: true });
    change(dir);
    const code = name === 'no list' ? 'NOT_FOUND' : 'BACKUP_DAMAGED';
    await expect(checkBackup(dir)).rejects.toMatchObject({ code });
    await expect(judgeBackup(dir, host.config, SILENT)).rejects.toMatchObject({ code });
    if (changes[0]?.[0] !== name) return;
    const audited = await ctl(['audit', dir]);
    expect([audited.status, audited.stderr]).toEqual([1, expect.stringContaining('[BACKUP_DAMAGED]')]);
    const restored = await restore(dir);
    expect([restored.status, restored.stderr]).toEqual([1, expect.stringContaining('[BACKUP_DAMAGED]')]);
  });

  test('with the list made anew, what the TPM sealed still tells', async () => {
    const dir = at('forged');
    cpSync(at('evidence'), dir, { recursive: true });
    const file = wal(dir);
    truncateSync(file, statSync(file).size >> 1);
    rewrite(dir, (m) => {
      const entry = m.files.find((f: { path: string }) => file.endsWith(f.path));
      entry.bytes = statSync(file).size;
      entry.sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
    });
    const audited = await ctl(['audit', dir, '--json']);
    expect([audited.status, told(audited.stdout).verdict]).toEqual([1, 'rejected']);
    expect((await restore(dir)).stderr).toContain('[BACKUP_DAMAGED]');
    // Without the checkpoint it is a log that ends earlier, which is no contradiction; its list says another size.
    rewrite(dir, (m) => {
      m.files = m.files.filter((f: { path: string }) => !f.path.endsWith('/checkpoint'));
    });
    rmSync(join(dir, walk(dir).find((f) => f.endsWith('/checkpoint')) as string));
    expect((await ctl(['audit', dir])).stderr).toContain('[BACKUP_DAMAGED]');
  });

  test('any bytes as a list are a fault of the backup, and no path that is taken leads out', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((j) => Buffer.from(j)),
        ),
        (bytes) => {
          expect(() => parseManifest(bytes)).toThrow(expect.objectContaining({ code: 'BACKUP_DAMAGED' }));
        },
      ),
      { numRuns: 200 },
    );
    const part = fc.constantFrom(
      '..',
      '.',
      '',
      'log',
      '7',
      'wal',
      'pcrs',
      'ima',
      'a',
      'identity',
      'keys',
      '~',
      'x\0',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.boolean(), (parts, keys) => {
        const path = parts.join('/');
        if (belongs(path, keys)) expect(join('/state', path)).toBe(`/state/${path}`);
      }),
      { numRuns: 500 },
    );
  });
});

describe('restore', () => {
  test('refuses where the host has more, where it has a log in use, and on another host', async () => {
    const newer = await restore(at('evidence'));
    expect([newer.status, newer.stderr]).toEqual([6, expect.stringContaining('[RESTORE_NEWER]')]);
    const same = await restore(at('whole'));
    expect([same.status, same.stderr]).toEqual([2, expect.stringContaining('[EXISTS]')]);
    const toml = readFileSync(at('attestd.toml'), 'utf8');
    writeFileSync(at('other.toml'), toml.replace('host = "host-1"', 'host = "host-2"'));
    const other = await ctl(['restore', at('whole'), '--config', at('other.toml'), '--yes']);
    expect([other.status, other.stderr]).toEqual([2, expect.stringContaining('[BACKUP_FOREIGN]')]);
    const asked = await ctl(['restore', at('whole'), ...config]);
    expect([asked.status, asked.stderr]).toEqual([2, expect.anything()]);
  });

  test('with its keys and no gap in the counter the log goes on, after an interruption too', async () => {
    renameSync(state, at('lost'));
    mkdirSync(state, { mode: 0o700 });
    for (const when of [2, 2]) {
      const kill = ['-e', `inject=rename:signal=KILL:when=${when}`];
      const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=rename', ...kill];
      const command = [process.execPath, CTL, 'restore', at('whole'), ...config, '--yes'];
      expect((await runProgram(command, { under: strace, env: ONE_THREAD })).status).not.toBe(0);
      expect(existsSync(join(state, 'current.json'))).toBe(false);
    }
    const { status, stdout, stderr } = await restore(at('whole'), '--json');
    expect([status, told(stdout || '{}').continuity], stderr).toEqual([0, 'agrees']);
    const before = told((await ctl(['audit', at('whole'), '--json'])).stdout).logs[0];
    const daemon = await host.up();
    const after = await host.bundle(await host.recorded('true'), 'after.attest.json');
    expect((await ctl(['verify', after, '--trust', trust])).status).toBe(0);
    expect((await host.shown(id)).values).toEqual(expect.objectContaining({}));
    expect(JSON.stringify((await host.shown(id)).values)).toContain(SECRET);
    await daemon.stop();
    const [log] = await host.audit();
    expect(log).toMatchObject({ origin: before.origin, verdict: 'verified', findings: [] });
    expect(log?.entries).toBeGreaterThan(before.entries);
  });

  test('of an older log is refused; as evidence it stands beside the epoch that follows', async () => {
    renameSync(state, at('lost-2'));
    mkdirSync(state, { mode: 0o700 });
    const refused = await restore(at('whole'));
    expect([refused.status, refused.stderr]).toEqual([
      6,
      expect.stringMatching(/put back to an older state.*\[RESTORE_DISCONTINUOUS\]/),
    ]);
    expect(walk(state)).toEqual([]);
    const { status, stderr } = await restore(at('whole'), '--as-evidence');
    expect([status, stderr]).toEqual([0, expect.stringContaining('recover --new-epoch')]);
    const daemon = host.start();
    expect(await daemon.refusal()).toBe('AUDIT_CONTINUITY_LOST');
    await daemon.stop();
    await host.must(['recover', '--new-epoch', '--yes', ...config, '--reason', 'the disk was lost']);
    const again = await host.up();
    await host.recorded('true');
    await again.stop();
    expect((await host.audit()).map((r) => r.verdict)).toEqual(['verified', 'verified']);
    const epochs = told(await host.must(['epoch', ...config, '--json'])).epochs;
    expect(epochs.map((e: { link: string }) => e.link)).toEqual(['first', 'chained']);
    await host.must(['backup', at('both'), ...config]);
    expect(told((await ctl(['audit', at('both'), '--json'])).stdout).logs).toHaveLength(2);
  });

  test('without keys the counter cannot be asked, and it says what follows', async () => {
    renameSync(state, at('lost-3'));
    mkdirSync(state, { mode: 0o700 });
    const { status, stderr } = await restore(at('both'));
    expect([status, stderr]).toEqual([0, expect.stringMatching(/could not be asked.*\n.*holds no keys/)]);
  });
});
