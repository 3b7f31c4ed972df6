/** What a receipt holds, for the description of the routes; receipt.ts writes it. */
import { Type } from 'typebox';
import { Count, Hex32, Origin, oneOf, Ulid } from '../evidence/schema/field.ts';

/** Shared by all routes. */
export const Receipt = Type.Object({
  id: Ulid,
  digest: Hex32,
  index: Count,
  log: Origin,
  strength: oneOf('durable', 'sealed'),
  recovered: Type.Optional(
    Type.Literal(true, { description: 'its run ended before it was sealed: environment unknown' }),
  ),
  leaf: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'leaf hash, from which the proof leads, when sealed',
    }),
  ),
  proof: Type.Optional(Type.String({ description: 'c2sp.org/tlog-proof@v1, when sealed' })),
});
