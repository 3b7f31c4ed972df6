/**
 * `npm run bench`: every figure of the README in one run. Prints the table on stderr and one JSON document on stdout.
 *   --quick        shorter runs and a log of 100,000 entries: a look, not the figures
 *   --only a,b     some of: throughput, sealed, slow, reset, govern, mcp, size, verify, ima, floods (or flood-NAME)
 *   --peers        instead of all that: individually signed requests beside Parsec, go-attestation, tpm2-tools, OpenSSL and ESAPI;
 *                  --only takes names of peers.ts then, as in attestd-salted,esapi-salted
 *   --write        puts the table into README.md
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { enrolledBundle } from './enrolled.ts';
import { floods, KINDS } from './floods.ts';
import { decisions, flow } from './govern.ts';
import { makeHost, ROOT } from './host.ts';
import { imaList } from './logs.ts';
import { proxied } from './mcp.ts';
import { type BenchOptions, readOptions } from './options.ts';
import { comparePeers, peerTable } from './peers.ts';
import { type Figure, keeps, markdown } from './report.ts';
import { reset, type Shape, sealed, slowTpm, throughput } from './scenarios.ts';
import { cold, size } from './size.ts';

const NAMES = [
  ...['throughput', 'sealed', 'slow', 'reset', 'govern', 'mcp', 'size', 'verify', 'ima', 'floods'],
  ...KINDS.map((kind) => `flood-${kind}`),
];
function refuse(why: string): never {
  process.stderr.write(
    `bench: error: ${why}\nbench: hint: npm run bench -- [--quick] [--only NAME,NAME] [--peers] [--write]\n`,
  );
  process.exit(2);
}
function options(): BenchOptions {
  try {
    return readOptions(process.argv.slice(2), NAMES);
  } catch (e) {
    return refuse((e as Error).message);
  }
}
const { quick, only, peers: besidePeers, write } = options();
const shape: Shape = quick ? { runs: 1, seconds: 3 } : { runs: 3, seconds: 8 };
const started = performance.now();
const progress = (text: string) =>
  process.stderr.write(`bench: ${Math.round((performance.now() - started) / 1000)} s: ${text}\n`);
const wanted = (name: string) => only === undefined || only.includes(name);

const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}`;

const figures: Figure[] = [];
const add = (found: Figure[]) => {
  for (const f of found) {
    figures.push(f);
    progress(`${f.what}: ${f.value.toPrecision(3)}${keeps(f) ? '' : ' — MISSES its bound'}`);
  }
};

if (besidePeers) {
  const { peers, figures } = await comparePeers(quick ? 1 : 3, quick ? 100 : 400, progress, wanted);
  if (peers.length === 0) refuse(`--only ${only}: no peer of that name`);
  const table = `${peerTable(peers)}\n${markdown(figures, machine, 'npm run bench -- --peers')}`;
  process.stderr.write(`\n${table}\n`);
  process.stdout.write(
    `${JSON.stringify({ schema: 'attestd.dev/bench-peers/v1', machine, peers, figures }, null, 2)}\n`,
  );
  if (write) intoReadme('peers', table);
  process.exit(figures.every(keeps) ? 0 : 1);
}

if (['throughput', 'sealed', 'slow', 'reset'].some(wanted)) {
  progress('a host');
  const host = await makeHost();
  try {
    await host.start();
    if (wanted('throughput')) add(await throughput(host, shape));
    if (wanted('sealed')) add(await sealed(host, shape));
    if (wanted('slow')) add(await slowTpm(host, shape));
    if (wanted('reset')) add(await reset(host, shape));
  } finally {
    await host.remove();
  }
}
if (wanted('govern')) {
  progress('a host that governs');
  add([await flow(shape)]);
  add([await decisions(shape)]);
}
if (wanted('mcp')) {
  progress('a host before an MCP server');
  add([await proxied(shape)]);
}
const flooded = KINDS.filter((kind) => wanted('floods') || wanted(`flood-${kind}`));
if (flooded.length > 0) {
  progress('a host that is flooded');
  add(await floods(shape, flooded, quick ? 64e6 : 1e9, progress));
}
if (wanted('size')) add(await size(shape, 10_000, quick ? 100_000 : 1_000_000, progress));
if (wanted('verify')) {
  progress('an enrolled host');
  const made = await enrolledBundle();
  try {
    add([await cold(shape, made.bundle, made.trust)]);
  } finally {
    await made.remove();
  }
}
if (wanted('ima')) {
  progress('an IMA list');
  add(await imaList(shape, quick ? 100_000 : 1_000_000));
}

const table = markdown(figures, machine);
process.stderr.write(`\n${table}\n`);
process.stdout.write(`${JSON.stringify({ schema: 'attestd.dev/bench/v1', machine, figures }, null, 2)}\n`);
if (write) intoReadme('bench', table);
if (!figures.every(keeps)) process.exitCode = 1;

/** Puts a table between the marks of its name in README.md. */
function intoReadme(name: 'bench' | 'peers', table: string): void {
  const file = join(ROOT, 'README.md');
  const marks = new RegExp(`(<!-- ${name}:begin -->\\n)[\\s\\S]*(<!-- ${name}:end -->)`);
  const text = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    text.replace(marks, (_, a: string, b: string) => `${a}${table}${b}`),
  );
}
