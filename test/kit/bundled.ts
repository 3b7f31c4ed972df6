/** Forged evidence as the file that a host would hand out. */
import { toBase64, toHex } from '../../src/core/bytes.ts';
import { printBundle, printLogs, printProved } from '../../src/evidence/bundle.ts';
import { printFresh } from '../../src/evidence/fresh.ts';
import { printProof } from '../../src/log/proof.ts';
import type { RawFresh } from '../../src/verify/fresh.ts';
import type { RawAnchor, RawEvidence } from '../../src/verify/gather.ts';

const anchor = (a: RawAnchor) => ({ ...printProved(a), consistency: a.consistency.map(toBase64) });

/** The bytes of a bundle with these parts. */
export function bundleOf(raw: RawEvidence): Uint8Array {
  const { index, hashes } = raw.record;
  return printBundle({
    record: {
      entry: toBase64(raw.record.entry),
      proof: new TextDecoder().decode(printProof({ index, hashes, note: raw.note })),
    },
    genesis: printProved(raw.genesis),
    boot: printProved(raw.boot),
    ...(raw.keyChanges === undefined ? {} : { keyChanges: raw.keyChanges.map(printProved) }),
    measurements: raw.measurements.map(printProved),
    related: raw.related.map(printProved),
    ...(raw.anchor === undefined
      ? {}
      : {
          anchors: {
            covering: anchor(raw.anchor),
            ...(raw.previousAnchor === undefined ? {} : { previous: anchor(raw.previousAnchor) }),
          },
        }),
    ...(raw.pcrs === undefined ? {} : { pcrs: raw.pcrs as { sha256: Record<string, string> } }),
    ...printLogs(raw.logs ?? {}),
    chain: raw.chain.map(toBase64),
    crls: raw.crls.map(toBase64),
    ...(raw.timestamps === undefined
      ? {}
      : {
          timestamps: raw.timestamps.map(({ token, later }) => ({
            token: toBase64(token),
            ...(later === undefined
              ? {}
              : {
                  later: {
                    note: new TextDecoder().decode(later.note),
                    consistency: later.consistency.map(toBase64),
                  },
                }),
          })),
        }),
    ...(raw.foreign === undefined ? {} : { foreign: raw.foreign.map(toBase64).sort() }),
    ...(raw.foreignChains === undefined
      ? {}
      : {
          foreignChains: raw.foreignChains.map(({ chain, crls }) => ({
            chain: chain.map(toBase64),
            crls: crls.map(toBase64),
          })),
        }),
    ...(raw.witnessed === undefined
      ? {}
      : {
          witnessed: {
            note: new TextDecoder().decode(raw.witnessed.note),
            consistency: raw.witnessed.consistency.map(toBase64),
          },
        }),
    disclosures: [...raw.disclosures],
  });
}

/** The bytes of a fresh-evidence file with these parts. */
export function freshOf(fresh: RawFresh): Uint8Array {
  const { state, quote, counter, pcrs } = fresh;
  const b64 = (v: { attest: Uint8Array; signature: Uint8Array }) => ({
    attest: toBase64(v.attest),
    signature: toBase64(v.signature),
  });
  const measurements = state.measurements.map(printProved);
  return printFresh({
    ...(measurements.length === 0 ? {} : { measurements }),
    nonce: toHex(fresh.nonce),
    note: new TextDecoder().decode(state.note),
    fresh: {
      ...b64(quote),
      ...(pcrs === undefined ? {} : { pcrs: pcrs as { sha256: Record<string, string> } }),
    },
    ...(counter === undefined ? {} : { counter: b64(counter) }),
    genesis: printProved(state.genesis),
    boot: printProved(state.boot),
    ...(state.keyChanges === undefined ? {} : { keyChanges: state.keyChanges.map(printProved) }),
    ...(state.anchor === undefined ? {} : { anchor: anchor(state.anchor) }),
    ...printLogs(state.logs ?? {}),
    chain: state.chain.map(toBase64),
    crls: state.crls.map(toBase64),
    ...(state.timestamps === undefined
      ? {}
      : { timestamps: state.timestamps.map(({ token }) => ({ token: toBase64(token) })) }),
  });
}
