/** Whether a daemon runs, without starting one: a socket that systemd holds is connected to only if the service is up. */
import { statSync } from 'node:fs';
import { request } from 'node:http';
import { VERSION } from '../version.ts';
import { said } from './check.ts';
import type { Unit } from './surroundings.ts';

const PATIENCE_MS = 5000;
const MAX_ANSWER = 1 << 20;

export type DaemonAnswer =
  | { readonly kind: 'answers'; readonly status: Readonly<Record<string, unknown>> }
  /** The caller may not connect. */
  | { readonly kind: 'closed'; readonly why: string }
  /** It does not run, or what it listens on is gone; `mend` is what brings it back. */
  | { readonly kind: 'away'; readonly why: string; readonly mend: string }
  /** Somebody took the connection, and says nothing. */
  | { readonly kind: 'silent'; readonly why: string }
  /** systemd says so. */
  | { readonly kind: 'restarting'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'starting'; readonly why: string };

export async function askDaemon(
  socketPath: string,
  units: ReadonlyMap<string, Unit> | undefined,
): Promise<DaemonAnswer> {
  const unit = units?.get('attestd.service');
  if (unit?.active === 'failed') return { kind: 'failed', why: `systemd gave it up (${unit.result})` };
  // Between an end that nobody asked for and the start that follows, which systemd makes for as long as it takes.
  const isEnding = unit?.active === 'activating' || unit?.active === 'deactivating';
  if (isEnding && unit?.result !== 'success')
    return { kind: 'restarting', why: `it ends (${unit?.result}), and systemd starts it again` };
  if (unit?.active === 'activating') return { kind: 'starting', why: 'systemd is starting it' };
  if (unit !== undefined && unit.active !== 'active' && unit.active !== 'reloading')
    return { kind: 'away', why: `attestd.service is ${unit.active}`, mend: 'systemctl start attestd' };
  try {
    return { kind: 'answers', status: await get(socketPath, '/v1/status') };
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'EACCES' || code === 'EPERM') return { kind: 'closed', why: said(e) };
    if (e instanceof Silence) return { kind: 'silent', why: said(e) };
    // The process is there: a start of it does nothing, and only the socket unit makes the socket anew.
    const mend =
      unit === undefined ? 'systemctl start attestd' : 'systemctl restart attestd.socket attestd.service';
    return { kind: 'away', why: said(e), mend };
  }
}

class Silence extends Error {}

function get(socketPath: string, path: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const headers = { 'attestd-client': `attestctl/${VERSION}` };
    const asked = request({ socketPath, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (part) => {
        text += part;
        if (text.length > MAX_ANSWER) answer.destroy(new Error('its answer is too long'));
      });
      answer.on('error', reject);
      answer.on('end', () => {
        try {
          const value: unknown = JSON.parse(text);
          const isStatus = (value as { schema?: unknown } | null)?.schema === 'attestd.dev/status/v1';
          if (!isStatus) throw new Error(`${answer.statusCode}, and no status`);
          resolve(value as Record<string, unknown>);
        } catch (e) {
          reject(new Error(`what answers there is no attestd: ${said(e)}`));
        }
      });
    });
    // For the whole answer: one that trickles in is none either.
    const timer = setTimeout(() => {
      reject(new Silence(`no answer within ${PATIENCE_MS} ms`));
      asked.destroy();
    }, PATIENCE_MS);
    asked.on('close', () => clearTimeout(timer));
    asked.on('error', reject);
    asked.end();
  });
}

/** Whether somebody holds a write lock on a file: /proc/locks names files by device and inode (proc(5)). */
export function holdsLock(path: string, locks: string): boolean {
  const s = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (s === undefined) return false;
  const inode = s.ino.toString();
  return locks
    .split('\n')
    .some((line) => / WRITE /.test(line) && line.split(/\s+/)[5]?.split(':')[2] === inode);
}
