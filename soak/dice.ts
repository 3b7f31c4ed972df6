/** Chances that are the same for the same seed (xorshift32), so that a run can be run again. */
export interface Dice {
  /** 0 ≤ x < n */
  below(n: number): number;
  of<T>(choices: readonly T[]): T;
}

export function createDice(seed: number): Dice {
  let x = seed | 0 || 1;
  const below = (n: number): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
  return { below, of: (choices) => choices[below(choices.length)] as never };
}
