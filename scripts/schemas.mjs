#!/usr/bin/env node
// Writes docs/schemas/*.json, the JSON Schemas of the formats, from the built code: npm run build:ts && node scripts/schemas.mjs
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { schemaCatalogue } from '../dist/evidence/schema/catalogue.js';

const dir = fileURLToPath(new URL('../docs/schemas/', import.meta.url));
mkdirSync(dir, { recursive: true });
for (const [name, schema] of Object.entries(schemaCatalogue())) {
  writeFileSync(`${dir}${name}.json`, `${JSON.stringify(schema, null, 2)}\n`);
}
