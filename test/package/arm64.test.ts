/** The package for arm64, made on an amd64 machine: of that machine in every part, and at work under qemu-user. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleOf } from '../kit/bundled.ts';
import { CTL, ROOT, runProgram } from '../kit/ctl.ts';
import { makeEnrolledHost } from '../kit/enrolled.ts';
import { flip, forge } from '../kit/forge.ts';

const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const NODE = JSON.parse(readFileSync(join(ROOT, 'packaging/node.json'), 'utf8'));
const NAME = `attestd_${VERSION}_arm64.deb`;
const ELF = Buffer.from('\x7fELF', 'latin1');
const EM_AARCH64 = 183;

let dir: string;
let under: string[];
const at = (...name: string[]) => join(dir, ...name);
const lib = (...name: string[]) => at('tree/usr/lib/attestd', ...name);

function build(out: string, umask: string): void {
  mkdirSync(at(`${out}-tmp`));
  const script = `umask ${umask} && exec "$0" --quick --arch arm64 --out "$1"`;
  const { status, stderr } = spawnSync('bash', ['-c', script, join(ROOT, 'scripts/build-deb'), at(out)], {
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: '1764288000', TMPDIR: at(`${out}-tmp`) },
  });
  expect(status, stderr).toBe(0);
}

/** Runs the package's own Node as that machine would, with Debian's libraries for it. */
const node = (...args: string[]) => runProgram([lib('node'), ...args], { under, cwd: dir });

// Another machine needs no compiler for arm64; an arm64 one makes its packages as any other does.
describe.skipIf(process.arch !== 'x64')('the package for arm64', () => {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'attestd-arm64-'));
    build('one', '022');
    execFileSync('dpkg-deb', ['-R', at('one', NAME), at('tree')]);
    const sysroot = execFileSync(join(ROOT, 'scripts/sysroot'), ['arm64'], { encoding: 'utf8' }).trim();
    under = ['qemu-aarch64-static', '-L', sysroot];
  }, 600_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is of that machine in every file, and says so', () => {
    const machines = readdirSync(at('tree'), { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => join(f.parentPath, f.name))
      .map((file) => ({ file: relative(lib(), file), bytes: readFileSync(file) }))
      .filter(({ bytes }) => bytes.subarray(0, 4).equals(ELF))
      .map(({ file, bytes }) => [file, bytes.readUInt16LE(18)]);
    expect(machines.sort()).toEqual([
      ['build/Release/attestd.node', EM_AARCH64],
      ['node', EM_AARCH64],
      ['node_modules/@lmdb/lmdb-linux-arm64/node.napi.glibc.node', EM_AARCH64],
    ]);
    expect(readFileSync(at('tree/DEBIAN/control'), 'utf8')).toMatch(/^Architecture: arm64$/m);
  });

  it('has the same bytes when it is made again', () => {
    build('two', '077');
    const digest = (out: string) =>
      createHash('sha256')
        .update(readFileSync(at(out, NAME)))
        .digest('hex');
    expect(digest('two')).toBe(digest('one'));
  }, 600_000);

  it('names in its bill of materials what it carries, and nothing of this machine', () => {
    const text = readFileSync(at('tree/usr/share/doc/attestd/sbom.cdx.json'), 'utf8');
    const { components } = JSON.parse(text) as { components: { name: string; purl?: string }[] };
    expect(text).not.toMatch(/linux-x64|amd64/);
    const carried = (names: string[]) => names.filter((n) => n.includes('linux')).sort();
    const there = readdirSync(lib('node_modules'), { recursive: true, encoding: 'utf8' });
    const manifests = there.filter((f) => /^(?:@[^/]+\/)?[^/]+\/package\.json$/.test(f));
    const packages = manifests.map((f) => JSON.parse(readFileSync(lib('node_modules', f), 'utf8')));
    expect(carried(components.map((c) => c.purl ?? ''))).toEqual(
      carried([
        `pkg:npm/${NODE.arm64.package}@${NODE.version}`,
        ...packages.map((p) => `pkg:npm/${p.name.replace('@', '%40')}@${p.version}`),
      ]),
    );
    expect(packages.flatMap((p) => p.cpu ?? [])).toEqual(['arm64']);
    const { packages: locked } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
    const lmdb = components.find((c) => c.name === 'lmdb-linux-arm64');
    const { integrity } = locked['node_modules/@lmdb/lmdb-linux-arm64'];
    const content = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex');
    expect(lmdb).toMatchObject({ hashes: [{ alg: 'SHA-512', content }] });
  });

  it('has nothing that lintian objects to', () => {
    const args = ['--allow-root', '--fail-on', 'error,warning', at('one', NAME)];
    const { error, status, stdout } = spawnSync('lintian', args, { encoding: 'utf8' });
    if (error !== undefined) throw new Error('this test needs lintian: apt-get install lintian');
    expect([status, stdout]).toEqual([0, '']);
  }, 600_000);

  it('is linked with the libraries that the package for this machine is, and is loaded by its own Node', async () => {
    const told = await node(
      '-p',
      `JSON.stringify([process.arch, process.version, Object.keys(require('${lib('build/Release/attestd.node')}')).sort()])`,
    );
    expect([told.status, told.stderr]).toEqual([0, '']);
    const here = createRequire(import.meta.url)(join(ROOT, 'build/Release/attestd.node'));
    expect(JSON.parse(told.stdout)).toEqual(['arm64', `v${NODE.version}`, Object.keys(here).sort()]);
    const needed = (file: string) =>
      [...execFileSync('readelf', ['-d', file], { encoding: 'utf8' }).matchAll(/\(NEEDED\).*\[(.*)\]/g)]
        .map((m) => m[1] as string)
        // The loader, which arm64 takes its thread-local storage from.
        .filter((l) => !l.startsWith('ld-linux'));
    expect(needed(lib('build/Release/attestd.node'))).toEqual(
      needed(join(ROOT, 'build/Release/attestd.node')),
    );
  });

  it('keeps an index', async () => {
    const file = lib('index.mjs');
    writeFileSync(
      file,
      `import { open } from 'lmdb';
const db = open({ path: ${JSON.stringify(at('index'))} });
await db.put('entry', { size: 42 });
console.log(db.get('entry').size);
await db.close();`,
    );
    const told = await node(file);
    rmSync(file);
    expect([told.status, told.stdout, told.stderr]).toEqual([0, '42\n', '']);
  });

  it('says its version, and comes to the verdicts that this machine comes to', async () => {
    const told = await node(lib('dist/cli/main.js'), '--version');
    expect([told.status, told.stdout]).toEqual([0, expect.stringContaining(VERSION)]);
    const forged = await forge();
    const broken = await forge({ sealSignature: (s) => ('r' in s ? { ...s, r: flip(s.r, 5) } : s) });
    writeFileSync(at('good'), bundleOf(forged.raw));
    writeFileSync(at('forged'), bundleOf(broken.raw));
    writeFileSync(at('trust'), JSON.stringify(forged.trust));
    for (const [file, status, verdict] of [
      ['good', 0, 'verified'],
      ['forged', 1, 'rejected'],
    ] as const) {
      const words = ['verify', file, '--trust', 'trust', '--json'];
      const there = await node(lib('dist/cli/main.js'), ...words);
      const here = await runProgram([process.execPath, CTL, ...words], { cwd: dir });
      expect([there.status, there.stderr, JSON.parse(there.stdout).verdict]).toEqual([status, '', verdict]);
      expect(there.stdout).toBe(here.stdout);
    }
  });

  it('records and seals as a daemon, and its evidence is verified on this machine', async () => {
    const host = await makeEnrolledHost();
    try {
      const daemon = host.start(under, [lib('node'), lib('dist/daemon/main.js')]);
      // Every instruction is translated.
      await daemon.ready(240_000);
      const env = { ATTESTD_SOCKET: host.socket };
      const bundle = at('run.attest.json');
      const words = ['run', '--bundle', bundle, '--', 'sh', '-c', 'echo 42'];
      const ran = await runProgram([lib('node'), lib('dist/cli/main.js'), ...words], { under, env });
      expect([ran.status, ran.stdout], ran.stderr).toEqual([0, '42\n']);
      const trust = await host.trust(bundle);
      const report = JSON.parse(await host.must(['verify', bundle, '--trust', trust, '--json']));
      expect([report.verdict, report.level]).toEqual(['verified', 3]);
      // What it measured of itself is this package.
      const text = readFileSync(bundle, 'utf8');
      const entries = (JSON.parse(text).measurements as { entry: string }[]).map((m) =>
        Buffer.from(m.entry, 'base64').toString(),
      );
      const sha256 = createHash('sha256')
        .update(readFileSync(lib('build/Release/attestd.node')))
        .digest('hex');
      expect(entries.filter((e) => e.includes(sha256))).toHaveLength(1);
      expect(await daemon.stop()).toEqual({ code: 0, signal: null });
    } finally {
      await host.remove();
    }
  }, 300_000);
});
