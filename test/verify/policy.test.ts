/** What the auditor's file changes about a verdict, and what it cannot. */
import { describe, expect, test } from 'vitest';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { POLICY_SOFTWARE_TPM } from '../../src/evidence/akprofile.ts';
import { judge } from '../../src/verify/judge.ts';
import { got } from '../../src/verify/outcome.ts';
import { printReport, type Report } from '../../src/verify/report.ts';
import { printText } from '../../src/verify/text.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { forge } from '../kit/forge.ts';
import type { Hooks } from '../kit/hooks.ts';

async function judged(hooks: Hooks, over: JsonObject = {}): Promise<Report> {
  const { raw, trust } = await forge(hooks);
  return judge(got(raw), parseTrust(utf8(JSON.stringify({ ...trust, ...over }))));
}
const status = (r: Report, id: string) => r.checks.find((c) => c.id === id)?.status;

describe('levels', () => {
  test('a host without a counter reaches level 3, which is enough where 3 is asked for', async () => {
    expect(await judged({ counterless: true }, { minimumLevel: 3 })).toMatchObject({
      verdict: 'verified',
      level: 3,
    });
    expect(await judged({ counterless: true })).toMatchObject({ verdict: 'indeterminate', level: 3 });
  });
  test('a recovered record reaches level 2 and no more', async () => {
    const hooks: Hooks = { header: (h) => ({ ...h, bootIndex: 6 }) };
    expect(await judged(hooks, { minimumLevel: 2 })).toMatchObject({ verdict: 'verified', level: 2 });
    expect(await judged(hooks, { minimumLevel: 3 })).toMatchObject({ verdict: 'indeterminate', level: 2 });
  });
  test('the same with the boot entry of the run that sealed it', async () => {
    const report = await judged({ rebooted: true }, { minimumLevel: 2 });
    expect(report).toMatchObject({ verdict: 'verified', level: 2 });
    expect(status(report, 'boot-run')).toBe('unknown');
    expect(await judged({ rebooted: true }, { minimumLevel: 3 })).toMatchObject({ verdict: 'indeterminate' });
  });
  test('a certificate without residency reaches level 1', async () => {
    const hooks: Hooks = { certificate: (c) => ({ ...c, without: ['2.5.29.32'] }) };
    expect(await judged(hooks, { minimumLevel: 1 })).toMatchObject({ verdict: 'verified', level: 1 });
  });
  test('a check above the level asked for still rejects when it fails', async () => {
    const hooks: Hooks = { values: (v) => ({ ...v, 0: '0'.repeat(64) }) };
    expect(await judged(hooks, { minimumLevel: 1 })).toMatchObject({ verdict: 'rejected', level: 0 });
  });
  test('without accepted states nothing reaches level 3', async () => {
    expect(await judged({}, { minimumLevel: 2, pcrs: [] })).toMatchObject({ verdict: 'verified', level: 2 });
  });
});

describe('roots', () => {
  const software: Hooks = {
    certificate: (c) => ({ ...c, policies: [...(c.policies ?? []), POLICY_SOFTWARE_TPM] }),
    trust: (t) => ({ ...t, roots: (t.roots as JsonObject[]).map((r) => ({ ...r, kind: 'software' })) }),
  };
  test('what a software root vouches for is verified as simulated, and says so in words', async () => {
    const report = await judged(software);
    expect(report).toMatchObject({ verdict: 'verified', level: 4, simulated: true });
    expect(printText(report)).toMatch(/simulated \(software TPM\)/);
  });
  test('a rejected report of a software root says simulated too', async () => {
    expect(await judged({ ...software, quote: (q) => ({ ...q, magic: 1 }) })).toMatchObject({
      verdict: 'rejected',
      simulated: true,
    });
  });
  test('the root itself in the bundle is no certificate too many', async () => {
    const chain: Hooks['chain'] = (c, w) => [...c, w.root.certificate.der];
    expect(await judged({ chain })).toMatchObject({ verdict: 'verified' });
  });
});

describe('revocation and time', () => {
  const noCrls: Hooks = { crls: () => [] };
  test('a missing list matters only where the file requires one', async () => {
    expect(await judged(noCrls)).toMatchObject({ verdict: 'indeterminate', level: 0 });
    const lenient = await judged(noCrls, { revocation: 'if-present' });
    expect(lenient).toMatchObject({ verdict: 'verified', level: 4 });
    expect(status(lenient, 'ak-certificate-revocation')).toBe('unknown');
  });
  test('the lists of the trust file do for those that the bundle lacks', async () => {
    const { raw } = await forge();
    expect(await judged(noCrls, { crls: raw.crls.map(toBase64) })).toMatchObject({ verdict: 'verified' });
  });
  test('without a time that counts no level is reached', async () => {
    expect(await judged({}, { acceptHostTime: false })).toMatchObject({ verdict: 'indeterminate', level: 0 });
  });
  test('the age of a seal needs to be told the time', async () => {
    const report = await judged({}, { maxAge: 10 });
    expect(report.verdict).toBe('indeterminate');
    expect(status(report, 'seal-age')).toBe('unknown');
    expect(status(await judged({}), 'seal-age')).toBeUndefined();
  });
});

describe('the report', () => {
  test('the same evidence gives the same bytes', async () => {
    const { raw, trust } = await forge();
    const file = parseTrust(utf8(JSON.stringify(trust)));
    expect(printReport(await judge(got(raw), file))).toBe(printReport(await judge(got(raw), file)));
  });
  test('every line of the text comes from a check, with a mark and a word', async () => {
    const report = await judged({ quote: (q) => ({ ...q, magic: 1 }) });
    const lines = printText(report, { details: true, paint: (t, s) => `<${s}>${t}</>` }).split('\n');
    expect(lines.filter((l) => l.startsWith('<fail>✗ fail'))).toHaveLength(2 - 1);
    expect(lines.filter((l) => l.startsWith('<pass>✓ pass'))).toHaveLength(report.checks.length - 1);
    expect(lines.some((l) => /expected: 0xff544347/.test(l))).toBe(true);
    expect(lines.at(-2)).toBe('<fail>REJECTED</>: level 0 reached, 4 required');
  });
  test('what evidence says cannot move the cursor of a terminal', async () => {
    const report = await judged({});
    const evil = {
      ...report,
      checks: report.checks.map((c) => ({ ...c, sentence: 'fine\u001b[2J\u009b1m\u202e\r\n' })),
    };
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(printText(evil)).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  });
});
