import { expect, test } from 'vitest';
import { createTurns, type Urgency } from '../../src/tpm/turn.ts';

/** Who gets the TPM when these wait behind one that holds it, and each urgent one asks again as soon as it was served. */
async function served(
  waiting: readonly Urgency[],
  again: ReadonlySet<Urgency>,
  turns: number,
): Promise<Urgency[]> {
  const queue = createTurns(10);
  const order: Urgency[] = [];
  const first = await queue.take('control', 60_000);
  const join = (urgency: Urgency): void => {
    void queue.take(urgency, 60_000).then((release) => {
      order.push(urgency);
      if (again.has(urgency) && order.length < turns) join(urgency);
      release();
    });
  };
  for (const urgency of waiting) join(urgency);
  first();
  await expect.poll(() => queue.waiting, { timeout: 60_000 }).toBe(0);
  return order;
}

test('the most urgent goes first, and equals in the order they came', async () => {
  expect(await served(['sign', 'quote', 'sign', 'control'], new Set(), 4)).toEqual([
    'control',
    'quote',
    'sign',
    'sign',
  ]);
});

test('users that ask again at once do not keep the others away', async () => {
  const order = await served(['control', 'quote', 'sign'], new Set(['control', 'quote']), 40);
  expect([order.indexOf('quote'), order.indexOf('sign')]).toEqual([8, 9]);
});
