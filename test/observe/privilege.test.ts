/**
 * The helper at its post: root with its two capabilities, the daemon under a uid of its own without any that matter, and
 * a caller under a third. With the helper the caller's executable is in the record; without it, it is `unreadable`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../daemon/kit.ts';
import { asUid, OTHER } from '../govern/other.ts';
import { type DaemonProcess, makeProcessHost, type ProcessHost, until } from '../kit/host.ts';
import { may } from '../kit/privilege.ts';

const DAEMON = 64_998;
const dir = mkdtempSync(join(tmpdir(), 'attestd-privilege-'));
const observe = join(dir, 'observe.sock');
const body = { phase: 'completed', action: { type: 'tool.call', name: 'a' } };
let host: ProcessHost;
let daemon: DaemonProcess;
let helper: ChildProcess;

/** No user, and of capabilities the one that reads the build wherever the repository is; it shows nobody's executable. */
const asDaemon = [
  'setpriv',
  `--reuid=${DAEMON}`,
  `--regid=${DAEMON}`,
  '--clear-groups',
  '--inh-caps=-all,+dac_read_search',
  '--ambient-caps=-all,+dac_read_search',
  '--bounding-set=-all,+dac_read_search',
];

describe.runIf(may('root'))('attestd-observe', () => {
  beforeAll(async () => {
    chmodSync(dir, 0o755);
    host = await makeProcessHost({ observer: [`socket = "${observe}"`] });
    for (const d of [host.dir, host.tpm.dir]) chmodSync(d, 0o755);
    execFileSync('chown', ['-R', `${DAEMON}:${DAEMON}`, host.dir, host.tpm.dir]);
    const main = fileURLToPath(new URL('../../dist/observe/main.js', import.meta.url));
    const own = ['--inh-caps=-all', '--bounding-set=-all,+sys_ptrace,+dac_read_search'];
    const args = [main, '--user', String(DAEMON), '--socket', observe];
    helper = spawn('setpriv', [...own, process.execPath, ...args], { stdio: 'inherit' });
    await until('the helper to listen', () => existsSync(observe));
    daemon = host.start(asDaemon);
    await daemon.ready();
    chmodSync(host.socket, 0o666);
  }, 120_000);
  afterAll(async () => {
    helper?.kill('SIGKILL');
    await host?.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  const recorded = async () => {
    const { json } = await asUid(OTHER, host.socket, '/v1/records', body);
    const shown = await ask(host.config.admin_socket.path, `/v1/records/${json.id}`);
    return shown.json.statement.predicate.caller.observed;
  };

  it('has two capabilities and no more', () => {
    const status = readFileSync(`/proc/${helper.pid}/status`, 'utf8');
    // CAP_DAC_READ_SEARCH is bit 2, CAP_SYS_PTRACE bit 19.
    const two = ((1n << 2n) | (1n << 19n)).toString(16).padStart(16, '0');
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) expect(status).toContain(`${set}:\t${two}`);
  });

  it('gives the record of an unprivileged caller its executable', async () => {
    const node = { path: process.execPath, sha256: '' };
    node.sha256 = createHash('sha256').update(readFileSync(process.execPath)).digest('hex');
    expect(await recorded()).toMatchObject({ uid: OTHER, exe: node, exeMethod: 'attestd-observe' });
  }, 60_000);

  it('is missed: the record says that the executable was unreadable', async () => {
    const ended = new Promise((resolve) => helper.once('exit', resolve));
    helper.kill('SIGTERM');
    await ended;
    const seen = await recorded();
    expect(seen).toMatchObject({ uid: OTHER, exe: 'unreadable' });
    await recorded();
    // The operator is told, once.
    expect(daemon.output().match(/attestd-observe does not answer/g)).toHaveLength(1);
    expect(seen.startTicks).not.toBe('unreadable');
  }, 60_000);
});
