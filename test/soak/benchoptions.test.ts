/** What `npm run bench` takes and refuses: a name that is none must not pass for a run in which no bound was missed. */
import { expect, it } from 'vitest';
import { readOptions } from '../../bench/options.ts';

const NAMES = ['throughput', 'floods', 'flood-stream'];
const NONE = { quick: false, peers: false, write: false };

it.each([
  [[], NONE],
  [['--quick', '--write'], { ...NONE, quick: true, write: true }],
  [['--only', 'floods,throughput'], { ...NONE, only: ['floods', 'throughput'] }],
  [['--peers', '--only', 'parsec'], { ...NONE, peers: true, only: ['parsec'] }],
])('%j', (words, options) => {
  expect(readOptions(words, NAMES)).toEqual(options);
});

it.each([
  [['--only', 'flood']],
  [['--only', 'floods,x']],
  [['--only', '']],
  [['--only']],
  [['--quik']],
  [['floods']],
])('%j is refused', (words) => {
  expect(() => readOptions(words, NAMES)).toThrow();
});
