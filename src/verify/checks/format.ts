/** `bundle-format`: the file is a bundle, in the one spelling a bundle has (RFC 8785, closed schema, no byte beside). */
import { type CheckDefinition, fail, pass } from '../outcome.ts';

export const format: CheckDefinition = {
  id: 'bundle-format',
  level: 1,
  run: (e) =>
    e.format.ok
      ? pass('The file is a bundle of version 1 in canonical form.')
      : fail(`The file is not a bundle: ${e.format.why}.`),
};
