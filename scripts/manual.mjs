#!/usr/bin/env node
// Writes the manual pages and completion scripts below a directory, from the built code: npm run build:ts first.
//   node scripts/manual.mjs DIR      DIR/man/…, DIR/completion/…
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundlePage } from '../dist/cli/manual/bundle.js';
import { attestctlPage } from '../dist/cli/manual/commands.js';
import { completion, SHELLS } from '../dist/cli/manual/completion.js';
import { configPage } from '../dist/cli/manual/config.js';
import { daemonPage, forwardPage, observePage } from '../dist/cli/manual/daemon.js';
import { printPage } from '../dist/cli/manual/roff.js';
import { ATTESTCTL } from '../dist/cli/table.js';
import { VERSION } from '../dist/cli/version.js';
import { RELOADED } from '../dist/daemon/reload.js';

const [out] = process.argv.slice(2);
if (out === undefined) {
  process.stderr.write('usage: node scripts/manual.mjs DIR\n');
  process.exit(2);
}
const units = fileURLToPath(new URL('../systemd/', import.meta.url));
const read = (name) => readFileSync(join(units, name), 'utf8');
const pages = [
  attestctlPage(ATTESTCTL),
  configPage(read('attestd.toml'), RELOADED),
  bundlePage(),
  daemonPage(),
  forwardPage(read('attestd-forward.toml')),
  observePage(),
];
mkdirSync(join(out, 'man'), { recursive: true });
mkdirSync(join(out, 'completion'), { recursive: true });
for (const page of pages)
  writeFileSync(join(out, 'man', `${page.name}.${page.section}`), printPage(page, VERSION));
for (const shell of SHELLS) {
  writeFileSync(join(out, 'completion', `attestctl.${shell}`), completion(shell, ATTESTCTL));
}
