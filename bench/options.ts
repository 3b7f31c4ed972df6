/** What `npm run bench` is told. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly quick: boolean;
  readonly peers: boolean;
  readonly write: boolean;
  readonly only?: readonly string[];
}

/**
 * @param names what there is to measure; those of peers are known once they are looked for
 * @throws Error with a sentence for whoever typed it: a name that is none would measure nothing and miss no bound
 */
export function readOptions(words: readonly string[], names: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      only: { type: 'string' },
    },
  });
  const { only: some, ...options } = values;
  const only = some?.split(',');
  const strange = options.peers ? undefined : only?.find((name) => !names.includes(name));
  if (strange !== undefined) throw new Error(`--only ${strange || "''"}: there is ${names.join(', ')}`);
  return { ...options, ...(only === undefined ? {} : { only }) };
}
