/** A request by a process under another uid. */
import { execFile } from 'node:child_process';
import type { Answer } from '../daemon/kit.ts';

export const OTHER = 65_534;

const SCRIPT = `
const [socketPath, path, body] = process.argv.slice(1);
const r = require('node:http').request({ socketPath, path, method: 'POST', headers: { 'attestd-client': 'other/1', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (res) => {
  let text = '';
  res.on('data', (c) => { text += c; });
  res.on('end', () => console.log(JSON.stringify({ status: res.statusCode, text })));
});
r.end(body);
`;

export function asUid(uid: number, socket: string, path: string, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['-e', SCRIPT, socket, path, JSON.stringify(body)],
      { uid, gid: uid, cwd: '/', timeout: 60_000 },
      (e, stdout) => {
        if (e !== null) reject(e);
        else {
          const { status, text } = JSON.parse(stdout) as { status: number; text: string };
          resolve({ status, text, headers: {}, json: JSON.parse(text) });
        }
      },
    );
  });
}
