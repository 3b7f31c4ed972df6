import { defineConfig } from 'vitest/config';

// A virtual machine takes both cores for minutes: scripts/vm runs its tests, apart from the others.
const inMachine = process.env.ATTESTD_VM_IMAGE !== undefined;

// One process per test file: a crash in the addon then ends one file and says which. Two at a time even on two cores,
// because many wait for a TPM, a disk or a child most of their time. On a new machine every process competes with what was
// just installed and built, so CI tries a test that failed once more, and its report names it as retried.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    retry: process.env.CI === undefined ? 0 : 1,
    include: inMachine ? ['test/vm/**/*.vm.ts'] : ['test/**/*.test.ts'],
    testTimeout: inMachine ? 1_800_000 : 120_000,
    hookTimeout: 120_000,
  },
});
