/** How often a property is tried: `n` in the test run of every day, FUZZ_RUNS where a longer one is asked for. */
export const runs = (n: number): number => Number(process.env.FUZZ_RUNS ?? n);
