/**
 * `disclosures`: every opening in the bundle opens exactly one digest of the record, and every digest once (RFC 9901
 * §7.1). An opening that fits nothing would be a claim that nobody signed.
 */

import { fromHex, toBase64Url } from '../../core/bytes.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { disclosureDigest } from '../../evidence/disclosure.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

/** Every digest under `_sd` anywhere in the predicate. */
function digestsOf(value: Json, out: string[] = []): string[] {
  if (value === null || typeof value !== 'object') return out;
  if (Array.isArray(value)) {
    for (const v of value) digestsOf(v, out);
    return out;
  }
  for (const [name, v] of Object.entries(value as JsonObject)) {
    if (name === '_sd' && Array.isArray(v)) out.push(...v.filter((d): d is string => typeof d === 'string'));
    else digestsOf(v, out);
  }
  return out;
}

export const disclosures: CheckDefinition = {
  id: 'disclosures',
  level: 1,
  run: (e) => {
    const parts = together({ record: e.record, given: e.disclosures });
    if (!parts.ok) {
      return e.record.ok && e.format.ok ? fail(`A disclosure cannot be read: ${parts.why}.`) : blocked(parts);
    }
    const { record, given } = parts.value;
    if (!record.statement.ok) return blocked(record.statement);
    const { predicate, artefacts } = record.statement.value;
    const salted = artefacts.filter((a) => a.annotations?.salted === true);
    const digests = [...digestsOf(predicate), ...salted.map((a) => toBase64Url(fromHex(a.digest.sha256)))];
    const opened = new Set<string>();
    for (const text of given) {
      const digest = toBase64Url(disclosureDigest(text));
      if (digests.filter((d) => d === digest).length !== 1)
        return fail('A disclosure opens no digest of the record.');
      if (opened.has(digest)) return fail('A disclosure is given twice.');
      opened.add(digest);
    }
    return pass(
      `${opened.size} of ${digests.length} withheld values are disclosed, and each fits its digest.`,
    );
  },
};
