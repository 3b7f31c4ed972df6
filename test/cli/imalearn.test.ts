/** Policies learnt from machines with an IMA list, and machines held against them line by line. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { machineOfBundle } from '../../src/cli/machine.ts';
import { fromBase64, fromHex } from '../../src/core/bytes.ts';
import { parsePolicy, printPolicy } from '../../src/evidence/appraisal.ts';
import { type ImaKey, imaKey } from '../../src/evidence/eventlog/ima/signature.ts';
import type { AppraisalPolicy } from '../../src/evidence/schema/appraisal.ts';
import { appraise } from '../../src/verify/appraisal/appraise.ts';
import { type LearnOptions, type Learnt, learn } from '../../src/verify/appraisal/learn.ts';
import { type Made, made } from '../evidence/kit/imalist.ts';
import { bundleOf } from '../kit/bundled.ts';
import { forge } from '../kit/forge.ts';
import { aggregate, GOOD_LIST, listBytes, listedWith, measured, packed, violated } from '../kit/imaboot.ts';

const EVMCTL = JSON.parse(readFileSync(new URL('../vectors/ima/evmctl.json', import.meta.url), 'utf8'));
const SPKI: string = EVMCTL.keys.p256;
const ATTRIBUTE: string = EVMCTL.signatures.find(
  (s: { key: string; hash: string }) => s.key === 'p256' && s.hash === 'sha256',
).attribute;
/** A file that the key signed, under any path. */
const signed = (path: string): Made =>
  made('ima-sig', path, createHash('sha256').update(EVMCTL.content).digest(), [fromHex(ATTRIBUTE)]);

const bundle = async (entries: readonly Made[]) => bundleOf((await forge(listedWith(entries))).raw);
async function learnt(entries: readonly Made[], ima: NonNullable<LearnOptions['ima']> = {}): Promise<Learnt> {
  const keys = (ima.keys ?? []).map((k) => imaKey(fromBase64(k)) as ImaKey);
  const golden = await machineOfBundle(await bundle(entries), 'golden', { learn: { keys } });
  return learn([golden], { name: 'golden', ima });
}
async function findings(policy: AppraisalPolicy, entries: readonly Made[]) {
  const machine = await machineOfBundle(await bundle(entries), 'machine', { policies: [policy] });
  return appraise(policy, machine).filter((f) => f.section === 'ima');
}
const refused = async (policy: AppraisalPolicy, entries: readonly Made[]) =>
  (await findings(policy, entries)).filter((f) => f.verdict !== 'allowed' && f.verdict !== 'ignored');

test('what is learnt is what was measured, accepts that, and is a policy', async () => {
  const { policy, decisions } = await learnt(GOOD_LIST);
  expect(parsePolicy(printPolicy(policy))).toEqual(policy);
  expect(policy.ima?.files.map((f) => f.path)).toEqual(['/usr/bin/bash', '/usr/bin/node']);
  expect(policy.ignore.pcrs).not.toContain(10);
  expect(decisions.find((d) => d.decided === 'IMA')?.why).toBe(
    '3 entries; 2 files by path and digest, 0 keys',
  );
  expect(await refused(policy, GOOD_LIST)).toEqual([]);
  const all = await findings(policy, GOOD_LIST);
  expect(all.map((f) => f.verdict)).toEqual(['allowed', 'allowed', 'allowed']);
});

test('a difference is told line by line', async () => {
  const { policy } = await learnt(GOOD_LIST);
  const found = await refused(policy, [
    ...GOOD_LIST,
    measured('/usr/bin/evil', 'evil'),
    measured('/usr/bin/bash', 'another bash'),
    violated('/var/log/syslog'),
  ]);
  expect(found.map((f) => f.sentence)).toEqual([
    expect.stringMatching(/^IMA entry 3, \/usr\/bin\/evil sha256:[0-9a-f]{64}: not in the policy$/),
    expect.stringMatching(
      /^IMA entry 4, \/usr\/bin\/bash sha256:.*: another content than the policy allows$/,
    ),
    expect.stringMatching(/^IMA entry 5, \/var\/log\/syslog: a violation/),
  ]);
});

test('what a key signed is not listed, and is allowed wherever it lies', async () => {
  const { policy } = await learnt([aggregate(), signed('/usr/bin/tool')], { keys: [SPKI] });
  expect(policy.ima).toMatchObject({ files: [], keys: [SPKI] });
  expect(await refused(policy, [aggregate(), signed('/opt/tool'), signed('/usr/bin/tool')])).toEqual([]);
  const evil = made('ima-sig', '/opt/tool', createHash('sha256').update('evil').digest(), [
    fromHex(ATTRIBUTE),
  ]);
  expect(await refused(policy, [aggregate(), evil])).toHaveLength(1);
});

test('paths may be ignored by pattern, and violations by name only', async () => {
  const list = [...GOOD_LIST, measured('/var/cache/x', 'x'), violated('/var/log/syslog')];
  const strict = await learnt(list, { ignore: ['/var/cache/*'] });
  expect(strict.policy.ima?.files.map((f) => f.path)).not.toContain('/var/cache/x');
  expect(strict.decisions.map((d) => d.why)).toContainEqual(
    expect.stringMatching(/^1 violations, refused; --ima-ignore-violations/),
  );
  expect((await refused(strict.policy, list)).map((f) => f.sentence)).toEqual([
    expect.stringMatching(/a violation/),
  ]);
  const lenient = await learnt(list, { ignore: ['/var/cache/*'], ignoreViolations: true });
  expect(await refused(lenient.policy, list)).toEqual([]);
});

describe('what is refused', () => {
  test('a list that does not lead to the quoted register', async () => {
    const evil = measured('/usr/bin/evil', 'evil');
    const hooks = listedWith([...GOOD_LIST, evil], {}, packed(listBytes(GOOD_LIST)));
    const bytes = bundleOf((await forge(hooks)).raw);
    await expect(machineOfBundle(bytes, 'lying', { learn: { keys: [] } })).rejects.toThrow(
      /lead to another value of PCR 10/,
    );
  });
  test.each<[string, (p: AppraisalPolicy) => unknown, RegExp]>([
    [
      'a register that is judged twice',
      (p) => ({ ...p, ignore: { ...p.ignore, pcrs: [10] } }),
      /PCR 10 is judged/,
    ],
    [
      'paths that do not rise',
      (p) => ({ ...p, ima: { ...p.ima, files: [...(p.ima?.files ?? [])].reverse() } }),
      /the paths do not rise/,
    ],
    [
      'a key that cannot sign files',
      (p) => ({ ...p, ima: { ...p.ima, keys: ['AAAA'] } }),
      /neither RSA of 2048/,
    ],
  ])('%s', async (_, change, why) => {
    const { policy } = await learnt(GOOD_LIST);
    expect(() => parsePolicy(printPolicy(change(policy) as AppraisalPolicy))).toThrow(why);
  });
});
