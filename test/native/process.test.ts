/** What keeps memory inside the process, how the addon is found, and that worker threads may use it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttestdError } from '../../src/core/errors.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';

const addonPath = join(import.meta.dirname, '../../build/Release/attestd.node');
const addon = loadAddon();
let swtpm: Swtpm;

beforeAll(async () => {
  swtpm = await startSwtpm({ eks: 'none' });
});
afterAll(async () => {
  await swtpm.stop();
});

describe('no memory leaves the process', () => {
  it('by a core: the hard limit is zero', () => {
    const script = `
      require(${JSON.stringify(addonPath)}).forbidCores();
      process.stdout.write(require('fs').readFileSync('/proc/self/limits', 'latin1'));`;
    const limits = execFileSync(process.execPath, ['-e', script], { encoding: 'latin1' });
    expect(limits).toMatch(/Max core file size\s+0\s+0\s/);
  });

  it('to other processes of the same user: not dumpable', () => {
    const script = `
      const addon = require(${JSON.stringify(addonPath)});
      const owner = () => require('fs').statSync('/proc/self/mem').uid;
      addon.setDumpable(false); const off = owner();
      addon.setDumpable(true); const on = owner();
      console.log(JSON.stringify({ off, on }));`;
    // /proc/<pid> of a process that is not dumpable belongs to root.
    const asNobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const out = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', cwd: '/', ...asNobody });
    const uid = asNobody.uid ?? process.getuid?.();
    expect(JSON.parse(out)).toEqual({ off: 0, on: uid });
  });
});

describe('the addon', () => {
  it('names the version of tpm2-tss it was built against', () => {
    expect(addon.tssVersion).toMatch(/^\d+\.\d+/);
  });

  it('that is missing is NATIVE_MISSING, with the path in the sentence', () => {
    const attempt = () => loadAddon('/nowhere/attestd.node');
    expect(attempt).toThrow(AttestdError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'NATIVE_MISSING' }));
    expect(attempt).toThrow('/nowhere/attestd.node');
  });

  it('asks Node for nothing newer than Node-API 9, and shows no symbols but its own two', () => {
    const symbols = execFileSync('nm', ['-D', '--defined-only', addonPath], { encoding: 'latin1' });
    const names = symbols
      .trim()
      .split('\n')
      .map((l) => l.split(' ').pop() ?? '')
      .filter((n) => !n.startsWith('_Z'));
    expect(names.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
    expect(readFileSync(addonPath).length).toBeLessThan(4 << 20);
  });

  it('works in a worker thread, which may end with a context open', async () => {
    const script = `
      const { parentPort, workerData } = require('worker_threads');
      const addon = require(workerData.path);
      addon.openTpm({ tcti: workerData.tcti, queue: 1, deadlineMs: 10000 })
        .then((t) => { globalThis.kept = t; return t.getRandom(8); })
        .then((b) => parentPort.postMessage(b.length));`;
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(script, { eval: true, workerData: { path: addonPath, tcti: swtpm.tcti } });
      const length = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(length).toBe(8);
      await worker.terminate();
    }
    const tpm = await addon.openTpm({ tcti: swtpm.tcti, queue: 1, deadlineMs: 10_000 });
    expect((await tpm.getRandom(8)).length).toBe(8);
    await tpm.close();
  });
});
