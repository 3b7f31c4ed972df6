/**
 * `timestamp`: the timestamps of the bundle are those of authorities that the auditor believes, over its seal, and as
 * many as the trust file asks for. `path-keys`: every key on the path is of a kind that the trust file allows.
 */
import type { Evidence } from '../evidence.ts';
import { because, blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';
import type { KeyRule, Trust } from '../trust.ts';

const required = (trust: Trust): number => trust.timestamps?.required ?? 0;

export const timestamp: CheckDefinition = {
  id: 'timestamp',
  level: 1,
  concerns: (e, trust) => e.stamps.length > 0 || required(trust) > 0,
  requiredBy: (trust) => required(trust) > 0,
  run: (e, trust) => {
    if (!e.format.ok) return blocked(e.format);
    for (const s of e.stamps) {
      if (s.status === 'bad') return because(s.fault, fail(`A timestamp does not hold: ${s.why}.`));
    }
    const good = e.stamps.flatMap((s) => (s.status === 'good' ? [s] : []));
    if (good.length < e.stamps.length) {
      return unknown('The bundle has a timestamp of an authority that the trust file does not name.');
    }
    const authorities = new Set(good.map((s) => s.authority)).size;
    if (authorities < required(trust)) {
      return unknown(
        `The trust file asks for timestamps of ${required(trust)} authorities, the bundle has ${authorities}.`,
      );
    }
    return pass(`${words(e)} proves that the seal was made before ${latest(e)}.`);
  },
};

const words = (e: Evidence): string =>
  e.stamps.length === 1 ? 'A timestamp' : `Each of ${e.stamps.length} timestamps holds, and the earliest`;
const latest = (e: Evidence): string => (e.time.ok ? new Date(e.time.value.ms).toISOString() : 'some time');

const allowed = (rules: readonly KeyRule[], key: { kind: string; curve?: string; bits?: number }): boolean =>
  rules.some((r) => ('curve' in r ? key.curve === r.curve : key.kind === 'rsa' && (key.bits ?? 0) >= r.bits));

export const pathKeys: CheckDefinition = {
  id: 'path-keys',
  level: 1,
  appliesTo: (trust) => trust.keys !== undefined,
  run: (e, trust) => {
    if (!e.path.ok) return blocked(e.path);
    const odd = e.path.value.path.find((c) => !allowed(trust.keys ?? [], c.key));
    if (odd === undefined) return pass('Every key on the path is of a kind that the trust file allows.');
    const wanted = (trust.keys ?? [])
      .map((r) => ('curve' in r ? `EC ${r.curve}` : `RSA ${r.bits}`))
      .join(', ');
    const { key } = odd;
    const found = key.kind === 'ec' ? `EC ${key.curve}` : key.kind === 'rsa' ? `RSA ${key.bits}` : key.oid;
    return fail('A key on the path is of a kind that the trust file does not allow.', wanted, found);
  },
};
