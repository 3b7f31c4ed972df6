/**
 * Control frames beside seals. An INTENT says what is about to be asked of the TPM, before it is asked; a FORGET says
 * which opening is about to be erased, before it is overwritten. Both are on disk first, so that a crash in between
 * is recognised: the intent by the counter rule (design §6), the FORGET by doing it again.
 *
 * INTENT: `u8 kind · u64 seq · u64 size · root[32] · u64 counter · u16 length · body`; FORGET: `u64 index`.
 */
import { concat, u8, u16, u64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { Reader } from '../core/reader.ts';

/** What is about to happen. */
export interface Intent {
  /** `seal`: a quote over a checkpoint. `counter`: an increment of the NV counter. */
  readonly kind: 'seal' | 'counter';
  /** seq of the seal to come; 0 for a counter. */
  readonly seq: number;
  /** The checkpoint that is to be sealed or anchored. */
  readonly size: number;
  readonly root: Uint8Array;
  /** Value of the counter: for `counter` the one before the increment, for `seal` the newest anchor's. */
  readonly counter: bigint;
  /** Whatever else the caller wants to find again, at most 65,535 bytes (the seal header, say). */
  readonly body: Uint8Array;
}

/** @throws MALFORMED for a field out of range */
export function encodeIntent(i: Intent): Uint8Array {
  if (i.root.length !== 32 || i.body.length > 0xffff)
    throw new AttestdError('MALFORMED', 'intent: a root of 32 bytes and a body up to 65,535 are wanted');
  if (!Number.isSafeInteger(i.seq) || i.seq < 0 || !Number.isSafeInteger(i.size) || i.size < 0)
    throw new AttestdError('MALFORMED', 'intent: seq or size is not from 0 to 2^53 - 1');
  if (i.counter < 0n || i.counter >= 1n << 64n)
    throw new AttestdError('MALFORMED', 'intent: counter is not 64 bits');
  return concat(
    u8(i.kind === 'seal' ? 1 : 2),
    u64(i.seq),
    u64(i.size),
    i.root,
    u64(i.counter),
    u16(i.body.length),
    i.body,
  );
}

/** Reads exactly what `encodeIntent` writes. @throws MALFORMED */
export function parseIntent(bytes: Uint8Array): Intent {
  const r = new Reader(bytes, 'intent');
  const kind = r.u8();
  if (kind !== 1 && kind !== 2) throw r.fail(`kind ${kind}`);
  const intent: Intent = {
    kind: kind === 1 ? 'seal' : 'counter',
    seq: safe(r),
    size: safe(r),
    root: r.bytes(32),
    counter: r.u64(),
    body: r.sized(0xffff),
  };
  r.end();
  return intent;
}

/** Payload of a FORGET frame. */
export function encodeForget(index: number): Uint8Array {
  return u64(index);
}

/** Index of the entry whose opening a FORGET frame names. @throws MALFORMED */
export function parseForget(bytes: Uint8Array): number {
  const r = new Reader(bytes, 'forget');
  const index = safe(r);
  r.end();
  return index;
}

function safe(r: Reader): number {
  const n = r.u64();
  if (n > BigInt(Number.MAX_SAFE_INTEGER)) throw r.fail('a number beyond 2^53 - 1');
  return Number(n);
}
