/**
 * Records of 60 kB each, until one is refused or there are so many; prints one line of JSON about it.
 *   node fill.mjs COUNT
 */
import { request } from 'node:http';

const line = JSON.stringify({
  phase: 'completed',
  action: { type: 'test', name: 'fill' },
  outcome: { status: 'succeeded', effect: 'confirmed' },
  plain: { inputs: { data: 'x'.repeat(60_000) } },
});

/** A few at a time: after a refusal nothing more is offered. */
function post(lines) {
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
    r.end(`${line}\n`.repeat(lines));
  });
}

const said = { recorded: 0 };
for (
  let left = Number(process.argv[2]);
  left > 0 && said.refused === undefined && said.broke === undefined;
) {
  const lines = Math.min(left, 8);
  left -= lines;
  const answers = await post(lines).catch((e) => {
    said.broke = e.message;
    return [];
  });
  for (const a of answers) {
    if (a.id !== undefined) said.recorded++;
    else said.refused ??= a.error ?? a;
  }
}
console.log(JSON.stringify(said));
