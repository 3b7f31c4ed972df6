/** One seal of an audited log, held against the tree, the run, the anchors and the seal before it. */
import { equal, toBase64, ZERO32 } from '../../core/bytes.ts';
import { sealExtraData } from '../../evidence/binding.ts';
import { parseSeal, sealDigest, sealKeyId } from '../../evidence/seal.ts';
import { ATTEST_MAGIC, ATTEST_QUOTE, type Attest, parseAttest } from '../../evidence/tpm/attest.ts';
import { parseSignature } from '../../evidence/tpm/signature.ts';
import type { SignatureVerifier } from '../../evidence/x509/signature.ts';
import { parseCheckpoint } from '../../log/checkpoint.ts';
import { findSignature, parseNote } from '../../log/note.ts';
import { akAt, type Keys } from '../keys.ts';
import { attestor, attestSigned } from '../signed.ts';
import type { Finding } from './finding.ts';
import { goesBack, type Run, sealedIn } from './runs.ts';

/** What the next seal must follow. */
export interface SealState {
  readonly seq: number;
  readonly size: number;
  readonly root: string;
  readonly digest: Uint8Array;
  readonly timeMs: number;
  readonly clock: Attest['clockInfo'] | undefined;
}

/** Before the first seal of an epoch. */
export const NO_SEAL: SealState = { seq: 0, size: 0, root: '', digest: ZERO32, timeMs: 0, clock: undefined };

export interface SealContext {
  readonly origin: string;
  /** Every key that was in force so far. */
  readonly keys: Keys;
  readonly previous: SealState;
  readonly verify: SignatureVerifier;
  rootAt(size: number): Uint8Array | undefined;
  runAt(size: number): Run | undefined;
  anchorAt(size: number): bigint;
}

/** Everything that does not hold of a sealed note; `state` is missing when it cannot be read at all. */
export async function sealFaults(
  bytes: Uint8Array,
  c: SealContext,
): Promise<{ state?: SealState; faults: Finding[] }> {
  const faults: Finding[] = [];
  let at = c.previous.size;
  const bad = (id: string, sentence: string) => void faults.push({ id, at, sentence });
  try {
    const note = parseNote(bytes);
    const { origin, size, root } = parseCheckpoint(note.text);
    at = size;
    const by = attestor(c.keys.genesis, akAt(c.keys, size));
    const line = findSignature(note, c.origin, sealKeyId(c.origin, by.spki));
    if (line === undefined) {
      bad('seal-form', 'the note has no line of the AK in force');
      return { faults };
    }
    const { header, attest: attestBytes, signature } = parseSeal(line.signature);
    const attest = parseAttest(attestBytes);
    const printed = toBase64(root);
    if (origin !== c.origin) bad('seal-form', `it is of the log ${origin}`);
    if (size < c.previous.size) bad('seal-order', 'it covers less than the seal before it');
    if (size === c.previous.size && printed !== c.previous.root && c.previous.seq > 0) {
      bad('seal-fork', 'two roots are sealed for one size');
    }
    const actual = c.rootAt(size);
    if (actual === undefined) bad('seal-root', `no root of ${size} entries can be computed`);
    else if (!equal(actual, root)) bad('seal-root', 'the sealed root is not that of the entries');
    if (header.seq !== c.previous.seq + 1)
      bad('seal-order', `seal ${header.seq} follows seal ${c.previous.seq}`);
    if (!equal(header.prevSeal, c.previous.digest)) bad('seal-order', 'it names another seal before it');
    if (header.timeMs < c.previous.timeMs) bad('seal-time', 'it is dated before the seal before it');
    if (header.anchorCtr !== c.anchorAt(size))
      bad('seal-anchor', 'it names another anchor value than the newest');
    const run = c.runAt(size);
    if (run === undefined || header.bootIndex !== run.index) {
      bad('seal-boot', 'it names another boot entry than that of its run');
    } else if (!sealedIn(run, attest))
      bad('seal-clock', 'the TPM was reset or suspended since the boot entry');
    const back = c.previous.clock === undefined ? undefined : goesBack(c.previous.clock, attest.clockInfo);
    if (back !== undefined) bad('seal-clock', back);
    if (attest.magic !== ATTEST_MAGIC || attest.type !== ATTEST_QUOTE)
      bad('seal-quote', 'it is no quote of a TPM');
    if (!equal(attest.extraData, sealExtraData(header, note.text))) {
      bad('seal-quote', 'the quote commits to something else than this checkpoint');
    }
    if (!equal(attest.qualifiedSigner, by.qualifiedName)) bad('seal-quote', 'another key quoted');
    const why = await attestSigned(c.verify, by, attestBytes, parseSignature(signature));
    if (why !== undefined) bad('seal-signature', why);
    const state: SealState = {
      seq: header.seq,
      size,
      root: printed,
      digest: sealDigest(line.signature),
      timeMs: header.timeMs,
      clock: attest.clockInfo,
    };
    return { state, faults };
  } catch (e) {
    bad('seal-form', (e as Error).message);
    return { faults };
  }
}
