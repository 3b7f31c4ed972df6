/**
 * Fresh evidence, the answer to an auditor's nonce: takes the file apart. What the newest seal says is judged by the
 * checks of a bundle; the quote over the nonce, which is made after it, by those in checks/fresh.ts.
 */
import { fromBase64, fromHex, utf8 } from '../core/bytes.ts';
import { readLogs, readProved } from '../evidence/bundle.ts';
import { parseFresh } from '../evidence/fresh.ts';
import type { PcrValues } from '../evidence/tpm/pcr.ts';
import type { Evidence, SignedAttest } from './evidence.ts';
import { gatherUnlisted, imaOf, type RawAnchor, type RawEvidence, type Tools } from './gather.ts';
import { type ImaGiven, listed } from './ima/gather.ts';
import { signedAttest } from './keyfacts.ts';
import { absent, attempt, derive, got, type Part } from './outcome.ts';
import type { Trust } from './trust.ts';

/** A fresh-evidence file in bytes. */
export interface RawFresh {
  readonly nonce: Uint8Array;
  readonly state: RawEvidence;
  readonly quote: { readonly attest: Uint8Array; readonly signature: Uint8Array };
  readonly pcrs?: PcrValues;
  readonly counter?: { readonly attest: Uint8Array; readonly signature: Uint8Array };
}

/** Fresh evidence for its checks. */
export interface FreshEvidence {
  /** Genesis, boot entry and seal; the boot entry stands where a bundle has its record. */
  readonly state: Evidence;
  /** The same with the quote over the nonce and its PCR values in place of those of the seal. */
  readonly now: Evidence;
  readonly nonce: Part<Uint8Array>;
  readonly quote: Part<SignedAttest>;
  /** The certified counter; absent where the file has none. */
  readonly counter: Part<SignedAttest>;
}

/** The parts of a fresh-evidence file. @throws MALFORMED, TOO_LARGE */
export function readFresh(bytes: Uint8Array): RawFresh {
  const file = parseFresh(bytes);
  const boot = readProved(file.boot);
  const signed = (v: { attest: string; signature: string }) => ({
    attest: fromBase64(v.attest),
    signature: fromBase64(v.signature),
  });
  const anchor: RawAnchor | undefined =
    file.anchor === undefined
      ? undefined
      : { ...readProved(file.anchor), consistency: file.anchor.consistency.map(fromBase64) };
  return {
    nonce: fromHex(file.nonce),
    state: {
      note: utf8(file.note),
      record: boot,
      genesis: readProved(file.genesis),
      boot,
      ...(file.keyChanges === undefined ? {} : { keyChanges: file.keyChanges.map(readProved) }),
      measurements: (file.measurements ?? []).map(readProved),
      related: [],
      ...(anchor === undefined ? {} : { anchor }),
      ...(file.logs === undefined ? {} : { logs: readLogs(file.logs) }),
      chain: file.chain.map(fromBase64),
      crls: file.crls.map(fromBase64),
      ...(file.timestamps === undefined
        ? {}
        : { timestamps: file.timestamps.map(({ token }) => ({ token: fromBase64(token) })) }),
      disclosures: [],
    },
    quote: signed(file.fresh),
    ...(file.fresh.pcrs === undefined ? {} : { pcrs: file.fresh.pcrs }),
    ...(file.counter === undefined ? {} : { counter: signed(file.counter) }),
  };
}

/** Takes it apart for the checks. Never throws. */
export async function gatherFresh(
  raw: Part<RawFresh>,
  trust: Trust,
  tools: Tools,
  given: ImaGiven = {},
): Promise<FreshEvidence> {
  const parts = derive(raw, (r) => r.state);
  const unlisted = await gatherUnlisted(parts, trust, tools);
  const quote = derive(raw, (r) => signedAttest(r.quote.attest, r.quote.signature));
  const values = raw.ok ? raw.value.pcrs : undefined;
  const pcrs: Part<PcrValues> = values === undefined ? absent('no PCR values are given') : got(values);
  // The list is held against the quote over the nonce: the file has no values of the one in the seal.
  const state = await listed(unlisted, undefined, trust, given);
  const now = { ...unlisted, attest: derive(quote, (q) => q.attest), pcrs };
  const certified = raw.ok ? raw.value.counter : undefined;
  return {
    state,
    now: await listed(now, imaOf(parts), trust, given),
    nonce: derive(raw, (r) => r.nonce),
    quote,
    counter:
      certified === undefined
        ? absent('no certified counter is given')
        : attempt(() => signedAttest(certified.attest, certified.signature)),
  };
}
