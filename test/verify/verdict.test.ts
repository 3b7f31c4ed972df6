import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { CHECKS, requiredIds } from '../../src/verify/table.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { type Check, levelOf, type Status, verdictOf } from '../../src/verify/verdict.ts';
import { forge } from '../kit/forge.ts';

const check = (id: string, status: Status): Check => ({ id, status, sentence: '.' });
const statuses = fc.constantFrom<Status>('pass', 'fail', 'unknown');

describe('the verdict', () => {
  test('an empty list is indeterminate, whatever is required', () => {
    expect(verdictOf([], [])).toBe('indeterminate');
    expect(verdictOf([], ['a'])).toBe('indeterminate');
  });
  test('passes that nobody required are no verdict', () => {
    expect(verdictOf([check('a', 'pass')], [])).toBe('indeterminate');
  });
  test('a required check that is missing, unknown or there twice is not verified', () => {
    expect(verdictOf([check('a', 'pass')], ['a', 'b'])).toBe('indeterminate');
    expect(verdictOf([check('a', 'pass'), check('b', 'unknown')], ['a', 'b'])).toBe('indeterminate');
    expect(verdictOf([check('a', 'pass'), check('a', 'pass')], ['a'])).toBe('indeterminate');
  });
  test('one fail rejects, required or not', () => {
    expect(verdictOf([check('a', 'pass'), check('b', 'fail')], ['a'])).toBe('rejected');
  });
  test('over all outcomes: verified if and only if all required pass and none fails', () => {
    const ids = ['a', 'b', 'c', 'd'];
    fc.assert(
      fc.property(
        fc.array(statuses, { minLength: 4, maxLength: 4 }),
        fc.subarray(ids),
        fc.subarray(ids),
        (s, present, required) => {
          const checks = ids.map((id, i) => check(id, s[i] as Status)).filter((c) => present.includes(c.id));
          const verified =
            required.length > 0 &&
            required.every((id) => checks.some((c) => c.id === id && c.status === 'pass')) &&
            checks.every((c) => c.status !== 'fail');
          expect(verdictOf(checks, required) === 'verified').toBe(verified);
          expect(verdictOf(checks, required) === 'rejected').toBe(checks.some((c) => c.status === 'fail'));
        },
      ),
    );
  });
  test('leaving any one required check out of a full pass is never verified', async () => {
    const { trust } = await forge();
    const required = requiredIds(CHECKS, parseTrust(utf8(JSON.stringify(trust))));
    const all = CHECKS.map((c) => check(c.id, 'pass'));
    expect(verdictOf(all, required)).toBe('verified');
    for (const id of required)
      expect(
        verdictOf(
          all.filter((c) => c.id !== id),
          required,
        ),
      ).toBe('indeterminate');
  });
});

describe('the level', () => {
  const ids = [
    ['one', 1],
    ['two', 2],
    ['three', 3],
    ['four', 4],
    ['extra', undefined],
  ] as const;
  test.each([
    ['nothing', {}, 0],
    ['only the lowest', { two: 'unknown', three: 'unknown', four: 'unknown' }, 1],
    ['up to the gap', { three: 'unknown' }, 2],
    ['no higher than a missing lower one', { one: 'unknown' }, 0],
    ['all', {}, 4],
    ['all, with a check that no level needs unknown', { extra: 'unknown' }, 4],
    ['nothing when anything fails', { four: 'fail' }, 0],
  ] as const)('%s', (name, over: Partial<Record<string, Status>>, level) => {
    const checks = name === 'nothing' ? [] : ids.map(([id]) => check(id, over[id] ?? 'pass'));
    expect(levelOf(checks, ids)).toBe(level);
  });
});
