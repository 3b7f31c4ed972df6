/**
 * Callers of the governed flow, a process of its own: each asks for a grant, begins, completes, over and over. Started
 * with one JSON argument, prints one JSON line.
 */
import { connect } from 'node:net';

const { socket, connections, seconds } = JSON.parse(process.argv[2] ?? '{}') as {
  socket: string;
  connections: number;
  seconds: number;
};
const action = { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' };
const filler = 'x'.repeat(180);
const grant = JSON.stringify({ scope: [action], maxUses: 1, seconds: 60 });
const begin = (id: string) => JSON.stringify({ grant: id, action, inputs: { prompt: filler } });
const complete = JSON.stringify({
  outcome: { status: 'succeeded', effect: 'confirmed' },
  outputs: { text: filler },
});
const request = (path: string, body: string): string =>
  `POST ${path}?wait=durable HTTP/1.1\r\nhost: bench\r\nattestd-client: bench/1\r\n` +
  `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

let flows = 0;
let refused = 0;
const start = performance.now();
const end = start + seconds * 1000;
await Promise.all(
  Array.from(
    { length: connections },
    () =>
      new Promise<void>((resolve, reject) => {
        const s = connect(socket);
        let step = 0;
        let held = '';
        s.setEncoding('latin1');
        s.on('error', reject);
        s.on('connect', () => s.write(request('/v1/grants', grant)));
        s.on('data', (chunk: string) => {
          held += chunk;
          const head = held.indexOf('\r\n\r\n');
          const length = Number(/content-length: (\d+)/i.exec(held)?.[1] ?? 'NaN');
          if (head < 0 || held.length < head + 4 + length) return;
          const id = /"id":"([0-9A-Z]{26})"/.exec(held)?.[1] ?? '';
          if (!held.startsWith('HTTP/1.1 201')) refused++;
          held = '';
          step = (step + 1) % 3;
          if (step === 0) flows++;
          if (step === 0 && performance.now() >= end) {
            s.destroy();
            resolve();
          } else if (step === 1) s.write(request('/v1/executions', begin(id)));
          else if (step === 2) s.write(request(`/v1/executions/${id}/complete`, complete));
          else s.write(request('/v1/grants', grant));
        });
      }),
  ),
);
process.stdout.write(`${JSON.stringify({ flows, refused, seconds: (performance.now() - start) / 1000 })}\n`);
