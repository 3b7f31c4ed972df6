/** State approvals: what a TPM and tpm2-tools make of the same policy, the one spelling of the file, and its refusals. */
import { createHash, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import {
  approvalMessage,
  approvedPolicy,
  approvesFor,
  isSignedApproval,
  parseStateApproval,
  printStateApproval,
  recordPolicy,
} from '../../src/evidence/stateapproval.ts';
import { policyApproved } from '../../src/evidence/tpm/policy.ts';
import { runs } from '../fuzz/runs.ts';
import { ecKey, spkiOf } from '../kit/corim.ts';

const { privateKey, publicKey } = ecKey();
const key = spkiOf(publicKey);
const signing = (m: Uint8Array) => new Uint8Array(sign('sha256', m, privateKey));
const PCRS = { 0: '00'.repeat(32), 7: '77'.repeat(32) };
const made = (pcrs: Record<string, string> = PCRS, fleet = 'fleet') =>
  printStateApproval({ fleet, key, pcrs }, signing);
const sha256 = (...parts: Uint8Array[]) =>
  new Uint8Array(
    createHash('sha256')
      .update(concat(...parts))
      .digest(),
  );

test('the digests, computed by hand from the specification', () => {
  // TPM2_PolicyPCR over PCR 0 and 7 (Part 3 §23.7): bitmap 81 00 00.
  const values = sha256(fromHex(PCRS[0]), fromHex(PCRS[7]));
  const pcr = sha256(new Uint8Array(32), fromHex('0000017f' + '00000001' + '000b' + '03810000'), values);
  expect(toHex(approvedPolicy({ pcrs: PCRS }))).toBe(toHex(pcr));
  expect(toHex(approvalMessage({ pcrs: PCRS, fleet: 'fleet' }))).toBe(
    toHex(concat(pcr, sha256(utf8('attestd.dev/record-policy/v1\nfleet')))),
  );
  const name = concat(Uint8Array.of(0, 0x0b), new Uint8Array(32).fill(3));
  const ref = new Uint8Array(32).fill(4);
  const authorised = sha256(sha256(new Uint8Array(32), fromHex('0000016a'), name), ref);
  expect(toHex(policyApproved(name, ref))).toBe(toHex(sha256(authorised, fromHex('0000016b'))));
});

test('what is printed is read again, is signed, and is for keys of its operator and fleet', async () => {
  const read = parseStateApproval(made());
  expect(read).toMatchObject({ fleet: 'fleet', pcrs: PCRS });
  expect(await isSignedApproval(read)).toBe(true);
  expect(approvesFor(read, recordPolicy(key, 'fleet'))).toBe(true);
  expect(approvesFor(read, recordPolicy(key, 'other'))).toBe(false);
  expect(approvesFor(read, recordPolicy(spkiOf(ecKey().publicKey), 'fleet'))).toBe(false);
});

test.each<[string, (a: Record<string, unknown>) => unknown]>([
  ['another value', (a) => ({ ...a, pcrs: { ...PCRS, 7: '78'.repeat(32) } })],
  ['one register less', (a) => ({ ...a, pcrs: { 7: PCRS[7] } })],
  ['another fleet', (a) => ({ ...a, fleet: 'fleet2' })],
])('%s is not signed', async (_, change) => {
  const a = JSON.parse(new TextDecoder().decode(made()));
  const read = parseStateApproval(utf8(JSON.stringify(change(a))));
  expect(await isSignedApproval(read)).toBe(false);
});

describe('files that are none', () => {
  const text = new TextDecoder().decode(made());
  test.each<[string, string, RegExp]>([
    ['a space', `${text} `, /canonical/],
    ['another schema', text.replace('approval/v1', 'approval/v2'), /\/schema/],
    ['a field more', text.replace('{"fleet"', '{"a":1,"fleet"'), /state approval/],
    ['no register', text.replace(/"pcrs":\{[^}]*\}/, '"pcrs":{}'), /\/pcrs/],
    ['a register that is none', text.replace('"7":', '"24":'), /\/pcrs/],
    ['a value that is none', text.replace('77'.repeat(32), '77'), /\/pcrs/],
    ['a fleet in capitals', text.replace('"fleet":"fleet"', '"fleet":"Fleet"'), /\/fleet/],
    ['a signature that is none', text.replace(/"signature":"[^"]*"/, '"signature":"AAAA"'), /\/signature/],
    ['a key that is none', text.replace(/"key":"[^"]*"/, '"key":"AAAA"'), /key/],
  ])('%s', (_, file, why) => {
    expect(() => parseStateApproval(utf8(file))).toThrow(why);
  });
  test('whatever the bytes are', () => {
    const edits = fc.array(fc.tuple(fc.nat(text.length - 1), fc.nat(127)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(edits, (list) => {
        const bytes = utf8(text);
        for (const [i, b] of list) bytes[i] = b;
        try {
          parseStateApproval(bytes);
        } catch (e) {
          if (!isAttestdError(e)) throw e;
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
