import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { builtStore, preamble } from './build.ts';
import { checkLog } from './checklog.ts';
import { newLog, randomizer, SMALL, sealNow } from './kit.ts';

/** Commits without end, four at a time, and says which entry is durable; seals would need a note, so the parent seals. */
const WRITER = `
  const round = process.argv[3];
  let n = 0;
  async function writer(w) {
    for (;;) {
      const entry = Buffer.from(\`round \${round} writer \${w} entry \${n++} \`.padEnd(200 + (n % 700), 'x'));
      const opening = Buffer.from('["salt","secret"]');
      const { first: index } = await store.commit([{ entry, opening }]);
      process.stdout.write(index + ' ' + entry.toString() + '\\n');
    }
  }
  process.stdout.write('ready\\n');
  for (let w = 0; w < 4; w++) writer(w);
`;

test('kill -9 at random moments, sixty times: no acknowledged entry is lost', async () => {
  const out = builtStore();
  const script = join(out, 'writer.js');
  writeFileSync(script, preamble(out) + WRITER);
  const dir = await newLog();
  const random = randomizer(11);
  const acked = new Map<number, string>();
  let rounds = 0;
  for (let round = 0; round < 60; round++) {
    const child = spawn(process.execPath, [script, dir, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      if (text === '') setTimeout(() => child.kill('SIGKILL'), random() % 60);
      text += part;
    });
    await new Promise((resolve) => child.on('close', resolve));
    // The last line may be cut; every other one was acknowledged.
    const lines = text.split('\n').slice(0, -1);
    if (lines[0] === 'ready') rounds++;
    for (const line of lines.slice(1)) {
      const space = line.indexOf(' ');
      acked.set(Number(line.slice(0, space)), line.slice(space + 1));
    }
    if (round % 10 !== 9) continue;
    const store = await openStore(dir, SMALL);
    await sealNow(store);
    await store.close();
    const { entries, torn } = await checkLog(dir);
    expect(torn).toBe(0);
    for (const [index, entry] of acked) expect(entries[index]).toBe(entry);
  }
  expect(rounds).toBeGreaterThanOrEqual(50);
  expect(acked.size).toBeGreaterThan(1000);
});

test('a group of records is one write and one fdatasync', async () => {
  const out = builtStore();
  const script = join(out, 'groups.js');
  writeFileSync(
    script,
    `${preamble(out)}
    const item = (i) => ({ entry: Buffer.from('entry ' + i), opening: Buffer.from('["salt"]') });
    const note = (text) => process.stderr.write(text);
    for (let g = 0; g < 20; g++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await Promise.all(Array.from({ length: 50 }, (_, i) => store.commit([item(i), item(i)])));
    }
    await store.close();`,
  );
  const dir = await newLog();
  const trace = join(dir, '../trace');
  const before = await checkLog(dir);
  const calls = 'trace=pwrite64,pwritev,pwritev2,fdatasync,write';
  const run = spawnSync('strace', ['-f', '-y', '-e', calls, '-o', trace, process.execPath, script, dir]);
  expect(run.status).toBe(0);
  const after = await checkLog(dir);
  expect(after.size - before.size).toBe(2000);
  expect(after.batches - before.batches).toBe(20);
  const onSegment = readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => /\((?:\d+)<[^>]*\.wal>/.test(line));
  const count = (call: RegExp) => onSegment.filter((line) => call.test(line)).length;
  expect(count(/ fdatasync\(/)).toBe(20);
  expect(count(/ pwritev?(?:64|2)?\(/)).toBe(20);
});
