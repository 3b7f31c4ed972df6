/**
 * The folder listing is the architecture: floors import only downwards. This test reads every import and holds it
 * against one table; it proves of itself that it saw the modules and that it catches a planted bad edge.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../src');

/** Who may import whom, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  evidence: ['core'],
  log: ['core'],
  verify: ['core', 'evidence', 'log'],
  native: ['core'],
  tpm: ['core', 'evidence', 'log', 'native'],
  measure: ['core', 'evidence', 'native'],
  store: ['core', 'evidence', 'log', 'native'],
  ca: ['core', 'evidence', 'log', 'verify'],
  client: ['core'],
  forward: ['core', 'evidence', 'log', 'verify', 'client'],
  observe: ['core', 'native', 'measure'],
  daemon: ['core', 'evidence', 'log', 'verify', 'native', 'tpm', 'measure', 'store'],
  cli: [
    'core',
    'evidence',
    'log',
    'verify',
    'native',
    'tpm',
    'measure',
    'store',
    'ca',
    'client',
    'daemon',
    'forward',
  ],
};
const PURE = new Set(['core', 'evidence', 'log', 'verify']);
/** Packages that run in a browser as they are. */
const PURE_PACKAGES = new Set([
  '@noble/curves',
  '@noble/hashes',
  'canonicalize',
  'cborg',
  'pkijs',
  'asn1js',
  'typebox',
]);
/** Longer than this is a fault waiting; the house says around 100. */
const MAX_LINES = 300;

interface Edge {
  readonly from: string;
  readonly to: string;
}

function importsOf(file: string, text: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      found.push(node.moduleSpecifier.text);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument !== undefined && ts.isStringLiteral(argument)) found.push(argument.text);
      else found.push('(computed import)');
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      if (ts.isStringLiteral(node.argument.literal)) found.push(node.argument.literal.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true));
  return found;
}

/** The same without what is there for types only. */
function runtimeImportsOf(file: string, text: string): string[] {
  const options = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2023,
    verbatimModuleSyntax: true,
  };
  return importsOf(file, ts.transpileModule(text, { compilerOptions: options }).outputText);
}

/** What is wrong with one import, or nothing. */
function fault({ from, to }: Edge): string | undefined {
  const floor = relative(SRC, from).split('/')[0] as string;
  if (to.startsWith('.')) {
    const target = relative(SRC, resolve(dirname(from), to)).split('/')[0] as string;
    if (target === floor) return undefined;
    return MAY_IMPORT[floor]?.includes(target) ? undefined : `${floor} may not import ${target}`;
  }
  if (!PURE.has(floor)) return undefined;
  const name = to
    .split('/')
    .slice(0, to.startsWith('@') ? 2 : 1)
    .join('/');
  return PURE_PACKAGES.has(name) ? undefined : `${floor} is pure and may not import ${to}`;
}

function modules(): { file: string; text: string }[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.ts'))
    .map((f) => ({ file: join(SRC, f), text: readFileSync(join(SRC, f), 'utf8') }));
}

describe('the house', () => {
  const all = modules();
  const edges = all.flatMap(({ file, text }) => importsOf(file, text).map((to) => ({ from: file, to })));

  it('was read whole', () => {
    expect(all.length).toBeGreaterThan(60);
    expect(edges.length).toBeGreaterThan(150);
    const floors = new Set(all.map(({ file }) => relative(SRC, file).split('/')[0]));
    expect([...floors].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it('has arrows only downwards', () => {
    const faults = edges.flatMap((e) => {
      const why = fault(e);
      return why === undefined ? [] : [`${relative(SRC, e.from)} → ${e.to}: ${why}`];
    });
    expect(faults).toEqual([]);
  });

  it.each([
    ['an upward import', 'core/x.ts', "import { a } from '../verify/verify.ts';"],
    ['a sideways import', 'store/x.ts', "import { a } from '../tpm/keys.ts';"],
    ['node: on a pure floor', 'verify/x.ts', "import { readFileSync } from 'node:fs';"],
    ['a package that is not for browsers', 'log/x.ts', "import fastify from 'fastify';"],
    ['a hidden dynamic import', 'evidence/x.ts', "const m = await import('../daemon/main.ts');"],
    ['a type-only import', 'client/x.ts', "type T = import('../daemon/config.ts').Config;"],
    ['a re-export', 'core/x.ts', "export { a } from '../log/note.ts';"],
    ['a computed import', 'verify/x.ts', 'const m = await import(name);'],
  ])('catches %s', (_what, path, text) => {
    const file = join(SRC, path);
    const faults = importsOf(file, text).map((to) => fault({ from: file, to }));
    expect(faults.filter((f) => f !== undefined)).toHaveLength(1);
  });

  // Users take the SDK into programs of their own: it brings nothing with it, directly or by what it imports.
  it.each(['client/client.ts', 'client/token.ts'])('lets %s run on Node alone', (entry) => {
    const seen = new Set<string>();
    const packages = new Set<string>();
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const to of runtimeImportsOf(file, readFileSync(file, 'utf8'))) {
        if (to.startsWith('.')) visit(resolve(dirname(file), to));
        else packages.add(to);
      }
    };
    visit(join(SRC, entry));
    expect(seen.size).toBeGreaterThan(3);
    expect([...packages].filter((p) => !p.startsWith('node:'))).toEqual([]);
    expect([...seen].map((f) => relative(SRC, f)).filter((f) => !/^(?:client|core)\//.test(f))).toEqual([]);
  });

  it('keeps its files short', () => {
    const long = all
      .map(({ file, text }) => [relative(SRC, file), text.split('\n').length] as const)
      .filter(([, lines]) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it('has no default export and no utils', () => {
    const bad = all.filter(({ file, text }) => /^export default/m.test(text) || /\butils?\.ts$/.test(file));
    expect(bad.map(({ file }) => relative(SRC, file))).toEqual([]);
  });
});
