/**
 * Puts waiting keys in force: at the start of a run, behind its boot entry and before anything that a key of the host
 * signs for it. The steps are entry durable → word beside the log → rotation marked as logged → files of the identity.
 * After a crash the entry in the log decides, and the steps behind it are done again.
 */
import { toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { KEY_ROLES, keyExtraData } from '../evidence/binding.ts';
import { SALT_BYTES } from '../evidence/disclosure.ts';
import { type Body, buildEntry } from '../evidence/record.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { certifyKey } from '../tpm/certify.ts';
import type { Key } from '../tpm/key.ts';
import type { Identity } from '../tpm/keys.ts';
import {
  dropRotation,
  isReady,
  markLogged,
  type Rotation,
  readRotation,
  waitingKeys,
} from '../tpm/rotation.ts';
import type { Tpm } from '../tpm/tpm.ts';
import type { Keys } from '../verify/keys.ts';
import { lastChange, leaveWord } from './hostkeys.ts';
import { epochOf, type Layout, readCurrent } from './layout.ts';
import { OWN_UID, type Run } from './run.ts';
import type { Sequencer } from './sequencer.ts';

/** Folders of the identity and of the log in use. */
export interface RotatingPlaces {
  readonly identity: string;
  readonly log: string;
}

/** Goes on with a rotation that the log knows of already; what is left is in the files. */
export async function resumeRotation(store: Store, at: RotatingPlaces): Promise<void> {
  const rotation = await readRotation(at.identity);
  if (rotation === undefined || rotation.state === 'logged') return;
  // Both changes are in one frame; the last of them is the newest.
  const id = (rotation.recordKey ?? rotation.ak)?.id;
  if (id === undefined || store.lookup(id) === undefined) return;
  leaveWord(at.log, id);
  await markLogged(at.identity, rotation);
}

export interface RotatingInput {
  readonly at: RotatingPlaces;
  readonly tpm: Tpm;
  readonly store: Store;
  readonly identity: Identity;
  readonly keys: Keys;
  readonly run: Run;
  readonly sequencer: Sequencer;
  readonly now: () => number;
  readonly random: (n: number) => Uint8Array;
}

/** Writes the changes of a rotation that is ready. @returns whether there was one */
export async function rotate(input: RotatingInput): Promise<boolean> {
  const { at, sequencer } = input;
  const rotation = await readRotation(at.identity);
  if (rotation === undefined || rotation.state === 'logged' || !isReady(rotation)) return false;
  const built = await buildChanges(input, rotation);
  if (built.length === 0) return false;
  // Queued in one turn: one frame, both or none.
  await Promise.all(built.map(({ entry, id }) => sequencer.appendOne({ entry, id, uid: OWN_UID })));
  leaveWord(at.log, (built.at(-1) as { id: string }).id);
  await markLogged(at.identity, rotation);
  return true;
}

async function buildChanges(input: RotatingInput, rotation: Rotation) {
  const { tpm, identity, store, keys, run, now, random } = input;
  const { origin } = store;
  const waiting = waitingKeys(rotation, identity.storage.name);
  const certify = async (by: Key, key: Key, role: keyof typeof KEY_ROLES) => {
    const { attest, signature } = await certifyKey(tpm, by, key, keyExtraData(KEY_ROLES[role], origin));
    return { attest: toBase64(attest), signature: toBase64(signature) };
  };
  let prev = lastChange(store, keys);
  const build = (id: string, body: Body<'keychange'>) => {
    const frame = { id, log: origin, boot: run.boot, timeMs: now(), salt: random(SALT_BYTES) };
    const made = buildEntry('keychange', body, frame);
    prev = { id, digest: toHex(made.recordDigest) };
    return made;
  };
  const common = { change: 'replaced', reason: rotation.reason } as const;
  const built = [];
  if (waiting.ak !== undefined && rotation.ak !== undefined) {
    const key = { public: toBase64(waiting.ak.public), ...(await certify(identity.ak, waiting.ak, 'ak')) };
    const retires = await certify(waiting.ak, identity.ak, 'retired');
    built.push(build(rotation.ak.id, { ...common, role: 'ak', prev, key, retires }));
  }
  if (waiting.recordKey !== undefined && rotation.recordKey !== undefined) {
    const by = waiting.ak ?? identity.ak;
    const key = {
      public: toBase64(waiting.recordKey.public),
      ...(await certify(by, waiting.recordKey, 'record')),
    };
    built.push(build(rotation.recordKey.id, { ...common, role: 'record', prev, key }));
  }
  return built;
}

/**
 * Forgets keys that wait.
 * @throws NOT_FOUND where none do, EXISTS where the log names them already, STORE_LOCKED while the daemon runs
 */
export async function abandonRotation(layout: Layout): Promise<void> {
  const rotation = await readRotation(layout.identity);
  if (rotation === undefined) throw new AttestdError('NOT_FOUND', 'no keys wait to be put in force');
  const store = await openStore(layout.log(epochOf(readCurrent(layout).origin)));
  try {
    const id = (rotation.recordKey ?? rotation.ak)?.id;
    if (rotation.state === 'logged' || (id !== undefined && store.lookup(id) !== undefined)) {
      throw new AttestdError('EXISTS', 'the log has put these keys in force already; start the daemon');
    }
    await dropRotation(layout.identity);
  } finally {
    await store.close();
  }
}
