/** Command lines that documentation shows, held against the command table. */
import { expect } from 'vitest';
import { ATTESTCTL } from '../../src/cli/table.ts';

/** The command that these words call has the options that they name, and its arguments. */
export function expectKnown(words: readonly string[]): void {
  let row = ATTESTCTL;
  let at = 0;
  for (; at < words.length; at++) {
    const next = row.commands?.find((c) => c.name === words[at]);
    if (next === undefined) break;
    row = next;
  }
  expect(row.load, `no such command: attestctl ${words.join(' ')}`).toBeDefined();
  const flags = [...(row.options ?? []).map((o) => o.flags), '--json', '--no-color'];
  for (const word of words.slice(at).filter((w) => /^--?[a-z]/.test(w))) {
    const known = flags.some((f) => f.split(/[ ,]+/).includes(word));
    expect(known, `${word} in: attestctl ${words.join(' ')}`).toBe(true);
  }
}
