/** What `npm run soak` is told. */
import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly json: boolean;
}

/** @throws Error with a sentence for whoever typed it */
export function readOptions(words: readonly string[], now: number): SoakOptions {
  const { values } = parseArgs({
    args: [...words],
    options: { minutes: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } },
  });
  const number = (name: 'minutes' | 'seed', text: string, fits: (n: number) => boolean): number => {
    const n = Number(text);
    if (text.trim() === '' || !fits(n)) throw new Error(`--${name} ${text}: not a number that it takes`);
    return n;
  };
  return {
    minutes: number('minutes', values.minutes ?? '10', (n) => n > 0 && n <= 10_000),
    seed: number('seed', values.seed ?? String(now % 2 ** 31), Number.isSafeInteger),
    json: values.json ?? false,
  };
}
