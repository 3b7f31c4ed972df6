/** Forks whose two sides stand in one file: of the log of the record itself, and of logs behind the logs that it names. */
import { toHex } from '../../../src/core/bytes.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { hostUri } from '../../../src/evidence/akprofile.ts';
import { recordDigest } from '../../../src/evidence/dsse.ts';
import type { RawChain, RawEvidence } from '../../../src/verify/gather.ts';
import { bundleOf } from '../../kit/bundled.ts';
import { forge } from '../../kit/forge.ts';
import { governed } from '../../kit/governed.ts';
import { EPOCH, FLEET, HOST, type Hooks } from '../../kit/hooks.ts';
import { knowing, parentOf } from './checkpoint.ts';
import { forked, otherHost, resting } from './foreign.ts';
import type { Vector } from './vector.ts';

export const OWN_LOG = `${FLEET}/${HOST}/${EPOCH}`;
const THIRD_HOST = 'host-3';
const THIRD_LOG = `${FLEET}/${THIRD_HOST}/${EPOCH}`;

const chainOf = ({ chain, crls }: RawEvidence): RawChain => ({ chain, crls });

/** A record that knows this one by its checkpoint, with these certificates. */
export const holding = (of: RawEvidence, log: string, chains: readonly RawChain[] = []): Hooks => ({
  execution: (x) => ({ ...x, parents: [...(x.parents as []), parentOf(of, log)] }),
  ...(chains.length === 0 ? {} : { raw: (r) => ({ ...r, foreignChains: chains }) }),
});

/** A third host under the same authority. */
const thirdHost = (more: Hooks = {}): Hooks => ({
  origin: THIRD_LOG,
  certificate: (c) => ({ ...c, uris: [hostUri(FLEET, THIRD_HOST)] }),
  ...more,
});
const allAccepted: Hooks = {
  trust: (t) => ({
    ...t,
    hosts: [hostUri(FLEET, HOST), hostUri(FLEET, 'host-2'), hostUri(FLEET, THIRD_HOST)],
  }),
};

/** A record at the end of a log that was sealed before, and what rests on that earlier part. */
export async function grown(rest: (earlier: RawEvidence) => Promise<Hooks>): Promise<Hooks> {
  const entries: Uint8Array[] = [];
  const capture = (e: Uint8Array, at: number) => {
    entries[at] = e;
    return e;
  };
  const { raw: earlier } = await forge({ entry: capture });
  const hooks = await rest(earlier);
  return {
    ...hooks,
    entry: (e, at) => entries[at] ?? e,
    governed: async ({ build, put, next }) => {
      for (let at = next; at < entries.length; at++)
        put(build('gap', { reason: 'test', detail: 'stood here before' }, at));
      const body: JsonObject = {
        phase: 'completed',
        action: { type: 'exec', name: 'make' },
        caller: { observed: OBSERVED },
        authorization: 'ungoverned',
        parents: [],
        outcome: { status: 'succeeded', code: 0, effect: 'confirmed', observedBy: 'caller' },
      };
      const record = put(
        build('execution', (hooks.execution ?? ((x) => x))(body, {} as never), entries.length),
      );
      return { record, related: [] };
    },
  };
}

const OBSERVED: JsonObject = {
  uid: 1000,
  gid: 1000,
  pid: 4242,
  startTicks: 99,
  exe: { path: '/usr/bin/make', sha256: '2'.repeat(64) },
  exeMethod: 'proc',
  cgroup: '/user.slice',
  method: 'SO_PEERCRED',
};

/** Logs that agree with themselves, however often they stand in the file. */
export const ONE_LOG: Readonly<Record<string, () => Promise<Hooks>>> = {
  'a parent in the own log with a proof under an earlier seal': () =>
    grown(async (earlier) => holding(earlier, OWN_LOG)),
  'evidence of another host that knows this log by an earlier seal': () =>
    grown(async (earlier) => resting({ other: holding(earlier, OWN_LOG) })),
  'evidence of another host that rests on evidence of this log': () =>
    grown(async (earlier) =>
      resting({
        other: {
          ...(await restingOn(earlier, OWN_LOG)),
        },
      }),
    ),
};

/** A record that rests on this one, whose evidence is given. */
async function restingOn(of: RawEvidence, log: string): Promise<Hooks> {
  const parent = { rel: 'derivedFrom', digest: toHex(recordDigest(of.record.entry)), log };
  return {
    execution: (x) => ({ ...x, parents: [...(x.parents as []), parent] }),
    raw: (r) => ({ ...r, foreign: [bundleOf(of)] }),
  };
}

export const forkVectors = async (): Promise<Vector[]> => {
  const id = 'foreign-checkpoint';
  const says = /two logs by the name of/;
  const { raw: fork } = await forge(forked);
  const { raw: third } = await forge(thirdHost());
  const { raw: thirdForked } = await forge(thirdHost(forked));
  const { raw: sameForked } = await forge(otherHost(forked));
  const behind = await resting({ other: { ...(await restingOn(third, THIRD_LOG)), ...allAccepted } });
  const second = await resting({ other: holding(third, THIRD_LOG, [chainOf(third)]) });
  const flow: Hooks = { governed: governed() as NonNullable<Hooks['governed']> };
  const genesisCounter: Hooks['genesisCounter'] = (a) => ({
    ...a,
    clockInfo: { ...a.clockInfo, clock: a.clockInfo.clock + 1n },
  });
  // The same entries from the boot on, in a log that began otherwise: two checkpoints of one origin, both sealed.
  const entries: Uint8Array[] = [];
  await forge({
    ...flow,
    entry: (e, at) => {
      entries[at] = e;
      return e;
    },
  });
  const again: Hooks['entry'] = (e, at) => entries[at] ?? e;
  const { raw: twin } = await forge({
    ...flow,
    genesisCounter,
    entry: (e, at) => (at === 0 ? e : again(e, at)),
  });
  const wrongLeaf = parentOf({ ...third, record: third.boot }, THIRD_LOG);
  return [
    {
      id: 'inclusion-related',
      name: 'the parent of a governed record is from a forked log, where the host sealed it',
      hooks: {
        ...flow,
        entry: again,
        raw: (r) => ({
          ...r,
          related: r.related.map((x, i) => (i === 3 ? (twin.related[3] as typeof x) : x)),
        }),
      },
    },
    {
      id,
      says,
      name: 'the parent of a governed record is known by a checkpoint of a fork of its own log',
      // In its own log everything that a governed record names must be there.
      blocked: ['grant-given'],
      hooks: {
        ...flow,
        governed: governed({
          alter: {
            record: (b) => ({ ...b, parents: [...((b.parents ?? []) as []), parentOf(twin, OWN_LOG)] }),
          },
        }) as NonNullable<Hooks['governed']>,
      },
    },
    {
      id,
      says: /by the leaf of another/,
      name: 'the leaf of a parent is another than that of its record, which stands in the evidence of a further host',
      hooks: {
        ...behind,
        ...allAccepted,
        execution: (x, w) => {
          const y = (behind.execution ?? ((z) => z))(x, w);
          const digest = toHex(recordDigest(third.record.entry));
          return { ...y, parents: [...(y.parents as []), { ...wrongLeaf, digest }] };
        },
      },
    },
    {
      id,
      says,
      name: 'a parent with a proof in the own log stands under another seal of it, which forks it',
      hooks: holding(fork, OWN_LOG),
    },
    {
      id,
      says,
      name: 'the same parent is named twice, the second time by a checkpoint of a fork',
      hooks: await knowing({ parent: (p) => [p, { ...parentOf(sameForked), digest: p.digest as string }] }),
    },
    {
      id,
      says,
      name: 'the evidence of another host holds a checkpoint that forks the log of the record',
      hooks: await resting({ other: holding(fork, OWN_LOG, [chainOf(fork)]) }),
    },
    {
      id,
      says,
      name: 'it holds that checkpoint without the certificate, which is that of this bundle',
      hooks: await resting({ other: holding(fork, OWN_LOG) }),
    },
    {
      id,
      says,
      name: 'the evidence of another host rests on evidence of a fork of the log of the record',
      hooks: await resting({ other: await restingOn(fork, OWN_LOG) }),
    },
    {
      id,
      says,
      name: 'the record knows one log of a third host, and the evidence that it rests on another',
      hooks: {
        ...second,
        ...allAccepted,
        execution: (x, w) => {
          const y = (second.execution ?? ((z) => z))(x, w);
          return { ...y, parents: [...(y.parents as []), parentOf(thirdForked, THIRD_LOG)] };
        },
      },
    },
  ];
};
