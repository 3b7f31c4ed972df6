/**
 * What foreign proofs and bundles cost: counted in signatures that are verified and not in time, so that it is the same on
 * any machine. What a file holds twice is asked once, and what stands deeper costs no more than what stands beside it.
 */
import { describe, expect, test } from 'vitest';
import { equal, toBase64, toHex, utf8 } from '../../src/core/bytes.ts';
import { hostUri } from '../../src/evidence/akprofile.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { parseSeal, sealKeyId } from '../../src/evidence/seal.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { verifySignature } from '../../src/evidence/x509/signature.ts';
import { parseNote } from '../../src/log/note.ts';
import type { RawEvidence } from '../../src/verify/gather.ts';
import { judge } from '../../src/verify/judge.ts';
import { got } from '../../src/verify/outcome.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { bundleOf } from '../kit/bundled.ts';
import { forge } from '../kit/forge.ts';
import { EPOCH, FLEET, type Hooks } from '../kit/hooks.ts';
import { parentOf } from './vectors/checkpoint.ts';

const logOf = (n: number) => `${FLEET}/host-${n}/${EPOCH}`;
/** The n-th host under the same authority. */
const host = (n: number, hooks: Hooks = {}): Hooks => ({
  origin: logOf(n),
  certificate: (c) => ({ ...c, uris: [hostUri(FLEET, `host-${n}`)] }),
  ...hooks,
});

/** Bundles rise as text. */
const byText = (a: Uint8Array, b: Uint8Array) => (toBase64(a) < toBase64(b) ? -1 : 1);

/** A host with a key of its own, where the others have one: of its log only a checkpoint is known. */
const stranger = host(99, {
  certificate: (c, w) => ({ ...c, uris: [hostUri(FLEET, 'host-99')], key: w.other }),
  sealKey: (_, w) => w.other,
  lines: (l, w) => l.slice(0, 1).map((x) => ({ ...x, keyId: sealKeyId(x.name, w.other.spki) })),
});

/** A record of the n-th host that names these, each by a checkpoint or with its evidence. */
const naming = (
  n: number,
  proofs: readonly [RawEvidence, number][],
  bundles: readonly [RawEvidence, number][],
) =>
  host(n, {
    execution: (x) => ({
      ...x,
      parents: [
        ...(x.parents as []),
        ...proofs.map(([raw, m]) => parentOf(raw, logOf(m))),
        ...bundles.map(([raw, m]) => ({
          rel: 'after',
          digest: toHex(recordDigest(raw.record.entry)),
          log: logOf(m),
        })),
      ],
    }),
    ...(bundles.length === 0
      ? {}
      : { raw: (r) => ({ ...r, foreign: bundles.map(([raw]) => bundleOf(raw)).sort(byText) }) }),
  });

/** The verdict on this record, how many signatures were verified, and how many times that of a seal. */
async function cost(hooks: Hooks, seal?: RawEvidence) {
  const { raw, trust } = await forge(hooks);
  const { hosts: _, ...anyHost } = trust;
  const [line] = seal === undefined ? [] : parseNote(seal.note).signatures;
  const attest = line === undefined ? undefined : parseSeal(line.signature).attest;
  let all = 0;
  let ofSeal = 0;
  const verify: typeof verifySignature = (key, algorithm, message, signature) => {
    all++;
    if (attest !== undefined && equal(message, attest)) ofSeal++;
    return verifySignature(key, algorithm, message, signature);
  };
  const tools = { verify, readStatement };
  const { verdict } = await judge(got(raw), parseTrust(utf8(JSON.stringify(anyHost))), { tools });
  return { verdict, all, ofSeal };
}

describe('signatures that are verified', () => {
  test('for a checkpoint that many parents are known by: as for one', async () => {
    const { raw } = await forge(host(2));
    const others = [raw.record, raw.genesis, raw.boot, ...raw.related].map((record) => ({ ...raw, record }));
    const by = async (count: number) => {
      const hooks = naming(
        1,
        others
          .slice(0, count)
          .map((r) => [r, 2] as const)
          .map(([r, n]) => [r, n]),
        [],
      );
      const given: Hooks = {
        ...hooks,
        raw: (r) => ({ ...r, foreignChains: [{ chain: raw.chain, crls: raw.crls }] }),
      };
      return cost(given, raw);
    };
    const one = await by(1);
    expect(one).toMatchObject({ verdict: 'verified', ofSeal: 1 });
    expect(others.length).toBeGreaterThan(3);
    expect(await by(others.length)).toEqual(one);
  });

  test('for bundles beside each other: each as much as the one before', async () => {
    const { raw: known } = await forge(stranger);
    const bundles: [RawEvidence, number][] = [];
    const costs: number[] = [];
    for (let n = 2; n < 5; n++) {
      bundles.push([(await forge(naming(n, [[known, 99]], []))).raw, n]);
      const { verdict, all } = await cost(naming(1, [[known, 99]], bundles));
      expect(verdict).toBe('verified');
      costs.push(all);
    }
    const steps = costs.slice(1).map((c, i) => c - (costs[i] as number));
    expect(new Set(steps).size, `${costs}`).toBe(1);
  });

  test('for bundles inside each other: each as much as the one before, and a checkpoint that all hold once', async () => {
    const { raw: known } = await forge(stranger);
    let inner: [RawEvidence, number] | undefined;
    const costs: number[] = [];
    for (let n = 2; n < 6; n++) {
      const { raw } = await forge(naming(n, [[known, 99]], inner === undefined ? [] : [inner]));
      inner = [raw, n];
      const hooks = naming(1, [[known, 99]], [inner]);
      const outer = hooks.raw as NonNullable<Hooks['raw']>;
      const chains = [{ chain: known.chain, crls: known.crls }];
      const given: Hooks = { ...hooks, raw: (r, w) => ({ ...outer(r, w), foreignChains: chains }) };
      const { verdict, all, ofSeal } = await cost(given, known);
      expect([verdict, ofSeal]).toEqual(['verified', 1]);
      costs.push(all);
    }
    const steps = costs.slice(1).map((c, i) => c - (costs[i] as number));
    expect(new Set(steps).size, `${costs}`).toBe(1);
  });
});
