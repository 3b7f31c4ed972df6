/**
 * Which of the host's own keys were in force where in its log, read from the log itself. Changes form a chain, each
 * naming the one before; the newest is left as a word beside the log, and looked for in the log where that word is
 * missing. All of it is checked, because between two runs the disk was anybody's.
 */
import { join } from 'node:path';
import { fromHex, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { MAX_KEY_CHANGES } from '../evidence/schema/bundle.ts';
import { type HostKeychange, isHostKeychange } from '../evidence/schema/keychange.ts';
import { predicateType, readStatement } from '../evidence/statement.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { readSmallSync } from '../tpm/file.ts';
import { readGenesis } from '../verify/gather.ts';
import { changeFault, type KeyChange, type Keys, orderFault, readKeyChange } from '../verify/keys.ts';
import { areInForce, type HostKeyNames } from './chronicle.ts';
import { writeDurably } from './layout.ts';
import { entryIfKept, type LogReader } from './reader.ts';

const corrupt = (why: string) => new AttestdError('STORE_CORRUPT', why);
const wordPath = (logDir: string) => join(logDir, 'keychange.json');

/** Leaves word of the newest change for whoever opens the log next. */
export function leaveWord(logDir: string, id: string): void {
  writeDurably(wordPath(logDir), `${JSON.stringify({ v: 1, id })}\n`);
}

function wordOf(logDir: string): string | undefined {
  const bytes = readSmallSync(wordPath(logDir), 1024);
  if (bytes === null) return undefined;
  const word = parseJson(bytes) as { id?: unknown } | null;
  return typeof word?.id === 'string' ? word.id : undefined;
}

type Source = Pick<LogReader, 'entry' | 'size' | 'origin' | 'lookup'>;
interface Found {
  readonly index: number;
  readonly digest: Uint8Array;
  readonly predicate: HostKeychange;
}

function changeAt(log: Source, index: number): Found | undefined {
  const entry = log.entry(index);
  const { kind, predicate } = readStatement(entry);
  if (kind !== 'keychange' || !isHostKeychange(predicate)) return undefined;
  return { index, digest: recordDigest(entry), predicate };
}

/**
 * The keys of a log, by the word that is left beside it.
 * @throws STORE_CORRUPT where a change does not follow those before it
 */
export function readHostKeys(log: Source, logDir: string): Promise<Keys> {
  return readChain(log, wordOf(logDir));
}

/** The same for a host that holds these keys; the whole log is searched where the word beside it leads to others. */
export async function openHostKeys(log: Source, logDir: string, identity: HostKeyNames): Promise<Keys> {
  const keys = await readHostKeys(log, logDir);
  return areInForce(keys, identity, log.size) ? keys : searchHostKeys(log, logDir);
}

/** The same without that word, by a look at every entry. */
async function searchHostKeys(log: Source, logDir: string): Promise<Keys> {
  const mark = Buffer.from(`"predicateType":"${predicateType('keychange')}"`);
  for (let index = log.size - 1; index > 0; index--) {
    const entry = entryIfKept(log, index);
    if (entry === undefined || !Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).includes(mark))
      continue;
    const found = changeAt(log, index);
    if (found === undefined) continue;
    leaveWord(logDir, found.predicate.id);
    return readChain(log, found.predicate.id);
  }
  return readChain(log, undefined);
}

async function readChain(log: Source, newest: string | undefined): Promise<Keys> {
  const first = log.entry(0);
  const statement = readStatement(first);
  if (statement.kind !== 'genesis' || statement.predicate.log !== log.origin) {
    throw corrupt(`entry 0 is not the genesis of ${log.origin}`);
  }
  const genesis = readGenesis(statement.predicate);
  const found: Found[] = [];
  for (let id = newest; id !== undefined && id !== statement.predicate.id; ) {
    const at = log.lookup(id);
    const change = at === undefined ? undefined : changeAt(log, at.index);
    if (change === undefined || found.length >= MAX_KEY_CHANGES)
      throw corrupt(`there is no key change ${id}`);
    found.unshift(change);
    id = change.predicate.prev.id;
  }
  let keys: Keys = { genesis, changes: [] };
  for (const { index, digest, predicate } of found) {
    const change: KeyChange = readKeyChange(index, digest, predicate, fromHex(predicate.prev.digest));
    const why =
      orderFault(keys, recordDigest(first), change) ??
      (await changeFault(verifySignature, keys, log.origin, change));
    if (why !== undefined) throw corrupt(`the key change at entry ${index} does not hold: ${why}`);
    keys = { genesis, changes: [...keys.changes, change] };
  }
  return keys;
}

/** Record digest, hex, and id of the newest change, or of genesis: what the next change names. */
export function lastChange(log: Source, keys: Keys): { id: string; digest: string } {
  const entry = log.entry(keys.changes.at(-1)?.index ?? 0);
  return { id: readStatement(entry).predicate.id, digest: toHex(recordDigest(entry)) };
}
