/** The store as plain JavaScript, for children that tests kill: Node 20 does not run TypeScript. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FLOORS = ['core', 'log', 'evidence', 'native', 'store'];

/** Transpiles the floors that the store stands on. @returns the directory, which goes away with the test */
export function builtStore(): string {
  // Within node_modules, so that the imports of packages resolve.
  const cache = join(ROOT, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, 'attestd-store-'));
  onTestFinished(() => rmSync(out, { recursive: true, force: true }));
  writeFileSync(join(out, 'package.json'), '{"type":"module"}');
  for (const floor of FLOORS) {
    for (const name of readdirSync(join(ROOT, 'src', floor), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const source = readFileSync(join(ROOT, 'src', floor, name), 'utf8');
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: {
          module: ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2023,
          rewriteRelativeImportExtensions: true,
          verbatimModuleSyntax: true,
        },
      });
      const path = join(out, floor, name.replace(/\.ts$/, '.js'));
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, outputText);
    }
  }
  return out;
}

/** Where the addon is, for `loadAddon`. */
export const ADDON: string = join(ROOT, 'build/Release/attestd.node');

/** Beginning of a child's script: the store opened at argv[2] as `store`. */
export function preamble(out: string): string {
  return `
    import { openStore } from '${out}/store/open.js';
    import { nativeDisk } from '${out}/store/disk.js';
    import { loadAddon } from '${out}/native/addon.js';
    const disk = nativeDisk(loadAddon('${ADDON}'));
    const store = await openStore(process.argv[2], { segmentBytes: 1 << 18, disk });
  `;
}
