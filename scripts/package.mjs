/**
 * Lays out the program as packages carry it: modules joined, so that a thousand small files become a few, and beside
 * them only the npm packages that find files of their own.
 *   node scripts/package.mjs host DIR      the whole, for /usr/lib/attestd
 *   node scripts/package.mjs client DIR    an npm package without native code, without dependencies, without scripts
 * A third argument is a file to which the npm packages go whose code is in there, by their places in the lock, one a line. `--modules DIR` has
 * the npm packages that are compiled for another kind of machine, which are taken in place of those for this one.
 * Needs npm run build:ts before, for the declarations of types.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('../', import.meta.url));
const src = join(root, 'src');
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { modules: { type: 'string' } },
});
const [kind, out, list] = positionals;
/** Places of npm packages that are in there, joined or as they are: of one package there may be two versions. */
const inside = new Set();
if (!['host', 'client'].includes(kind) || out === undefined) {
  process.stderr.write('usage: node scripts/package.mjs host|client DIR [FILE] [--modules DIR]\n');
  process.exit(2);
}

/** Packages that stay packages: they look for files beside their code. */
const WITH_FILES = [/^lmdb$/, /^@cedar-policy\//];
/** What stays outside; a client has no command that needs it. */
const outside = kind === 'host' ? WITH_FILES : [...WITH_FILES, /native\/addon\.ts$/];

/** Joins entries below `into`, sharing chunks that lie beside them, for code finds its files by its own place. */
async function bundle(input, into) {
  const build = await rolldown({
    input,
    platform: 'node',
    external: outside,
    logLevel: 'warn',
    treeshake: true,
    plugins: [
      {
        name: 'edition',
        load: (id) => (id.endsWith('/cli/edition.ts') ? `export const EDITION = '${kind}';` : undefined),
      },
    ],
  });
  const { output } = await build.write({
    dir: into,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    ...(Object.keys(input).length === 1 ? { codeSplitting: false } : {}),
  });
  await build.close();
  for (const { moduleIds = [] } of output) {
    for (const id of moduleIds) {
      const place = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0];
      if (place !== undefined) inside.add(relative(root, place));
    }
  }
}

const manifestIn = (dir) => JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));

/** Where a package lies; what is compiled for this kind of machine lies nowhere where another's is packed. */
function placeOf(name) {
  const { modules } = values;
  const dir = join(root, 'node_modules', name);
  if (modules !== undefined && existsSync(join(modules, name))) return join(modules, name);
  if (!existsSync(dir) || (modules !== undefined && manifestIn(dir).cpu !== undefined)) return undefined;
  return dir;
}

/** A package and what it needs. */
function closure(names) {
  const found = new Map();
  const visit = (name) => {
    const dir = placeOf(name);
    if (found.has(name) || dir === undefined) return;
    const manifest = manifestIn(dir);
    found.set(name, dir);
    for (const below of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
      visit(below);
  };
  names.forEach(visit);
  return found;
}

/** Of a package: what runs, and its licence. Sources, maps, types and binaries for other runtimes stay behind. */
const RUNS = /(?:^|\/)(?:package\.json|licen[cs]e[^/]*|[^/]+\.(?:js|cjs|mjs|wasm|napi\.glibc\.node))$/i;
const NEVER =
  /(?:^|\/)(?:test|tests|benchmark|benchmarks|dependencies|bin|esm\/|web\/|node_modules\/node-addon-api)/;
/** Commands for whoever builds a package. */
const FOR_BUILDERS = /^(?:bin|build-test|optional)\.js$/;

function filesOf(name, dir) {
  // The edition of lmdb's own compiler, of cedar for browsers, and the like.
  const never = name === 'node-gyp-build-optional-packages' ? FOR_BUILDERS : NEVER;
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
  return files.filter((f) => RUNS.test(f) && !never.test(f));
}

/** Copies a package, or nothing of one that was compiled, and not for Debian's C library: what asks for it does without. */
function copyPackage(name, dir, to) {
  const files = filesOf(name, dir);
  if (manifestIn(dir).cpu !== undefined && !files.some((f) => f.endsWith('.node'))) return;
  inside.add(`node_modules/${name}`);
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(dir, file), join(to, file));
  }
}

async function host() {
  await bundle({ main: join(src, 'daemon/main.ts') }, join(out, 'dist/daemon'));
  await bundle({ main: join(src, 'forward/main.ts') }, join(out, 'dist/forward'));
  await bundle({ main: join(src, 'observe/main.ts') }, join(out, 'dist/observe'));
  const cli = { main: join(src, 'cli/main.ts'), readerthread: join(src, 'cli/audit/readerthread.ts') };
  await bundle(cli, join(out, 'dist/cli'));
  await bundle({ firmware: join(src, 'cli/demo/firmware.ts') }, join(out, 'dist/demo'));
  for (const [name, dir] of closure(['lmdb', '@cedar-policy/cedar-wasm'])) {
    // Headers for a compiler.
    if (name === 'node-addon-api') continue;
    copyPackage(name, dir, join(out, 'node_modules', name));
  }
  mkdirSync(join(out, 'build/Release'), { recursive: true });
  const { name, version, license, type } = own;
  writeFileSync(
    join(out, 'package.json'),
    `${JSON.stringify({ name, version, license, type, private: true }, null, 2)}\n`,
  );
}

async function client() {
  const entries = {
    attestctl: join(src, 'cli/main.ts'),
    readerthread: join(src, 'cli/audit/readerthread.ts'),
    client: join(src, 'client/client.ts'),
    token: join(src, 'client/token.ts'),
    verify: join(src, 'verify/verify.ts'),
  };
  await bundle(entries, join(out, 'dist'));
  chmodSync(join(out, 'dist/attestctl.js'), 0o755);
  for (const floor of ['core', 'evidence', 'log', 'verify', 'client']) {
    const from = join(root, 'dist', floor);
    for (const file of readdirSync(from, { recursive: true, encoding: 'utf8' }).filter((f) =>
      f.endsWith('.d.ts'),
    )) {
      const to = join(out, 'types', relative(join(root, 'dist'), join(from, file)));
      mkdirSync(dirname(to), { recursive: true });
      cpSync(join(from, file), to);
    }
  }
  const manifest = {
    name: 'attestd-client',
    version: own.version,
    description: 'SDK, verifier and command line of attestd, without native code',
    license: own.license,
    type: 'module',
    engines: own.engines,
    bin: { attestctl: 'dist/attestctl.js' },
    exports: {
      '.': { types: './types/client/client.d.ts', default: './dist/client.js' },
      './token': { types: './types/client/token.d.ts', default: './dist/token.js' },
      './verify': { types: './types/verify/verify.d.ts', default: './dist/verify.js' },
    },
    files: ['dist', 'types'],
    sideEffects: false,
  };
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of ['LICENSE', 'docs/auditors.md']) {
    cpSync(join(root, file), join(out, file === 'LICENSE' ? file : 'README.md'));
  }
}

/** Every npm package whose code is in there, and all that they ask for, with where it lies: what the copyright file owes. */
export function thirdParty() {
  const all = [...closure(Object.keys(own.dependencies))].map(([name, dir]) => [`node_modules/${name}`, dir]);
  const places = new Map([...[...inside].map((place) => [place, join(root, place)]), ...all]);
  return [...places].sort(([a], [b]) => (a < b ? -1 : 1));
}

mkdirSync(out, { recursive: true });
await (kind === 'host' ? host() : client());
const notices = thirdParty().map(([, dir]) => {
  const { name, version, license } = manifestIn(dir);
  const file = readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
  const text = file === undefined ? '' : readFileSync(join(dir, file), 'utf8').trim();
  return `${name} ${version}, ${license}\n\n${text}\n`;
});
writeFileSync(join(out, 'THIRD-PARTY'), notices.join(`\n${'-'.repeat(72)}\n\n`));
if (list !== undefined)
  writeFileSync(
    list,
    [...inside]
      .sort()
      .map((n) => `${n}\n`)
      .join(''),
  );
