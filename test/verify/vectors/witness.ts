/** Cosignatures of a bundle: in its own note, or over a later checkpoint that the log chains to it. */
import type { JsonObject } from '../../../src/core/json.ts';
import { printCheckpoint } from '../../../src/log/checkpoint.ts';
import type { NoteSignature } from '../../../src/log/note.ts';
import type { RawEvidence } from '../../../src/verify/gather.ts';
import { flip } from '../../kit/forge.ts';
import { type Hooks, type Stampable, T0 } from '../../kit/hooks.ts';
import { cosign, makeWitness, noteText, withLines } from '../../kit/witness.ts';
import type { Vector } from './vector.ts';

export const ONE = makeWitness('witness.example/one');
export const TWO = makeWitness('witness.example/two');
const STRANGER = makeWitness('witness.example/three');
/** When witnesses sign: two minutes after the seal. */
export const SEEN = T0 / 1000 + 180;

/** The trust file of an auditor who asks for so many of both witnesses and takes no host's word for time. */
export const asking =
  (required: number, more: JsonObject = {}) =>
  (t: JsonObject): JsonObject => ({ ...t, witnesses: { keys: [ONE.vkey, TWO.vkey], required }, ...more });

type Later = Stampable['later'];
interface Wish {
  readonly required?: number;
  readonly hostTime?: boolean;
  /** Lines in the bundle's own note. */
  readonly own?: (text: string) => readonly NoteSignature[];
  /** A later checkpoint. */
  readonly later?: (later: Later) => RawEvidence['witnessed'];
  readonly raw?: (r: RawEvidence) => RawEvidence;
}

export function witnessed(wish: Wish, more: Hooks = {}): Hooks {
  let later: Later | undefined;
  return {
    ...more,
    trust: asking(wish.required ?? 1, { acceptHostTime: wish.hostTime === true }),
    timestamps: async (given) => {
      later = given.later;
      return [];
    },
    raw: ({ timestamps: _, ...r }) => {
      const own = wish.own?.(noteText(r.note)) ?? [];
      const chained = later === undefined ? undefined : wish.later?.(later);
      return (wish.raw ?? ((x) => x))({
        ...r,
        note: own.length === 0 ? r.note : withLines(r.note, own),
        ...(chained === undefined ? {} : { witnessed: chained }),
      });
    },
  };
}

export const byOne = (text: string) => [cosign(ONE, text, SEEN)];
export const byBoth = (text: string) => [cosign(ONE, text, SEEN), cosign(TWO, text, SEEN + 60)];
export const chainedBy =
  (lines: (text: string) => readonly NoteSignature[]) =>
  ({ note, consistency }: Later): RawEvidence['witnessed'] => ({
    note: withLines(note, lines(noteText(note)), true),
    consistency,
  });
const without = ({ anchor: _, previousAnchor: __, ...r }: RawEvidence): RawEvidence => r;
export const UNANCHORED = witnessed({ own: byOne, raw: without });

const vector = (name: string, wish: Wish, more: Partial<Vector> = {}): Vector => ({
  id: 'witness',
  name,
  hooks: witnessed({ hostTime: true, ...wish }),
  ...more,
});

export const WITNESS_VECTORS: readonly Vector[] = [
  vector('the trust file asks for one and there is none', {}, { status: 'unknown' }),
  vector(
    'it asks for two and one signed, twice',
    {
      required: 2,
      own: byOne,
      later: chainedBy(byOne),
    },
    { status: 'unknown' },
  ),
  vector(
    'it asks for two, and the second is a stranger',
    {
      required: 2,
      own: (t) => [...byOne(t), cosign(STRANGER, t, SEEN)],
    },
    { status: 'unknown' },
  ),
  vector('a signature is broken', {
    own: (t) => byOne(t).map((l) => ({ ...l, signature: flip(l.signature, -1) })),
  }),
  vector('its time was changed', {
    own: (t) => byOne(t).map((l) => ({ ...l, signature: flip(l.signature, 7) })),
  }),
  vector('its time is zero', {
    own: (t) => [cosign(ONE, t, 0)],
  }),
  vector('a plain signature over the checkpoint stands for a cosignature', {
    own: (t) => byOne(t).map((l) => ({ ...l, signature: cosign(TWO, t, SEEN).signature })),
  }),
  vector('it is over another state of the log', {
    own: () => byOne(printCheckpoint({ origin: 'fleet/host-1/7', size: 1, root: new Uint8Array(32) })),
  }),
  vector('a later checkpoint is cosigned, but the log did not go on from this one', {
    later: (l) => {
      const made = chainedBy(byOne)(l);
      return made === undefined ? made : { ...made, consistency: made.consistency.slice(1) };
    },
  }),
  vector('a later checkpoint of another log is cosigned', {
    later: ({ consistency }) => {
      const text = printCheckpoint({ origin: 'fleet/host-2/7', size: 99, root: new Uint8Array(32) });
      return {
        note: new TextEncoder().encode(`${text}\n`.concat(textOfLines(byOne(text)))),
        consistency,
      };
    },
  }),
  vector('the later checkpoint has a line that is no cosignature', {
    later: ({ note, consistency }) => ({ note: withLines(note, byOne(noteText(note))), consistency }),
  }),
];

function textOfLines(lines: readonly NoteSignature[]): string {
  return lines
    .map(
      ({ name, keyId, signature }) => `— ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`,
    )
    .join('');
}
