/** What a verdict says about the software under which a record was made, and what it leaves open. */
import { expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { extended, measuredDigest } from '../../src/evidence/measured.ts';
import { judge } from '../../src/verify/judge.ts';
import { got } from '../../src/verify/outcome.ts';
import type { Report } from '../../src/verify/report.ts';
import { printText } from '../../src/verify/text.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { BOOT, bootedWith } from '../kit/bootlog.ts';
import { bundleOf } from '../kit/bundled.ts';
import { forge } from '../kit/forge.ts';
import type { Hooks } from '../kit/hooks.ts';
import { appraised, GOLDEN } from './vectors/appraisal.ts';

async function judged(hooks: Hooks): Promise<Report> {
  const { raw, trust } = await forge(hooks);
  return judge(got(raw), parseTrust(utf8(JSON.stringify(trust))));
}
const check = (r: Report, id: string) => r.checks.find((c) => c.id === id);
/** The golden policy, without the word that our own register is not looked at. */
const WATCHFUL = {
  ...GOLDEN,
  ignore: { ...GOLDEN.ignore, pcrs: GOLDEN.ignore.pcrs.filter((p) => p !== 13) },
};
const foreign = new Uint8Array(32).fill(0x66);

test('the digest of an event is SHA-256 of the tag and its canonical form', () => {
  // printf 'attestd.dev/measure/v1\n{"name":"attestd","type":"ready"}' | sha256sum
  const event = { type: 'ready', name: 'attestd' };
  expect(toHex(measuredDigest(event))).toBe(
    '67e24c2e5a8d4e3283eab619e511129e037aaa87257a49dfa437528432478bfc',
  );
  // printf '%064d%s' 0 67e24c2e5a8d4e3283eab619e511129e037aaa87257a49dfa437528432478bfc | xxd -r -p | sha256sum
  expect(toHex(extended(new Uint8Array(32), measuredDigest(event)))).toBe(
    'e038342b3783dfc88493576fa13a7ca9978baa4ba9152c62d9e5f36c961e3a0b',
  );
});

test('a verdict names the software, file by file, and says whose word that is', async () => {
  const report = await judged({});
  expect(report.software).toEqual({
    daemon: { version: '0.1.0', node: 'v20.20.2' },
    register: 13,
    resettable: false,
    gaps: 0,
    items: [
      {
        type: 'code',
        name: '/usr/lib/attestd/dist/daemon/main.js',
        sha256: '1d'.repeat(32),
        credence: 'self-reported',
        doubt: 'no IMA list is given',
      },
    ],
  });
  expect(check(report, 'self-measured')?.sentence).toContain('self-reported');
  expect(printText(report)).toContain('Made under attestd 0.1.0 on node v20.20.2');
  expect(printText(report, { details: true })).not.toContain('1d'.repeat(32));
  expect(printText(report, { files: true })).toContain('1d'.repeat(32));
});

test('the same from the file as from its parts', async () => {
  const { raw, trust } = await forge({});
  const report = await verifyBundle(bundleOf(raw), parseTrust(utf8(JSON.stringify(trust))));
  expect(report).toEqual(await judged({}));
});

test('an older run, which did not measure itself, verifies as before and is said not to be self-measured', async () => {
  const report = await judged({
    boot: ({ register: _, ...b }) => b,
    raw: (r) => ({ ...r, measurements: [] }),
  });
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
  expect(check(report, 'self-measured')).toMatchObject({ status: 'unknown', required: false });
  expect(check(report, 'self-measured')?.sentence).toContain('not self-measured');
  expect(report.software).toBeUndefined();
});

test('a gap is shown, and rejects nothing where no auditor demands otherwise', async () => {
  const report = await judged({ measured: (m) => ({ ...m, events: [...m.events, { found: foreign }] }) });
  expect(report).toMatchObject({ verdict: 'verified', level: 4, software: { gaps: 1 } });
  expect(check(report, 'self-measured')).toMatchObject({ status: 'unknown' });
  expect(check(report, 'self-measured')?.sentence).toMatch(/a gap: somebody else extended it at entry \d+/);
  expect(printText(report)).toContain('1 times somebody else extended it');
});

test('a register that anybody can reset is called that', async () => {
  const report = await judged({
    measured: (m) => ({ ...m, register: 23 }),
    quotes: [...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14], 23],
  });
  expect(report).toMatchObject({ verdict: 'verified', software: { register: 23, resettable: true } });
  expect(check(report, 'self-measured')?.sentence).toContain('resettable');
});

test('what the boot loader left in the register is explained by the log of the boot', async () => {
  const digest = new Uint8Array(32).fill(0x13);
  const sysext = { pcr: 13, type: 13, data: utf8('sysext\0'), digest };
  const begins = extended(new Uint8Array(32), digest);
  const hooks = { measured: (m) => ({ ...m, begins }) } satisfies Hooks;
  const report = await judged(bootedWith([...BOOT, sysext], hooks));
  expect([check(report, 'self-measured')?.status, check(report, 'log-replay')?.status]).toEqual([
    'pass',
    'pass',
  ]);
  expect(check(report, 'log-replay')?.sentence).toMatch(/quoted values of PCR .*13/);
  // And is judged by the policy, which has not seen it.
  const judgedBy = await judged({ ...appraised([...BOOT, sysext], [WATCHFUL]), ...hooks });
  expect(check(judgedBy, 'appraisal-boot')).toMatchObject({ status: 'fail' });
  expect(check(judgedBy, 'appraisal-boot')?.sentence).toContain('sysext');
});

test('a policy leaves the register to the measurements, and only while they lead to it', async () => {
  const good = await judged(appraised(BOOT, [WATCHFUL]));
  expect([good.verdict, check(good, 'appraisal-pcrs')?.status]).toEqual(['verified', 'pass']);
  const broken = await judged({ ...appraised(BOOT, [WATCHFUL]), measurements: (b) => b.slice(0, 1) });
  expect(check(broken, 'appraisal-pcrs')?.status).toBe('fail');
});
