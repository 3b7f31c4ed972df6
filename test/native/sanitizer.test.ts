/**
 * The whole addon under AddressSanitizer and UndefinedBehaviorSanitizer: every command, every system function, cut
 * responses, a TPM that hangs, abandoned handles and contexts, and the end of the process with all of that open. Any
 * report fails it; of leaks (Node itself leaves memory to the kernel) those with a frame of ours.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { CC } from '../kit/wire.ts';

const run = promisify(execFile);
const repository = resolve(import.meta.dirname, '../..');
const addonPath = join(repository, '.cache/sanitized/build/Release/attestd.node');
let dir: string;
let swtpm: Swtpm;
let preload: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-sanitizer-'));
  await run(join(repository, 'scripts/build-native'), ['--sanitize']);
  preload = (await run('c++', ['-print-file-name=libasan.so'])).stdout.trim();
  writeFileSync(
    join(dir, 'tsconfig.json'),
    JSON.stringify({
      extends: join(repository, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        outDir: join(dir, 'out'),
        rootDir: repository,
        typeRoots: [join(repository, 'node_modules/@types')],
      },
      files: ['exercise', 'system', 'wire'].map((f) => join(repository, `test/native/${f}.ts`)),
      include: [],
    }),
  );
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  await run(process.execPath, [join(repository, 'node_modules/typescript/bin/tsc'), '-p', dir]);
  swtpm = await startSwtpm({ eks: 'none', proxy: true });
}, 900_000);
afterAll(async () => {
  await swtpm?.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a module with `addon`, `tcti` and `load` in scope. */
async function sanitized(body: string): Promise<Outcome> {
  const file = join(dir, 'main.mjs');
  writeFileSync(
    file,
    `import { createRequire } from 'node:module';
     import assert from 'node:assert/strict';
     const addon = createRequire(import.meta.url)(${JSON.stringify(addonPath)});
     const tcti = ${JSON.stringify(swtpm.tcti)};
     const out = ${JSON.stringify(join(dir, 'out/test/native/'))};
     const wire = await import(out + 'wire.js');
     ${body}
     console.log('done');`,
  );
  const env = {
    ...process.env,
    LD_PRELOAD: preload,
    ASAN_OPTIONS: 'detect_leaks=1:exitcode=86:detect_stack_use_after_return=1:strict_string_checks=1',
    // Node's own leaks are expected; ours are looked for in the report.
    LSAN_OPTIONS: 'exitcode=0:print_suppressions=0',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:exitcode=86',
    NODE_OPTIONS: '',
  };
  return run(process.execPath, ['--expose-gc', file], { env, cwd: dir, maxBuffer: 64 << 20 }).then(
    (o) => ({ code: 0, ...o }),
    (e: Outcome) => ({ code: e.code, stdout: e.stdout, stderr: e.stderr }),
  );
}

/**
 * Blocks of a leak report whose memory our code, or tpm2-tss for it, allocated itself. What Node allocates inside a
 * Node-API call is Node's: it does not free everything of that when it exits.
 */
function ownLeaks(stderr: string): string[] {
  return stderr
    .split(/\n\s*\n/)
    .filter((block) => /leak of \d+ byte/.test(block))
    .filter((block) => {
      const frames = block.split('\n').filter((line) => /^\s*#\d+ /.test(line));
      const allocator = /libsanitizer|\/c\+\+\/|napi-inl\.h|\bin std::/;
      const first = frames.find((line) => !allocator.test(line)) ?? '';
      return /\.\.\/native\/|attestd\.node|libtss2/.test(first);
    });
}

function expectClean(o: Outcome): void {
  const reports = o.stderr.match(/ERROR: AddressSanitizer.*|runtime error:.*/g) ?? [];
  expect(reports, o.stderr).toEqual([]);
  expect(ownLeaks(o.stderr)).toEqual([]);
  expect({ code: o.code, done: o.stdout.endsWith('done\n') }, o.stderr).toEqual({ code: 0, done: true });
}

describe('under AddressSanitizer', () => {
  it('it is the instrumented addon that runs', async () => {
    const o = await sanitized(`
      assert.ok(process.report.getReport().sharedObjects.some((s) => s.includes('libasan')));
      assert.ok(process.report.getReport().sharedObjects.some((s) => s.includes('sanitized')));`);
    expectClean(o);
  });

  it('every command of the TPM runs clean, twice', async () => {
    expectClean(
      await sanitized(`
        const { exercise } = await import(out + 'exercise.js');
        for (let i = 0; i < 2; i++) assert.deepEqual(await exercise(addon, tcti), []);`),
    );
  });

  it('everything else runs clean', async () => {
    expectClean(
      await sanitized(`
        const { exerciseSystem } = await import(out + 'system.js');
        const { mkdtempSync } = await import('node:fs');
        await exerciseSystem(addon, mkdtempSync(${JSON.stringify(join(dir, 'system-'))}));`),
    );
  });

  it('misuse, abandoned handles and contexts, and an exit with work open run clean', async () => {
    expectClean(
      await sanitized(`
        const open = () => addon.openTpm({ tcti, queue: 64, deadlineMs: 60000 });
        for (let i = 0; i < 5; i++) {
          const tpm = await open();
          for (const name of Object.keys(tpm)) {
            if (name === 'close' || name === 'state') continue;
            for (const args of [[], [{}], [1, 2, 3], ['owner', new Uint8Array(9000)], [{ key: {}, session: null }]]) {
              await tpm[name](...args).catch(() => {});
            }
          }
          await tpm.createPrimary({ hierarchy: 'null', public: wire.AK });
          await tpm.startSession({ type: 'policy' });
          for (let j = 0; j < 20; j++) tpm.getRandom(8).catch(() => {});
          if (i % 2 === 0) await tpm.close();
          gc();
          await new Promise((r) => setTimeout(r, 200));
          gc();
        }
        globalThis.kept = await open();
        await kept.createPrimary({ hierarchy: 'null', public: wire.AK });
        for (let j = 0; j < 20; j++) kept.getRandom(8).catch(() => {});
        console.log('done');
        process.exit(0);`),
    );
  });

  it('cut responses run clean', async () => {
    for (const [n, cut] of [
      [0, 11],
      [3, 20],
      [7, 13],
      [12, 30],
    ] as const) {
      swtpm.proxy?.clear();
      swtpm.proxy?.inject({ after: n, times: 1, truncate: cut });
      expectClean(
        await sanitized(`
          const { exercise } = await import(out + 'exercise.js');
          await exercise(addon, tcti).catch(() => {});`),
      );
    }
    swtpm.proxy?.clear();
  });

  it('a TPM that hangs, and the end of the process meanwhile, run clean', async () => {
    swtpm.proxy?.inject({ cc: CC.getRandom, hang: true });
    expectClean(
      await sanitized(`
        const tpm = await addon.openTpm({ tcti, queue: 4, deadlineMs: 200 });
        await assert.rejects(tpm.getRandom(8), { code: 'TPM_TIMEOUT' });
        await assert.rejects(tpm.readClock(), { reason: 'stalled' });
        globalThis.kept = tpm;`),
    );
    swtpm.proxy?.clear();
  });
});
