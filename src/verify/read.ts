/** A bundle file in its parts, in bytes; nothing is judged. */
import { fromBase64, utf8 } from '../core/bytes.ts';
import { type ProvedBytes, parseBundle, readLogs, readProved } from '../evidence/bundle.ts';
import type { BundleTimestamp, ProvedAnchor } from '../evidence/schema/bundle.ts';
import { splitProof } from '../log/proof.ts';
import type { RawAnchor, RawEvidence, RawTimestamp } from './gather.ts';

/** The parts of a bundle in bytes. @throws MALFORMED, TOO_LARGE */
export function readBundle(bytes: Uint8Array): RawEvidence {
  const bundle = parseBundle(bytes);
  const { index, hashes, note } = splitProof(utf8(bundle.record.proof));
  const record: ProvedBytes = { entry: fromBase64(bundle.record.entry), index, hashes };
  const { anchors } = bundle;
  return {
    note,
    record,
    genesis: readProved(bundle.genesis),
    boot: readProved(bundle.boot),
    ...(bundle.keyChanges === undefined ? {} : { keyChanges: bundle.keyChanges.map(readProved) }),
    measurements: bundle.measurements.map(readProved),
    related: bundle.related.map(readProved),
    ...(anchors === undefined ? {} : { anchor: readAnchor(anchors.covering) }),
    ...(anchors?.previous === undefined ? {} : { previousAnchor: readAnchor(anchors.previous) }),
    ...(bundle.pcrs === undefined ? {} : { pcrs: bundle.pcrs }),
    ...(bundle.logs === undefined ? {} : { logs: readLogs(bundle.logs) }),
    chain: bundle.chain.map(fromBase64),
    crls: bundle.crls.map(fromBase64),
    ...(bundle.timestamps === undefined ? {} : { timestamps: bundle.timestamps.map(readTimestamp) }),
    ...(bundle.witnessed === undefined
      ? {}
      : {
          witnessed: {
            note: utf8(bundle.witnessed.note),
            consistency: bundle.witnessed.consistency.map(fromBase64),
          },
        }),
    ...(bundle.foreign === undefined ? {} : { foreign: bundle.foreign.map(fromBase64) }),
    ...(bundle.foreignChains === undefined
      ? {}
      : {
          foreignChains: bundle.foreignChains.map(({ chain, crls }) => ({
            chain: chain.map(fromBase64),
            crls: crls.map(fromBase64),
          })),
        }),
    disclosures: bundle.disclosures,
  };
}

const readTimestamp = ({ token, later }: BundleTimestamp): RawTimestamp => ({
  token: fromBase64(token),
  ...(later === undefined
    ? {}
    : { later: { note: utf8(later.note), consistency: later.consistency.map(fromBase64) } }),
});

const readAnchor = (anchor: ProvedAnchor): RawAnchor => ({
  ...readProved(anchor),
  consistency: anchor.consistency.map(fromBase64),
});
