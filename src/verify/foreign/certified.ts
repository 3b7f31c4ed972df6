/**
 * The certificates in a file, each read once, and which of them the seals under the name of a log can be by. A file may
 * hold thousands of proofs and thousands of certificates: what is asked of each pair of them has to cost nothing.
 */
import { hostUri } from '../../evidence/akprofile.ts';
import { sealKeyId } from '../../evidence/seal.ts';
import { type Certificate, parseCertificate } from '../../evidence/x509/certificate.ts';
import { type Crl, parseCrl } from '../../evidence/x509/crl.ts';
import { parseOrigin } from '../../log/origin.ts';
import type { RawChain } from '../gather.ts';
import { attempt, type Part } from '../outcome.ts';

/** A chain, read. */
export interface Certified {
  readonly raw: RawChain;
  readonly leaf: Part<Certificate>;
  readonly certificates: Part<readonly Certificate[]>;
  readonly crls: Part<readonly Crl[]>;
}

/** Gives the parts of a chain, which it reads when it is first asked. */
export function createReader(): (raw: RawChain) => Certified {
  const known = new WeakMap<RawChain, Certified>();
  return (raw) => {
    const before = known.get(raw);
    if (before !== undefined) return before;
    const read: Certified = {
      raw,
      leaf: attempt(() => parseCertificate(raw.chain[0] as Uint8Array)),
      certificates: attempt(() => raw.chain.map(parseCertificate)),
      crls: attempt(() => raw.crls.map(parseCrl)),
    };
    known.set(raw, read);
    return read;
  };
}

/** A chain whose key may have sealed a log. */
export interface Candidate {
  readonly certified: Certified;
  /** The key ID that its line has then. */
  readonly keyId: () => Uint8Array;
  /** Given to judge such seals by, where others merely stand in the file for another reason. */
  readonly given: boolean;
}

const urisOf = ({ leaf }: Certified): readonly string[] =>
  leaf.ok ? (leaf.value.alternativeNames?.uris ?? []) : [];

function byHost(all: readonly Certified[]): (host: string | undefined) => readonly Certified[] {
  const index = new Map<string, Certified[]>();
  for (const certified of all) {
    for (const uri of new Set(urisOf(certified))) {
      const before = index.get(uri);
      if (before === undefined) index.set(uri, [certified]);
      else before.push(certified);
    }
  }
  return (host) => (host === undefined ? [] : (index.get(host) ?? []));
}

/**
 * The chains that a seal of a log can be by, best first: those that name its host, given ones before others. One that is
 * given and names another host comes last, so that its check can say so; one that is merely at hand does not count then.
 */
export function createFinder(
  given: readonly Certified[],
  atHand: readonly Certified[],
): (log: string) => readonly Candidate[] {
  const givenFor = byHost(given);
  const atHandFor = byHost(atHand);
  const known = new Map<string, readonly Candidate[]>();
  return (log) => {
    const before = known.get(log);
    if (before !== undefined) return before;
    const origin = attempt(() => parseOrigin(log));
    const host = origin.ok ? hostUri(origin.value.fleet, origin.value.host) : undefined;
    const named = givenFor(host);
    const others = given.filter((c) => !named.includes(c));
    const candidate = (certified: Certified, isGiven: boolean): Candidate[] => {
      const { leaf } = certified;
      if (!leaf.ok) return [];
      let id: Uint8Array | undefined;
      const keyId = () => {
        id ??= sealKeyId(log, leaf.value.spki);
        return id;
      };
      return [{ certified, keyId, given: isGiven }];
    };
    const found = [
      ...named.flatMap((c) => candidate(c, true)),
      ...atHandFor(host).flatMap((c) => candidate(c, false)),
      ...others.flatMap((c) => candidate(c, true)),
    ];
    known.set(log, found);
    return found;
  };
}
