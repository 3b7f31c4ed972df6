/**
 * Records until one is refused or there are so many, of 60 kB each, then smaller and smaller ones, so that there is no
 * room for anything; prints one line of JSON about it: how many were recorded, and how the last one was refused.
 *   node fill.mjs COUNT
 */
import { request } from 'node:http';

const lineOf = (bytes) =>
  JSON.stringify({
    phase: 'completed',
    action: { type: 'test', name: 'fill' },
    outcome: { status: 'succeeded', effect: 'confirmed' },
    plain: { inputs: { data: 'x'.repeat(bytes) } },
  });

function post(line, count) {
  const headers = { 'attestd-client': 'fill/1', 'content-type': 'application/x-ndjson' };
  const options = {
    socketPath: '/run/attestd/attestd.sock',
    path: '/v1/records?wait=durable',
    method: 'POST',
    headers,
  };
  return new Promise((resolve, reject) => {
    const r = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (s) => {
        text += s;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve(
          text
            .trim()
            .split('\n')
            .map((l) => JSON.parse(l)),
        ),
      );
    });
    r.on('error', reject);
    r.setTimeout(60_000, () => r.destroy(new Error('no answer')));
    r.end(`${line}\n`.repeat(count));
  });
}

const said = { recorded: 0 };
let left = Number(process.argv[2]);
/** A few at a time: after a refusal no more of this size are offered. */
async function fill(bytes, atOnce) {
  said.refused = undefined;
  while (left > 0 && said.refused === undefined && said.broke === undefined) {
    const count = Math.min(left, atOnce);
    left -= count;
    const answers = await post(lineOf(bytes), count).catch((e) => {
      said.broke = e.message;
      return [];
    });
    for (const a of answers) {
      if (a.id !== undefined) said.recorded++;
      else said.refused ??= a.error ?? a;
    }
  }
}
await fill(60_000, 8);
if (left > 0) await fill(6000, 8);
if (left > 0) await fill(1, 8);
if (left > 0) await fill(1, 1);
console.log(JSON.stringify(said));
