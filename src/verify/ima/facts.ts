/**
 * The IMA list of a bundle, read once in a stream: it is replayed from entry 0 until it leads to the quoted PCR 10, and
 * every question about its entries is put to each of them as it passes. What they say counts only if it does lead there,
 * and only for the entries before that; the list goes on growing after a quote.
 */
import { equal, fromHex, toHex } from '../../core/bytes.ts';
import type { ImaBytes } from '../../evidence/bundle.ts';
import type { ImaEntry } from '../../evidence/eventlog/ima/entry.ts';
import { unpack } from '../../evidence/eventlog/ima/packed.ts';
import { createImaReader } from '../../evidence/eventlog/ima/reader.ts';
import {
  createImaReplay,
  IMA_PCR,
  type ImaReplay,
  type ImaRule,
} from '../../evidence/eventlog/ima/replay.ts';
import type { ImaQuestion } from './question.ts';

/** Attachments beside a bundle, by the SHA-256 that it names; undefined for one that is not there. */
export type Attachments = (sha256: string) => AsyncIterable<Uint8Array> | undefined;

/** What there is to say of the list. */
export type ImaEvidence =
  /** The bundle has none: it travels on request. */
  | { readonly state: 'none' }
  /** It is an attachment, and that is not beside the bundle. */
  | { readonly state: 'detached'; readonly sha256: string }
  /** It cannot be read, or is not the one that is named. */
  | { readonly state: 'unread'; readonly why: string }
  /** No value of PCR 10 is proven. `quoted` is false where the quote leaves it out. */
  | { readonly state: 'unproven'; readonly quoted: boolean; readonly why: string }
  /** It leads to another value. */
  | { readonly state: 'stray'; readonly entries: number; readonly value: string; readonly wanted: string }
  | {
      readonly state: 'led';
      /** How many entries lead to the quoted value; what is behind them is not proven. */
      readonly entries: number;
      /** Violations among them. */
      readonly violations: number;
      /** Whether the list goes on behind them. */
      readonly more: boolean;
    };

export interface ImaInput {
  readonly list: ImaBytes | undefined;
  /** The proven value of PCR 10 in hex, or why there is none. */
  readonly target: { readonly value: string } | { readonly quoted: boolean; readonly why: string };
  /** What the register held before the first entry, in hex. */
  readonly start: string;
  readonly attachments?: Attachments;
  readonly questions: readonly ImaQuestion[];
}

/** Reads the list. Never throws. */
export async function gatherIma(input: ImaInput): Promise<ImaEvidence> {
  const { list, target, questions } = input;
  if (list === undefined) return { state: 'none' };
  if (!('value' in target)) return { state: 'unproven', ...target };
  let found: ImaEvidence | undefined;
  // Kernels before 5.8 extend every bank with the SHA-1 of an entry; nothing in the list says so.
  for (const rule of ['bank-hash', 'padded-sha1'] as const) {
    const bytes = list.data === undefined ? input.attachments?.(list.sha256) : [list.data];
    if (bytes === undefined) return { state: 'detached', sha256: list.sha256 };
    for (const q of questions) q.begin();
    const pass = createPass(input, target.value, rule);
    let next: ImaEvidence;
    try {
      await unpack({ ...list, bytes }, (piece) => pass.push(piece));
      next = pass.end();
    } catch (e) {
      // By the other rule, what cannot be read may stand behind what is proven.
      next = { state: 'unread', why: (e as Error).message };
    }
    if (next.state === 'led') return next;
    found ??= next;
  }
  for (const q of questions) q.begin();
  return found as ImaEvidence;
}

interface Led {
  readonly entries: number;
  readonly violations: number;
}

function createPass({ start, questions }: ImaInput, wanted: string, rule: ImaRule) {
  const target = fromHex(wanted);
  const from = fromHex(start);
  const replay: ImaReplay = createImaReplay({ bank: 'sha256', pcr: IMA_PCR, start: from, target, rule });
  let led: Led | undefined = equal(from, target) ? { entries: 0, violations: 0 } : undefined;
  let more = false;
  const reader = createImaReader((entry: ImaEntry) => {
    if (led !== undefined) {
      more = true;
      return;
    }
    replay.add(entry);
    for (const q of questions) q.see(entry);
    if (replay.matchedAt !== undefined) led = { entries: replay.entries, violations: replay.violations };
  });
  return {
    push(piece: Uint8Array): void {
      // What stands behind the quoted value is not read at all: whoever can write there must not spoil what is proven.
      if (led !== undefined) {
        more = true;
        return;
      }
      try {
        reader.push(piece);
      } catch (e) {
        if (led === undefined) throw e;
        more = true;
      }
    },
    end(): ImaEvidence {
      // The end of a short list is where its first entries come out.
      if (led === undefined) reader.end();
      if (led !== undefined) return { state: 'led', ...(led as Led), more };
      return { state: 'stray', entries: replay.entries, value: toHex(replay.value), wanted };
    },
  };
}
