#!/usr/bin/env node
// Writes the table of metrics into docs/operators.md: npm run build:ts && node scripts/metrics.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { metricsTable } from '../dist/daemon/metrics/declared.js';

const file = fileURLToPath(new URL('../docs/operators.md', import.meta.url));
const place = /(<!-- metrics: [^\n]*-->\n)[\s\S]*?(<!-- \/metrics -->)/;
writeFileSync(
  file,
  readFileSync(file, 'utf8').replace(place, (_all, begin, end) => `${begin}\n${metricsTable()}\n\n${end}`),
);
