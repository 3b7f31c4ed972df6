/**
 * `note-shape`: the note has one line of the seal by the certified key, at most one of the record key, cosignatures of
 * witnesses (which have a check of their own), and no other line, because no check would cover it. `note-signature`: the line of the record key, where there is one, verifies
 * (C2SP signed-note: a line of a known key that does not verify condemns the note).
 */
import { equal, utf8 } from '../../core/bytes.ts';
import { sealKeyId } from '../../evidence/seal.ts';
import { ecdsaKeyId } from '../../log/keys.ts';
import { leafOf } from '../evidence.ts';
import { recordKeyAt } from '../keys.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { isCosignature } from '../witness.ts';

export const noteShape: CheckDefinition = {
  id: 'note-shape',
  level: 1,
  run: (e) => {
    if (!e.format.ok) return blocked(e.format);
    if (!e.note.ok) return fail(`The checkpoint note cannot be read: ${e.note.why}.`);
    if (!e.checkpoint.ok) return fail(`The note is no checkpoint: ${e.checkpoint.why}.`);
    if (!e.sealLine.ok) return fail(`The note has no seal: ${e.sealLine.why}.`);
    if (!e.seal.ok) return fail(`The seal cannot be read: ${e.seal.why}.`);
    if (!e.attest.ok) return fail(`The quote in the seal cannot be read: ${e.attest.why}.`);
    if (!e.signature.ok) return fail(`The signature in the seal cannot be read: ${e.signature.why}.`);
    const parts = together({ keys: e.keys, leaf: leafOf(e) });
    if (!parts.ok) return blocked(parts);
    const { origin, size } = e.checkpoint.value;
    const own = sealKeyId(origin, parts.value.leaf.spki);
    const record = ecdsaKeyId(recordKeyAt(parts.value.keys, size).key.spki);
    if (e.sealLine.value.name !== origin || !equal(e.sealLine.value.keyId, own)) {
      return fail('The line of the seal is not under the name of the log and its certified key.');
    }
    for (const line of e.note.value.signatures) {
      const known = line === e.sealLine.value || equal(line.keyId, record);
      if (isCosignature(line) && !known && line.name !== origin) continue;
      if (!known || line.name !== origin)
        return fail(`The note has a line that nothing here can check: ${line.name}.`);
    }
    return pass('The checkpoint note has one seal, and no line that is not checked.');
  },
};

export const noteSignature: CheckDefinition = {
  id: 'note-signature',
  level: 1,
  run: async (e) => {
    const parts = together({ note: e.note, checkpoint: e.checkpoint, keys: e.keys });
    if (!parts.ok) return blocked(parts);
    const { note, checkpoint, keys } = parts.value;
    const key = recordKeyAt(keys, checkpoint.size).key.spki;
    const id = ecdsaKeyId(key);
    const line = note.signatures.find((s) => equal(s.keyId, id));
    if (line === undefined) return pass('The note has no line of the record key, and needs none.');
    const facts = { kind: 'ec', curve: 'P-256' } as const;
    const algorithm = { kind: 'ecdsa', hash: 'SHA-256' } as const;
    const good = await e.verify({ spki: key, facts }, algorithm, utf8(note.text), line.signature);
    return good
      ? pass('The record key signed the checkpoint too.')
      : fail('The line of the record key does not verify.');
  },
};
