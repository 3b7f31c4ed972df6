/**
 * Published checkpoints: the newest sealed note with a second line, of type 0x02 by the record key, that standard
 * tools verify (C2SP signed-note). It costs the TPM a second operation, so it has a cadence of its own and gives way
 * to every quote; it is never on the way to `sealed`. Where a public witness is to cosign it, a third line of type 0x01.
 */

import { verify as verifySignature } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { ecdsaDer } from '../evidence/x509/signature.ts';
import { ECDSA, ED25519, ecdsaKeyId, printVkey, standardKeyId } from '../log/keys.ts';
import { type NoteSignature, parseNote, printNote } from '../log/note.ts';
import type { Sealed } from '../store/seal.ts';
import type { Key } from '../tpm/key.ts';
import type { SealedNoteKey } from '../tpm/notekey.ts';
import { signMessage } from '../tpm/sign.ts';
import type { Tpm } from '../tpm/tpm.ts';

import { writeDurably } from './layout.ts';

export interface Published {
  /** The newest published note; undefined before the first. */
  readonly note: Uint8Array | undefined;
  /** Verifier keys of its lines, for whoever reads or witnesses this log (C2SP signed-note). */
  readonly vkeys: readonly string[];
  /** A seal was made: publishes it when it is time. */
  offer(seal: Sealed): void;
  stop(): Promise<void>;
}

export interface PublishedInput {
  readonly tpm: Tpm;
  readonly recordKey: Key;
  readonly origin: string;
  /** File that holds the newest published note. */
  readonly path: string;
  readonly intervalMs: number;
  /** For public witnesses, where one is configured: signs a line of type 0x01. */
  readonly noteKey?: SealedNoteKey;
  readonly onTrouble: (e: Error) => void;
}

export function createPublished(input: PublishedInput): Published {
  let note = readNote(input.path);
  let offered: Sealed | undefined;
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> | undefined;
  let stopped = false;
  let lastSize = -1;
  let trouble: string | undefined;

  async function publish(seal: Sealed): Promise<void> {
    const { text, signatures } = parseNote(seal.note);
    const { p1363 } = await signMessage(input.tpm, input.recordKey, utf8(text));
    const key = {
      key: Buffer.from(input.recordKey.spki),
      format: 'der',
      type: 'spki',
      dsaEncoding: 'ieee-p1363',
    } as const;
    if (!verifySignature('sha256', utf8(text), key, p1363)) {
      throw new AttestdError('TPM_ERROR', 'the TPM gave a signature that does not verify');
    }
    const line = { name: input.origin, keyId: ecdsaKeyId(input.recordKey.spki), signature: ecdsaDer(p1363) };
    const made = utf8(printNote({ text, signatures: [...signatures, line, ...noteLine(text)] }));
    writeDurably(input.path, made);
    note = made;
    lastSize = seal.size;
    trouble = undefined;
  }

  function noteLine(text: string): NoteSignature[] {
    if (input.noteKey === undefined) return [];
    const { key, sign } = input.noteKey;
    return [
      { name: input.origin, keyId: standardKeyId(input.origin, ED25519, key), signature: sign(utf8(text)) },
    ];
  }

  function run(): void {
    timer = undefined;
    const seal = offered;
    offered = undefined;
    if (seal === undefined || seal.size === lastSize || stopped) return;
    working = publish(seal)
      .catch((e: Error) => {
        offered ??= seal;
        // It is tried at every interval: what is known already is not told again.
        if (e.message !== trouble) input.onTrouble(e);
        trouble = e.message;
      })
      .finally(() => {
        working = undefined;
        if (!stopped) timer ??= setTimeout(run, input.intervalMs);
      });
  }

  const name = input.origin;
  return {
    vkeys: [
      printVkey({ name, type: ECDSA, key: input.recordKey.spki }),
      ...(input.noteKey === undefined ? [] : [printVkey({ name, type: ED25519, key: input.noteKey.key })]),
    ],
    get note() {
      return note;
    },
    offer(seal) {
      offered = seal;
      if (timer !== undefined || working !== undefined || stopped) return;
      // The first one at once, the others at their cadence.
      timer = setTimeout(run, note === undefined ? 0 : input.intervalMs);
    },
    async stop() {
      stopped = true;
      if (timer !== undefined) clearTimeout(timer);
      await working;
    },
  };
}

/** A published note as it was left; undefined where there is none that can be read. */
export function readNote(path: string): Uint8Array | undefined {
  try {
    const bytes = new Uint8Array(readFileSync(path));
    parseNote(bytes);
    return bytes;
  } catch {
    return undefined;
  }
}
