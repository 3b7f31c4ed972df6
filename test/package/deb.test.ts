/** The packages: the same bytes twice, everything in its place, nothing that runs at install but the maintainer scripts. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsOf } from '../../src/cli/table.ts';
import { ROOT } from '../kit/ctl.ts';

const VERSION: string = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;
const ARCH = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
const NAMES = [
  `attestd_${VERSION}_${ARCH}.deb`,
  `attestd-client_${VERSION}_all.deb`,
  `attestd-client-${VERSION}.tgz`,
];

let dir: string;
const at = (...name: string[]) => join(dir, ...name);
const run = (program: string, args: readonly string[], cwd = dir) =>
  spawnSync(program, args, { cwd, encoding: 'utf8' });

/** Builds as somebody else would: in another folder, with another umask, time zone and language. */
function build(out: string, umask: string, env: Record<string, string>): void {
  mkdirSync(at(`${out}-tmp`));
  const script = `umask ${umask} && exec "$0" --quick --out "$1"`;
  const { status, stderr } = spawnSync('bash', ['-c', script, join(ROOT, 'scripts/build-deb'), at(out)], {
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: '1764288000', TMPDIR: at(`${out}-tmp`), ...env },
  });
  expect(status, stderr).toBe(0);
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-deb-'));
  build('one', '022', {});
  execFileSync('dpkg-deb', ['-R', at('one', NAMES[0] as string), at('tree')]);
  execFileSync('dpkg-deb', ['-R', at('one', NAMES[1] as string), at('client-tree')]);
}, 600_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the packages', () => {
  it('have the same bytes, whoever builds them, wherever and when', () => {
    build('two', '077', {
      TZ: 'Asia/Kolkata',
      LANG: 'C.UTF-8',
      XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? '',
    });
    const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    expect(readdirSync(at('one')).sort()).toEqual([...NAMES].sort());
    for (const name of NAMES)
      expect([name, digest(at('two', name))]).toEqual([name, digest(at('one', name))]);
  }, 600_000);

  it('have what belongs to a Debian package', () => {
    const there = (path: string) => expect([path, existsSync(at('tree', path))]).toEqual([path, true]);
    for (const page of [
      'man1/attestctl.1',
      'man5/attestd.toml.5',
      'man5/attestd-bundle.5',
      'man8/attestd.8',
      'man8/attestd-forward.8',
      'man8/attestd-observe.8',
    ]) {
      there(`usr/share/man/${page}.gz`);
    }
    for (const file of ['copyright', 'changelog.gz', 'THIRD-PARTY.gz', 'schemas/bundle.json'])
      there(`usr/share/doc/attestd/${file}`);
    there('usr/lib/attestd/pace');
    there('usr/share/bash-completion/completions/attestctl');
    there('usr/share/zsh/vendor-completions/_attestctl');
    there('usr/share/fish/vendor_completions.d/attestctl.fish');
    for (const unit of readdirSync(join(ROOT, 'systemd')).filter((f) => /\.(?:service|socket)$/.test(f))) {
      there(`usr/lib/systemd/system/${unit}`);
    }
    expect(readFileSync(at('tree/DEBIAN/conffiles'), 'utf8')).toBe('/etc/attestd/attestd.toml\n');
    const { stdout } = run('dpkg-deb', ['-c', at('one', NAMES[0] as string)]);
    const files = stdout.trim().split('\n');
    // root owns everything, and nobody else may write.
    expect(
      files.filter((l) => !/^[-dl]r[w-][x-]r-[x-]r-[x-] root\/root /.test(l) && !l.startsWith('l')),
    ).toEqual([]);
    expect(files.filter((l) => /\.(?:ts|map)$|node_gyp|\.o$/.test(l))).toEqual([]);
    for (const script of ['config', 'preinst', 'postinst', 'prerm', 'postrm']) {
      const text = readFileSync(at('tree/DEBIAN', script), 'utf8');
      expect([script, text.match(/@[A-Z]+@/g)]).toEqual([script, null]);
      expect(run('sh', ['-n', at('tree/DEBIAN', script)]).status).toBe(0);
    }
  });

  it('have nothing that lintian objects to, but what the package says of itself', () => {
    const debs = NAMES.filter((n) => n.endsWith('.deb')).map((n) => at('one', n));
    const { error, status, stdout } = run('lintian', ['--allow-root', '--fail-on', 'error,warning', ...debs]);
    if (error !== undefined) throw new Error('this test needs lintian: apt-get install lintian');
    expect([status, stdout]).toEqual([0, '']);
  }, 600_000);

  it('depend on what the addon is linked with', () => {
    const { stdout } = run('readelf', ['-d', at('tree/usr/lib/attestd/build/Release/attestd.node')]);
    const needed = [...stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((m) => m[1] as string);
    expect(needed.length).toBeGreaterThan(4);
    const control = readFileSync(at('tree/DEBIAN/control'), 'utf8');
    const [, line = ''] = /^Depends: (.*)$/m.exec(control) ?? [];
    const depends = new Set(line.split(/, | \| /).map((d) => d.split(' ')[0]));
    for (const library of needed.filter(
      (l) => !/^(?:libgcc_s|libm|libc|libpthread|libdl|ld-linux)/.test(l),
    )) {
      const owner = run('dpkg', ['-S', library]).stdout.split(':')[0] ?? '';
      expect([library, owner, depends.has(owner)]).toEqual([library, owner, true]);
    }
  });

  it('run with their own Node, and measure few files', () => {
    const lib = at('tree/usr/lib/attestd');
    const node = join(lib, 'node');
    const { version } = JSON.parse(readFileSync(join(ROOT, 'packaging/node.json'), 'utf8'));
    expect(run(node, ['--version']).stdout.trim()).toBe(`v${version}`);
    expect(run(node, [join(lib, 'dist/cli/main.js'), 'version']).stdout).toContain(`attestctl ${VERSION}`);
    const check = run(node, [
      join(lib, 'dist/daemon/main.js'),
      '--check-config',
      '--config',
      at('tree/etc/attestd/attestd.toml'),
    ]);
    expect([check.status, check.stderr]).toEqual([0, '']);
    expect(readdirSync(join(lib, 'dist/daemon'))).toEqual(['main.js']);
    // The addon, lmdb and its binary: the TPM is what is not there.
    const config = at('none.toml');
    writeFileSync(
      config,
      `fleet = "a"\nhost = "b"\nstate_dir = "${at('state')}"\n[tpm]\ntcti = "swtpm:path=${at('no')}"\n`,
    );
    const init = run(node, [join(lib, 'dist/cli/main.js'), 'init', '--config', config]);
    expect([init.status, init.stderr]).toEqual([5, expect.stringContaining('[TPM_UNAVAILABLE]')]);
  });

  it('are of one kind of machine, and of one that they are made for', () => {
    // As the same script says on a machine of another kind, short of its compiler.
    const bin = at('bin');
    mkdirSync(bin);
    const built = (arch: string) => {
      writeFileSync(join(bin, 'dpkg'), `#!/bin/sh\necho ${arch}\n`, { mode: 0o755 });
      const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
      const made = spawnSync(join(ROOT, 'scripts/build-deb'), ['--quick', '--out', at('other')], {
        env,
        encoding: 'utf8',
      });
      return [made.status, made.stderr];
    };
    const other = ARCH === 'arm64' ? 'amd64' : 'arm64';
    expect(built(other)).toEqual([1, expect.stringContaining(`attestd.node is not for ${other}`)]);
    expect(built('riscv64')).toEqual([1, expect.stringContaining('there is no package for riscv64')]);
    // What is fetched for the other kind is declared: a Node of the same version, and what lmdb brings compiled.
    const runtimes = JSON.parse(readFileSync(join(ROOT, 'packaging/node.json'), 'utf8'));
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
    for (const [arch, cpu] of [
      ['amd64', 'x64'],
      ['arm64', 'arm64'],
    ] as const) {
      expect(runtimes[arch].package).toBe(`node-linux-${cpu}`);
      expect(Buffer.from(runtimes[arch].integrity.slice('sha512-'.length), 'base64').length).toBe(64);
      for (const name of ['@lmdb/lmdb-linux', '@msgpackr-extract/msgpackr-extract-linux']) {
        const one = packages[`node_modules/${name}-${cpu}`];
        expect([name, one?.cpu, one?.version]).toEqual([
          name,
          [cpu],
          packages[`node_modules/${name}-x64`].version,
        ]);
      }
    }
    expect(readFileSync(at('tree/DEBIAN/control'), 'utf8')).toMatch(
      new RegExp(`^Architecture: ${ARCH}$`, 'm'),
    );
  });

  it('are stopped all at once, for a caller between two units would start the daemon again', () => {
    const prerm = readFileSync(at('tree/DEBIAN/prerm'), 'utf8');
    const [line = '', ...more] = prerm.match(/deb-systemd-invoke stop .*/g) ?? [];
    expect(more).toEqual([]);
    for (const unit of readdirSync(join(ROOT, 'systemd')).filter((f) => /\.(?:service|socket)$/.test(f)))
      expect(line).toContain(` ${unit} `);
  });

  it('refuse a downgrade, with the reason, and nothing else', () => {
    const preinst = (...args: string[]) => run('sh', [at('tree/DEBIAN/preinst'), ...args]);
    for (const older of [['install'], ['upgrade', '0.0.9'], ['upgrade', VERSION], ['install', VERSION]]) {
      expect([older, preinst(...older).status]).toEqual([older, 0]);
    }
    for (const word of ['upgrade', 'install']) {
      const { status, stderr } = preinst(word, '99.0');
      expect([status, stderr]).toEqual([
        1,
        expect.stringMatching(/99\.0 was installed.*is older\n.*a log is never rewritten/),
      ]);
    }
  });
});

describe('the bill of materials', () => {
  const read = (tree: string, name: string) =>
    JSON.parse(readFileSync(at(tree, `usr/share/doc/${name}/sbom.cdx.json`), 'utf8'));
  const schema = (name: string) =>
    JSON.parse(readFileSync(join(ROOT, `test/vectors/cyclonedx/${name}.schema.json`), 'utf8'));
  const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

  it.each([
    ['tree', 'attestd'],
    ['client-tree', 'attestd-client'],
  ])('in %s is CycloneDX 1.6, whole in itself, and says nothing that varies', (tree, name) => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    addFormats.default(ajv);
    for (const format of ['iri-reference', 'idn-email']) ajv.addFormat(format, true);
    for (const part of ['spdx', 'jsf-0.82'])
      ajv.addSchema(schema(part), `http://cyclonedx.org/schema/${part}.SNAPSHOT.schema.json`);
    const check = ajv.compile(schema('bom-1.6'));
    const bom = read(tree, name);
    expect([check(bom), check.errors]).toEqual([true, null]);
    expect(check({ ...bom, components: [{ type: 'library' }] })).toBe(false);
    expect(Object.keys(bom.metadata)).toEqual(['component']);
    expect(bom.serialNumber).toBeUndefined();
    const refs = [bom.metadata.component, ...bom.components].map((c) => c['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    for (const { ref, dependsOn = [] } of bom.dependencies)
      for (const r of [ref, ...dependsOn]) expect(refs).toContain(r);
  });

  it('names what is in the package, by version and digest', () => {
    const { components } = read('tree', 'attestd');
    const byName = (name: string) => components.find((c: { name: string }) => c.name === name);
    const node = JSON.parse(readFileSync(join(ROOT, 'packaging/node.json'), 'utf8'));
    const runtime = Buffer.from(node[ARCH].integrity.slice('sha512-'.length), 'base64').toString('hex');
    expect(byName('node')).toMatchObject({ version: node.version, hashes: [{ content: runtime }] });
    const addon = at('tree/usr/lib/attestd/build/Release/attestd.node');
    expect(byName('attestd.node').hashes).toEqual([{ alg: 'SHA-256', content: sha256(addon) }]);
    const control = readFileSync(at('tree/DEBIAN/control'), 'utf8');
    for (const wanted of (/^Depends: (.*)$/m.exec(control)?.[1] ?? '').split(', ')) {
      const first = wanted.split(' ')[0] as string;
      if (first.startsWith('lib')) expect([first, byName(first)?.type]).toEqual([first, 'library']);
    }
    const modules = at('tree/usr/lib/attestd/node_modules');
    for (const dir of readdirSync(modules, { recursive: true, encoding: 'utf8' }).filter((f) =>
      /^(?:@[^/]+\/)?[^/]+\/package\.json$/.test(f),
    )) {
      const { name, version } = JSON.parse(readFileSync(join(modules, dir), 'utf8'));
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      expect([purl, components.some((c: { purl?: string }) => c.purl === purl)]).toEqual([purl, true]);
    }
    expect(byName('fastify').hashes[0].alg).toBe('SHA-512');
  });

  it.each([
    ['tree', 'attestd'],
    ['client-tree', 'attestd-client'],
  ])('in %s has every version of a package that is there in several', (tree, name) => {
    const { packages: lock } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
    const purls: string[] = read(tree, name).components.map((c: { purl?: string }) => c.purl ?? '');
    const purlAt = (place: string) =>
      `pkg:npm/${(place.split('node_modules/').at(-1) as string).replace('@', '%40')}@${lock[place].version}`;
    const places = Object.keys(lock).filter((p) => p !== '' && purls.includes(purlAt(p)));
    let nested = 0;
    for (const place of places) {
      for (const below of Object.keys(lock[place].dependencies ?? {})) {
        const own = `${place}/node_modules/${below}`;
        const known = purls.some((p) => p.startsWith(`pkg:npm/${below.replace('@', '%40')}@`));
        if (lock[own] === undefined || !known) continue;
        nested++;
        expect([own, purls.includes(purlAt(own))]).toEqual([own, true]);
      }
    }
    expect(nested).toBeGreaterThan(0);
    const owed = gunzipSync(readFileSync(at(tree, `usr/share/doc/${name}/THIRD-PARTY.gz`))).toString();
    for (const purl of purls.filter((p) => p.startsWith('pkg:npm/') && !p.includes('/node-linux-'))) {
      const [, full, version] = /^pkg:npm\/(.+)@([^@]+)$/.exec(purl) as unknown as string[];
      expect([purl, owed.includes(`${full?.replace('%40', '@')} ${version}, `)]).toEqual([purl, true]);
    }
  });

  it('of the client has nothing of the host', () => {
    const client = read('client-tree', 'attestd-client').components.map((c: { name: string }) => c.name);
    expect(client).toContain('pkijs');
    expect(client.filter((n: string) => ['node', 'attestd.node', 'lmdb'].includes(n))).toEqual([]);
  });
});

describe('the lock of npm packages', () => {
  it('has a digest and the one registry for every package, and is all that scripts install from', () => {
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
    for (const [place, p] of Object.entries<Record<string, string>>(packages)) {
      if (place === '') continue;
      // No place of its own: the registry that npm is set to, and the digest says whether it is this.
      expect([place, p.resolved]).toEqual([place, undefined]);
      expect([place, p.integrity]).toEqual([place, expect.stringMatching(/^sha512-/)]);
    }
    const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const [name, version] of Object.entries({ ...own.dependencies, ...own.devDependencies }))
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+$/)]);
  });

  it('is kept to: where it lacks what package.json asks for, nothing is installed', () => {
    mkdirSync(at('unlocked'));
    const lock = { name: 'a', lockfileVersion: 3, packages: { '': { name: 'a' } } };
    writeFileSync(at('unlocked/package-lock.json'), JSON.stringify(lock));
    writeFileSync(at('unlocked/package.json'), '{"name":"a","dependencies":{"tslib":"*"}}\n');
    const script = '. "$0" && npm_locked "$1"';
    const { status, stderr } = run('bash', ['-c', script, join(ROOT, 'scripts/lib.sh'), at('unlocked')]);
    expect([status, stderr]).toEqual([1, expect.stringContaining('tslib')]);
    expect(readdirSync(at('unlocked')).sort()).toEqual(['package-lock.json', 'package.json']);
  });
});

describe('attestd-client', () => {
  it('installs as an npm package with no script, no dependency and no native code', () => {
    mkdirSync(at('app'));
    writeFileSync(at('app/package.json'), '{"private":true,"type":"module"}\n');
    const { status, stderr } = run(
      'npm',
      ['install', '--offline', '--no-audit', '--no-fund', at('one', NAMES[2] as string)],
      at('app'),
    );
    expect(status, stderr).toBe(0);
    expect(readdirSync(at('app/node_modules')).filter((f) => !f.startsWith('.'))).toEqual(['attestd-client']);
    const there = at('app/node_modules/attestd-client');
    const manifest = JSON.parse(readFileSync(join(there, 'package.json'), 'utf8'));
    for (const key of ['scripts', 'dependencies', 'gypfile', 'optionalDependencies'])
      expect(manifest[key]).toBeUndefined();
    const files = readdirSync(there, { recursive: true, encoding: 'utf8' });
    expect(files.filter((f) => /\.node$|binding\.gyp$/.test(f))).toEqual([]);
    for (const f of files.filter((f) => f.endsWith('.js'))) {
      const text = readFileSync(join(there, f), 'utf8');
      expect([
        f,
        /(?:from|import\() ?["'](?!\.|node:)[a-z@]/.exec(text)?.[0].includes('lmdb') ?? false,
      ]).toEqual([f, false]);
    }
  });

  it('is an SDK, a verifier and a command line', () => {
    writeFileSync(
      at('app/use.mjs'),
      `import { connect } from 'attestd-client';
import { verifyBundle } from 'attestd-client/verify';
console.log(typeof connect, typeof verifyBundle);`,
    );
    expect(run(process.execPath, ['use.mjs'], at('app')).stdout).toBe('function function\n');
    const ctl = (...args: string[]) => run(at('app/node_modules/.bin/attestctl'), args, at('app'));
    expect(ctl('version').stdout).toContain(`attestctl ${VERSION}`);
    const help = ctl('--help').stdout;
    for (const c of commandsOf('client')) expect(help).toMatch(new RegExp(`^  ${c.name}\\b`, 'm'));
    expect(ctl('init').status).toBe(2);
    writeFileSync(at('app/x.attest.json'), '{}');
    writeFileSync(at('app/trust.json'), '{}');
    expect(ctl('verify', 'x.attest.json', '--trust', 'trust.json').status).toBe(3);
    // As a Debian package it is the same.
    const deb = at('client-tree/usr/lib/node_modules/attestd-client/dist/attestctl.js');
    expect(statSync(deb).mode & 0o111).toBe(0o111);
    expect(run(process.execPath, [deb, 'version']).stdout).toContain(VERSION);
  });
});
