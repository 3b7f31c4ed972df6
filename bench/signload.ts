/**
 * A caller of attestd: has a key of its own sign, one request after the other on one connection, with as little work of its
 * own as it can. Started with one JSON argument; prints the milliseconds of each signature, a line each.
 */
import { connect } from 'node:net';

const { socket, count } = JSON.parse(process.argv[2] as string) as { socket: string; count: number };
const connection = connect(socket);
let held = '';
let answered: (answer: string) => void = () => undefined;
connection.setEncoding('latin1');
connection.on('data', (data) => {
  held += data;
  const end = held.indexOf('\r\n\r\n');
  const length = Number(/content-length: (\d+)/i.exec(held)?.[1] ?? 'NaN');
  if (end < 0 || held.length < end + 4 + length) return;
  const answer = held;
  held = '';
  answered(answer);
});
connection.on('error', (e) => {
  throw e;
});

function post(path: string, body: string): Promise<string> {
  return new Promise((resolve) => {
    answered = resolve;
    connection.write(
      `POST ${path} HTTP/1.1\r\nhost: bench\r\nattestd-client: bench/1\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}

const made = await post('/v1/keys', JSON.stringify({ name: 'bench', role: 'workload' }));
// It is there from the round before.
if (!made.startsWith('HTTP/1.1 201') && !made.includes('EXISTS')) throw new Error(made);
const message = Buffer.alloc(32);
const times: string[] = [];
for (let i = 0; i < count; i++) {
  message.writeUInt32LE(i);
  const from = performance.now();
  const answer = await post('/v1/keys/bench/sign', `{"message":"${message.toString('base64')}"}`);
  times.push((performance.now() - from).toFixed(4));
  if (!answer.startsWith('HTTP/1.1 200')) throw new Error(answer);
}
connection.destroy();
process.stdout.write(`${times.join('\n')}\n`);
