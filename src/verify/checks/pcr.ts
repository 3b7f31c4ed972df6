/**
 * PCR values: `seal-pcr-digest`, `firmware-pcrs`, `pcr-allow-list`. A value counts only when it is inside the signed
 * selection and hashes with all others to the signed digest (attestation-rs#69). PCRs 0–7 that firmware left at zero
 * can be extended to anything by whoever runs next (eve#6162), so they are refused whatever the policy says.
 */
import { equal } from '../../core/bytes.ts';
import { ALG_SHA256 } from '../../evidence/tpm/algorithm.ts';
import { pcrDigest } from '../../evidence/tpm/pcr.ts';
import type { Evidence } from '../evidence.ts';
import {
  absent,
  attempt,
  blocked,
  broken,
  type CheckDefinition,
  fail,
  got,
  type Part,
  pass,
  together,
  unknown,
} from '../outcome.ts';
import type { PcrProfile } from '../trust.ts';

const ZERO = '0'.repeat(64);

/** The values that the quote proves, by index; anything else in the bundle is not looked at. */
export function proven(e: Pick<Evidence, 'pcrs' | 'attest'>): Part<ReadonlyMap<number, string>> {
  if (!e.pcrs.ok) return e.pcrs;
  if (!e.attest.ok) return e.attest;
  const { attested } = e.attest.value;
  if (attested.kind !== 'quote') return broken('the seal is not a quote');
  const values = e.pcrs.value;
  const digest = attempt(() => pcrDigest(attested.selections, values, ALG_SHA256));
  if (!digest.ok) return digest;
  if (!equal(digest.value, attested.pcrDigest))
    return broken('the PCR values are not those that were quoted');
  const bank = values.sha256;
  if (bank === undefined) return absent('no value of the SHA-256 bank is given');
  return got(new Map(Object.entries(bank).map(([index, value]) => [Number(index), value])));
}

export const sealPcrDigest: CheckDefinition = {
  id: 'seal-pcr-digest',
  level: 3,
  run: (e) => {
    if (!e.pcrs.ok && e.pcrs.absent) return unknown('The seal comes without PCR values: they kept changing.');
    const parts = together({ pcrs: e.pcrs, attest: e.attest });
    if (!parts.ok) return blocked(parts);
    if (parts.value.attest.attested.kind !== 'quote') return blocked({ why: 'the seal is not a quote' });
    const values = proven(e);
    return values.ok
      ? pass(`The ${values.value.size} PCR values given are exactly those that were quoted.`)
      : fail(`The PCR values do not belong to the quote: ${values.why}.`);
  },
};

export const firmwarePcrs: CheckDefinition = {
  id: 'firmware-pcrs',
  level: 3,
  run: (e) => {
    const values = proven(e);
    if (!values.ok) return blocked(values);
    const firmware = [0, 1, 2, 3, 4, 5, 6, 7];
    const zero = firmware.filter((i) => values.value.get(i) === ZERO);
    if (zero.length > 0)
      return fail(`The firmware measured nothing into PCR ${zero.join(', ')}: anyone could have.`);
    const missing = firmware.filter((i) => !values.value.has(i));
    return missing.length > 0
      ? unknown(`PCR ${missing.join(', ')} of the firmware is not quoted.`)
      : pass('The firmware measured into each of PCRs 0 to 7.');
  },
};

export const pcrAllowList: CheckDefinition = {
  id: 'pcr-allow-list',
  level: 3,
  // Policies say more about registers than a list of values; where there are some, the list may be left out.
  appliesTo: (trust) => trust.pcrs.length > 0 || trust.policies.length === 0,
  run: (e, trust) => {
    if (trust.pcrs.length === 0) return unknown('The trust file names no accepted state of a machine.');
    const values = proven(e);
    if (!values.ok) return blocked(values);
    const refusals = trust.pcrs.map((profile) => ({ profile, why: refuse(profile, values.value) }));
    const match = refusals.find((r) => r.why === undefined);
    if (match !== undefined) {
      const named = [...match.profile.sha256.keys()];
      const beside = [...values.value.keys()].filter((i) => !named.includes(i));
      const rest = beside.length === 0 ? '' : ` PCR ${beside.join(', ')} is quoted but not judged.`;
      return pass(`PCR ${named.join(', ')} is as the accepted state "${match.profile.name}" says.${rest}`);
    }
    const [first] = refusals;
    return fail(
      `The machine is in none of the accepted states; "${first?.profile.name}" wants other values: ${first?.why}.`,
    );
  },
};

function refuse(profile: PcrProfile, values: ReadonlyMap<number, string>): string | undefined {
  for (const [index, allowed] of profile.sha256) {
    const value = values.get(index);
    if (value === undefined) return `PCR ${index} is not quoted`;
    if (!allowed.includes(value)) return `PCR ${index} is ${value}`;
  }
  return undefined;
}
