/** Records as NexArt CERs: what the verifier of @nexart/ai-execution says of them, and what they do not give away. */
import { type CerAiExecutionBundle, verifyCer } from '@nexart/ai-execution';
import { describe, expect, test } from 'vitest';
import { fromUtf8, toBase64, toBase64Url, toHex } from '../../src/core/bytes.ts';
import { disclosureDigest, makeDisclosure } from '../../src/evidence/disclosure.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { printCer } from '../../src/evidence/export/cer.ts';
import { buildEntry, newFrame } from '../../src/evidence/record.ts';
import type { Bundle } from '../../src/evidence/schema/bundle.ts';

const salt = (n: number) => new Uint8Array(16).fill(n);
const amount = makeDisclosure(salt(1), 'amount', '12.00');
const decision = makeDisclosure(salt(2), 'decision', { approved: true, by: 'rule 7' });
const sd = (text: string) => toBase64Url(disclosureDigest(text));

/** The parts of a bundle that a CER is made from. */
function bundleOf(entry: Uint8Array, disclosures: string[]): Bundle {
  return { record: { entry: toBase64(entry), proof: '' }, disclosures } as unknown as Bundle;
}

const frame = newFrame({ log: 'test/host-1/7', boot: 'ab'.repeat(32) }, 1_800_000_000_000, salt as never);
const { entry } = buildEntry(
  'execution',
  {
    phase: 'completed',
    action: { type: 'tool.call', name: 'refund.approve' },
    caller: {
      observed: {
        uid: 1000,
        gid: 1000,
        pid: 1,
        startTicks: 1,
        exe: 'unreadable',
        exeMethod: 'none',
        cgroup: '/',
        method: 'SO_PEERCRED',
      },
    },
    authorization: 'ungoverned',
    inputs: { _sd: [sd(amount)] },
    outputs: { _sd: [sd(decision)], currency: 'EUR' } as { _sd: string[] },
  },
  { ...frame, salt: salt(9) },
);
const bundle = bundleOf(entry, [amount, decision]);
const made = (plaintext: boolean) => {
  const text = fromUtf8(printCer(bundle, plaintext));
  return { text, cer: JSON.parse(text) as CerAiExecutionBundle & { snapshot: Record<string, unknown> } };
};

describe('verifyCer', () => {
  test.each([[false], [true]])('accepts a record, plaintext %s', (plaintext) => {
    expect(verifyCer(made(plaintext).cer)).toEqual({ ok: true, errors: [] });
  });

  test('refuses it when the link to the record is another', () => {
    const { cer } = made(false);
    const link = cer.snapshot.attestd as Record<string, unknown>;
    expect(link).toMatchObject({ recordDigest: toHex(recordDigest(entry)), log: 'test/host-1/7' });
    for (const member of Object.keys(link)) {
      const changed = structuredClone(cer);
      (changed.snapshot.attestd as Record<string, unknown>)[member] = 'another';
      expect([member, verifyCer(changed).ok]).toEqual([member, false]);
    }
  });

  test('refuses changed content', () => {
    for (const member of ['input', 'output'] as const) {
      const changed = structuredClone(made(false).cer);
      (changed.snapshot[member] as Record<string, unknown>).commitment = `sha256:${'0'.repeat(64)}`;
      expect(verifyCer(changed).ok).toBe(false);
    }
  });
});

test('a CER holds no value unless it is asked for', () => {
  const { text } = made(false);
  for (const value of ['12.00', 'approved', 'rule 7', 'EUR', 'amount', 'decision'])
    expect(text).not.toContain(value);
  const { cer } = made(true);
  expect(cer.snapshot).toMatchObject({
    input: { amount: '12.00' },
    output: { decision: { approved: true, by: 'rule 7' }, currency: 'EUR' },
  });
});

test('a value that the bundle does not disclose stays out of it', () => {
  const { snapshot } = JSON.parse(fromUtf8(printCer(bundleOf(entry, [decision]), true)));
  expect(snapshot.input).toEqual({});
});

test('only executions become CERs', () => {
  const gap = buildEntry('gap', { reason: 'x', detail: 'y' }, { ...frame, salt: salt(9) });
  expect(() => printCer(bundleOf(gap.entry, []), false)).toThrow(/not an execution/);
});
