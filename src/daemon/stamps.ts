/**
 * Timestamps of seals: taken from the drop directory of attestd-forward, checked against this log, and kept in the state
 * directory, one file a token. A token is accepted when it is over a seal of this log and signed as a timestamp by the
 * certificate that it names; whether its authority is believed is for each auditor. Kept? Trusted? No: an attacker who
 * can change them can only withhold timestamps.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_TOKEN } from '../evidence/timestamp/cms.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { parseNote } from '../log/note.ts';
import type { Sealed } from '../store/seal.ts';
import { judgeToken } from '../verify/timestamp.ts';
import { epochOf, writeDurably } from './layout.ts';
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

interface Named {
  readonly name: string;
  readonly size: number;
  readonly seq: number;
}

const NAME = /^(\d{1,16})-(\d{1,16})\.[a-z0-9-]{1,32}\.tst$/;
/** Most tokens taken from the drop directory in one go, and most that one bundle carries. */
const MAX_TAKEN = 64;
const MAX_TOKENS = 4;

export function createStamps({ kept, drop }: StampsInput): Stamps {
  let looked: string | undefined;
  /** Names that are no good; they stay in the drop directory and are not looked at again. */
  const refused = new Set<string>();

  /** Takes what is new in the drop directory. */
  async function take(log: LogReader): Promise<void> {
    if (drop === undefined) return;
    const epoch = epochOf(log.origin);
    const from = join(drop, epoch);
    const stamp = statSync(from, { throwIfNoEntry: false });
    if (stamp === undefined || looked === `${epoch} ${stamp.mtimeMs}`) return;
    const have = new Set(list(join(kept, epoch)).map((n) => n.name));
    const fresh = list(from).filter((n) => !have.has(n.name) && !refused.has(n.name));
    for (const named of fresh.slice(-MAX_TAKEN)) {
      const token = readToken(join(from, named.name));
      const seal = find(log, named);
      if (token !== undefined && seal !== undefined && (await fits(token, seal))) {
        writeDurably(join(kept, epoch, named.name), token);
      } else refused.add(named.name);
    }
    looked = `${epoch} ${stamp.mtimeMs}`;
  }

  return {
    async find(log, seal) {
      await take(log);
      const folder = join(kept, epochOf(log.origin));
      const later = list(folder).filter((n) => n.size >= seal.size && n.seq >= seal.seq);
      const [first] = later;
      const sealed = first === undefined ? undefined : find(log, first);
      if (first === undefined || sealed === undefined) return undefined;
      const own = later.filter((n) => n.size === first.size && n.seq === first.seq).slice(0, MAX_TOKENS);
      const tokens = own.flatMap((n) => readToken(join(folder, n.name)) ?? []);
      return tokens.length === 0 ? undefined : { seal: sealed, tokens };
    },
  };
}

function find(log: LogReader, { size, seq }: Named): Sealed | undefined {
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

function readToken(path: string): Uint8Array | undefined {
  try {
    if (statSync(path).size > MAX_TOKEN) return undefined;
    return new Uint8Array(readFileSync(path));
  } catch {
    // Pruned or taken away meanwhile.
    return undefined;
  }
}

/** Tokens of a directory, smallest checkpoint first. */
function list(folder: string): Named[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .flatMap((name) => {
      const m = NAME.exec(name);
      return m === null ? [] : [{ name, size: Number(m[1]), seq: Number(m[2]) }];
    })
    .sort((a, b) => a.size - b.size || a.seq - b.seq);
}
