#!/usr/bin/env node
/**
 * Writes what a package is made of, as CycloneDX 1.6 JSON on stdout: npm packages by the lock (with its digests), the Node
 * runtime, the addon, and the libraries of the distribution that are asked for at install. The same bytes for the same
 * input: no serial number and no time, for a package is to be made again by others.
 *   node scripts/sbom.mjs --name attestd --version 0.1.0 --arch amd64 --packages FILE --node --addon FILE --libraries 'a (>= 1), b | c'
 *   node scripts/sbom.mjs --name attestd-client --version 0.1.0 --packages FILE
 * FILE has places of npm packages in the lock, one a line: of one package there may be two versions.
 * `--modules DIR`: npm packages for another kind of machine, as package.mjs takes them.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../', import.meta.url));
const { values } = parseArgs({
  options: {
    name: { type: 'string' },
    version: { type: 'string' },
    arch: { type: 'string', default: 'all' },
    packages: { type: 'string' },
    modules: { type: 'string' },
    node: { type: 'boolean', default: false },
    addon: { type: 'string' },
    libraries: { type: 'string', default: '' },
  },
});
const { name, version, arch, packages } = values;
if (name === undefined || version === undefined || packages === undefined) {
  process.stderr.write(
    'usage: sbom --name NAME --version VERSION --packages FILE [--arch ARCH --node --addon FILE --libraries LIST]\n',
  );
  process.exit(2);
}
const json = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));
const lock = json('package-lock.json').packages;
const own = json('package.json');

/** `sha512-<base64>` as CycloneDX has it. */
function integrity(text) {
  const [, algorithm, digest] = /^sha(256|384|512)-([A-Za-z0-9+/]+=*)$/.exec(text ?? '') ?? [];
  if (digest === undefined) throw new Error(`no digest of a kind that is known: ${text}`);
  return [{ alg: `SHA-${algorithm}`, content: Buffer.from(digest, 'base64').toString('hex') }];
}

const license = (l) => (/^[A-Za-z0-9.+-]+$/.test(l) ? [{ license: { id: l } }] : [{ expression: l }]);

/** Where the lock has a package that another one asks for: the nearest node_modules, as Node looks. */
function placeOf(wanted, from) {
  for (let at = from; ; ) {
    const place = `${at === '' ? '' : `${at}/`}node_modules/${wanted}`;
    if (lock[place] !== undefined) return place;
    if (at === '') return undefined;
    at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '';
  }
}

/** The manifest of what was packed: for another kind of machine what is compiled lies in a folder of its own. */
function manifestOf(place, full) {
  const other = join(values.modules ?? '', full, 'package.json');
  if (values.modules !== undefined && place === `node_modules/${full}` && existsSync(other))
    return JSON.parse(readFileSync(other, 'utf8'));
  return json(`${place}/package.json`);
}

const purlOf = (n, v) => `pkg:npm/${n.replace(/^@/, '%40')}@${v}`;
const npm = readFileSync(packages, 'utf8')
  .split('\n')
  .filter((place) => place !== '')
  .map((place) => {
    const locked = lock[place];
    if (locked === undefined) throw new Error(`${place} is not in the lock`);
    const full = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const manifest = manifestOf(place, full);
    if (manifest.version !== locked.version)
      throw new Error(`${place} is ${manifest.version}, locked is ${locked.version}`);
    const [, group, short] = /^(?:(@[^/]+)\/)?(.+)$/.exec(full);
    const purl = purlOf(full, locked.version);
    return {
      place,
      below: Object.keys({ ...locked.dependencies, ...locked.optionalDependencies }),
      component: {
        type: 'library',
        'bom-ref': purl,
        ...(group === undefined ? {} : { group }),
        name: short,
        version: locked.version,
        hashes: integrity(locked.integrity),
        licenses: license(locked.license ?? manifest.license),
        purl,
      },
    };
  });
/** One version may lie in several places. */
const components = [...new Map(npm.map((p) => [p.component.purl, p.component])).values()];

function runtime() {
  const node = json('packaging/node.json');
  const { package: from, integrity: digest } = node[arch];
  return {
    type: 'platform',
    'bom-ref': `node@${node.version}`,
    name: 'node',
    version: node.version,
    hashes: integrity(digest),
    licenses: license('MIT'),
    cpe: `cpe:2.3:a:nodejs:node.js:${node.version}:*:*:*:*:*:*:*`,
    purl: purlOf(from, node.version),
  };
}

function addon() {
  const bytes = readFileSync(values.addon);
  return {
    type: 'library',
    'bom-ref': `attestd.node@${version}`,
    name: 'attestd.node',
    version,
    hashes: [{ alg: 'SHA-256', content: createHash('sha256').update(bytes).digest('hex') }],
    licenses: license(own.license),
  };
}

/** Of `name (>= version) | other`: what the distribution brings; which version is decided where it is installed. */
function library(wanted) {
  const [first, ...others] = wanted.split('|').map((w) => /^(\S+)(?: \((.*)\))?$/.exec(w.trim()));
  const properties = [
    ...(first[2] === undefined ? [] : [{ name: 'attestd:constraint', value: first[2] }]),
    ...others.map((o) => ({ name: 'attestd:alternative', value: o[1] })),
  ];
  const purl = `pkg:deb/debian/${first[1]}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name: first[1],
    purl,
    ...(properties.length === 0 ? {} : { properties }),
  };
}

const libraries = values.libraries
  .split(',')
  .filter((l) => l.trim() !== '')
  .map((l) => library(l.trim()));
const main = `pkg:deb/attestd/${name}@${version}?arch=${arch}`;
const beside = [...(values.node ? [runtime()] : []), ...(values.addon === undefined ? [] : [addon()])];
const refs = new Map(npm.map((p) => [p.place, p.component['bom-ref']]));
const direct = npm.filter((p) => p.place.slice('node_modules/'.length) in own.dependencies);
const dependencies = [
  {
    ref: main,
    dependsOn: [...direct.map((p) => p.component), ...beside, ...(values.addon ? [] : libraries)].map(
      (c) => c['bom-ref'],
    ),
  },
  ...components.map(({ purl }) => ({
    ref: purl,
    dependsOn: [
      ...new Set(
        npm
          .filter((p) => p.component.purl === purl)
          .flatMap((p) => p.below.flatMap((n) => refs.get(placeOf(n, p.place)) ?? [])),
      ),
    ].sort(),
  })),
  ...beside.map((c) => ({
    ref: c['bom-ref'],
    dependsOn: c.name === 'attestd.node' ? libraries.map((l) => l['bom-ref']) : [],
  })),
];
const bom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: {
    component: {
      type: 'application',
      'bom-ref': main,
      name,
      version,
      licenses: license(own.license),
      purl: main,
    },
  },
  components: [...components, ...beside, ...libraries],
  dependencies: dependencies.map(({ ref, dependsOn }) => ({
    ref,
    ...(dependsOn.length === 0 ? {} : { dependsOn }),
  })),
};
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
