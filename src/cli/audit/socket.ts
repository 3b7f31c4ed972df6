/**
 * Feeds an audit from a running daemon through its admin socket: entry bundles of the tlog-tiles layout, and the seals
 * beside them. What the daemon answers is judged like any other bytes.
 */
import { openTransport, socketPath, type Transport } from '../../client/transport.ts';
import { fromUtf8, utf8 } from '../../core/bytes.ts';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { Reader } from '../../core/reader.ts';
import { parseEntries } from '../../log/entries.ts';
import { HASH_SIZE } from '../../log/merkle.ts';
import { parseOrigin } from '../../log/origin.ts';
import { printTilePath, TILE_WIDTH } from '../../log/tile.ts';
import { Audit } from '../../verify/audit/audit.ts';
import { VERSION } from '../version.ts';
import { keepSocketCursor, readSocketCursor } from './cursor.ts';
import type { AuditedLog, Watch } from './directory.ts';

interface Page {
  readonly seals: readonly { readonly size: number; readonly note: string }[];
  readonly next?: { readonly from: number; readonly after: number };
}

/** Audits the log in use, up to its newest seal. @throws INTERRUPTED, FORBIDDEN on the socket of callers */
export async function auditSocket(address: string, watch: Watch): Promise<AuditedLog[]> {
  const transport = openTransport(socketPath(address), `attestctl/${VERSION}`);
  try {
    const status = (await getJson(transport, '/v1/status')) as { log?: unknown };
    const origin = status.log;
    if (typeof origin !== 'string') throw new AttestdError('NOT_INITIALISED', 'the daemon has no log in use');
    const base = `/v1/log/${parseOrigin(origin).epoch}`;
    const kept = watch.cursor === undefined ? undefined : readSocketCursor(watch.cursor, origin);
    const audit = kept === undefined ? new Audit() : Audit.restore(kept.audit);
    let done = kept?.seals ?? 0;
    let from = 0;
    // How many of the seals from that size on are done.
    let known = done;
    for (;;) {
      const seals = (await sealsFrom(transport, base, from)).slice(known);
      const total = seals.at(-1)?.size ?? 0;
      const bundles = bundleReader(transport, base, total);
      let removed = false;
      for (const { size, note } of seals) {
        while (audit.size < size) {
          if (watch.interrupted()) {
            if (watch.cursor !== undefined) keepSocketCursor(watch.cursor, origin, done, await audit.save());
            throw new AttestdError('INTERRUPTED', `at entry ${audit.size} of ${origin}`);
          }
          for (const left of await bundles(audit.size)) {
            // A bundle may reach past this seal; what is behind it comes with a later one.
            if (audit.size >= size) break;
            if (left.removed) audit.removed(left.bytes);
            else audit.entry(left.bytes);
            removed ||= left.removed;
          }
          watch.progress.update(audit.size, total);
        }
        await audit.seal(utf8(note));
        done++;
        known = size === from ? known + 1 : 1;
        from = size;
      }
      // Entries that go while they are read were announced behind what was the end of the log: there by now, and sealed.
      if (!removed) return [await audit.finish()];
    }
  } finally {
    transport.close();
  }
}

/** Seals of this size and above, smallest first. @throws MALFORMED */
async function sealsFrom(
  transport: Transport,
  base: string,
  least: number,
): Promise<Page['seals'][number][]> {
  const seals: Page['seals'][number][] = [];
  for (let from = least, after = 0, last = least; ; ) {
    const page: Page = (await getJson(
      transport,
      `${base}/seals?from=${from}&after=${after}`,
    )) as unknown as Page;
    for (const seal of page.seals) {
      if (!Number.isSafeInteger(seal.size) || seal.size < last)
        throw new AttestdError('MALFORMED', 'the sizes of seals go back');
      last = seal.size;
      seals.push(seal);
    }
    if (page.next === undefined) return seals;
    if (page.next.after <= after) throw new AttestdError('MALFORMED', 'the pages of seals do not advance');
    ({ from, after } = page.next);
  }
}

/** An entry, or its leaf hash where it was removed for its age. */
interface Left {
  readonly removed: boolean;
  readonly bytes: Uint8Array;
}

/** Reads the entries from an index to the end of their bundle; keeps the last bundle, for seals lie close together. */
function bundleReader(transport: Transport, base: string, total: number): (index: number) => Promise<Left[]> {
  let held: { readonly n: number; readonly entries: Left[] } | undefined;
  return async (index) => {
    const n = Math.floor(index / TILE_WIDTH);
    if (held?.n !== n) {
      const width = Math.min(TILE_WIDTH, total - n * TILE_WIDTH);
      const path = `${base}/${printTilePath({ level: 'entries', n, width })}`;
      const entries = await transport.call({ method: 'GET', path }).then(
        ({ body }) => parseEntries(body, width).map((bytes) => ({ removed: false, bytes })),
        async (e: unknown) => {
          if (!isAttestdError(e, 'RECORD_REMOVED')) throw e;
          const { body } = await transport.call({ method: 'GET', path: `${base}/remains/${n}` });
          return parseRemains(body, width);
        },
      );
      held = { n, entries };
    }
    return held.entries.slice(index - n * TILE_WIDTH);
  };
}

/**
 * What is left of the first entries of a bundle: u16 length ‖ entry, or u16 0 ‖ leaf hash, each. The log may have gone on.
 * @param width how many there must be at least
 * @throws MALFORMED
 */
function parseRemains(body: Uint8Array, width: number): Left[] {
  const r = new Reader(body, 'remains of a bundle');
  const left: Left[] = [];
  while (r.left > 0 || left.length < width) {
    const length = r.u16();
    const bytes = r.bytes(length === 0 ? HASH_SIZE : length);
    if (left.length < width) left.push({ removed: length === 0, bytes });
  }
  return left;
}

async function getJson(transport: Transport, path: string): Promise<Record<string, unknown>> {
  const { body } = await transport.call({ method: 'GET', path });
  return parseJson(fromUtf8(body)) as Record<string, unknown>;
}
