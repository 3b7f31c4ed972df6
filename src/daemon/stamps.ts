/**
 * Timestamps of seals: taken from the drop directory of attestd-forward, checked against this log, and kept in the state
 * directory, one file a token. A token is accepted when it is over a seal of this log and signed as a timestamp by the
 * certificate that it names; whether its authority is believed is for each auditor.
 */
import { MAX_TOKEN } from '../evidence/timestamp/cms.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { parseNote } from '../log/note.ts';
import type { Sealed } from '../store/seal.ts';
import { judgeToken } from '../verify/timestamp.ts';
import { createDropFolder, type Dropped } from './dropfolder.ts';
import type { LogReader } from './reader.ts';

/** Tokens over one seal. */
export interface FoundStamps {
  readonly seal: Sealed;
  readonly tokens: readonly Uint8Array[];
}

export interface Stamps {
  /** The first seal from `seal` on, itself included, that has timestamps. */
  find(log: LogReader, seal: Sealed): Promise<FoundStamps | undefined>;
}

export interface StampsInput {
  /** Directory of the kept ones. */
  readonly kept: string;
  /** Drop directory; absent: nothing is taken. */
  readonly drop?: string;
}

/** Most tokens that one bundle carries. */
const MAX_TOKENS = 4;

export function createStamps({ kept, drop }: StampsInput): Stamps {
  const folder = createDropFolder({
    keptIn: kept,
    ...(drop === undefined ? {} : { drop }),
    kind: 'tst',
    maxBytes: MAX_TOKEN,
    accept: async (log, item, token) => {
      const seal = find(log, item);
      return seal !== undefined && (await fits(token, seal));
    },
  });

  return {
    async find(log, seal) {
      await folder.take(log);
      const later = folder.kept(log).filter((n) => n.size >= seal.size && n.seq >= seal.seq);
      const [first] = later;
      const sealed = first === undefined ? undefined : find(log, first);
      if (first === undefined || sealed === undefined) return undefined;
      const own = later.filter((n) => n.size === first.size && n.seq === first.seq).slice(0, MAX_TOKENS);
      const tokens = own.flatMap((n) => folder.read(log, n.name) ?? []);
      return tokens.length === 0 ? undefined : { seal: sealed, tokens };
    },
  };
}

function find(log: LogReader, { size, seq }: Dropped): Sealed | undefined {
  for (const seal of log.seals(size)) {
    if (seal.size > size) return undefined;
    if (seal.seq === seq) return seal;
  }
  return undefined;
}

/** Whether everything about the token holds but the word of its authority, which is not the host's to judge. */
async function fits(token: Uint8Array, seal: Sealed): Promise<boolean> {
  const line = parseNote(seal.note).signatures.find((s) => s.signature[0] === 1);
  if (line === undefined) return false;
  const question = { token, message: line.signature, authorities: [], crls: [], verify: verifySignature };
  const verdict = await judgeToken(question);
  return !verdict.ok && verdict.fault === 'timestamp-path-issuer-missing';
}
