import { defineConfig } from 'vitest/config';

// One process per test file: a crash in the addon then ends one file and says which.
export default defineConfig({
  test: {
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
