/** How often a property is tried: `n` in the test run of every day, FUZZ_RUNS where a longer one is asked for. */
export const runs = (n: number): number => Number(process.env.FUZZ_RUNS ?? n);

/** The same where each try writes and reads files: a long run has a twentieth of it. */
export const fileRuns = (n: number): number =>
  process.env.FUZZ_RUNS === undefined ? n : Math.ceil(Number(process.env.FUZZ_RUNS) / 20);
