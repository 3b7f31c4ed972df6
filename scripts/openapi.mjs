#!/usr/bin/env node
// Writes openapi.json from the routes of the built daemon: npm run build:ts && node scripts/openapi.mjs
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import swagger from '@fastify/swagger';
import { DOCUMENT, documentedApp } from '../dist/daemon/document.js';

const app = await documentedApp(async (a) => {
  await a.register(swagger, DOCUMENT);
});
const file = fileURLToPath(new URL('../openapi.json', import.meta.url));
writeFileSync(file, `${JSON.stringify(app.swagger(), null, 2)}\n`);
