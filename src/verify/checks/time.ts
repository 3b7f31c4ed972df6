/**
 * `record-time`: genesis, boot entry, record and seal follow each other by the host's own clock. That proves no time;
 * it finds a host whose words contradict each other. `seal-age`: the seal is not older than the auditor allows.
 */
import { parseTime } from '../../core/time.ts';
import type { EntryFacts } from '../evidence.ts';
import {
  attempt,
  blocked,
  type CheckDefinition,
  fail,
  type Part,
  pass,
  together,
  unknown,
} from '../outcome.ts';

function timeOf(entry: EntryFacts): Part<number> {
  if (!entry.statement.ok) return entry.statement;
  const { time } = entry.statement.value.predicate;
  return attempt(() => parseTime(String(time)));
}

export const recordTime: CheckDefinition = {
  id: 'record-time',
  level: 1,
  run: (e) => {
    const parts = together({ genesis: e.genesis, boot: e.boot, record: e.record, seal: e.seal });
    if (!parts.ok) return blocked(parts);
    const { genesis, boot, record, seal } = parts.value;
    const anchors = [e.previousAnchor, e.anchor].flatMap((p) => (p.ok ? [p.value.entry] : []));
    const entries = [genesis, boot, record, ...e.measurements, ...e.related, ...anchors].sort(
      (a, b) => a.index - b.index,
    );
    const steps: { what: string; ms: number }[] = [];
    for (const entry of entries) {
      const ms = timeOf(entry);
      if (!ms.ok) return blocked(ms);
      steps.push({ what: entry.role, ms: ms.value });
    }
    steps.push({ what: 'the seal', ms: seal.header.timeMs });
    for (let i = 1; i < steps.length; i++) {
      const [a, b] = [steps[i - 1], steps[i]] as { what: string; ms: number }[];
      if (a !== undefined && b !== undefined && b.ms < a.ms) {
        return fail(`By the clock of the host ${b.what} was made before ${a.what}.`, iso(a.ms), iso(b.ms));
      }
    }
    return pass('The times that the host states follow the order of the log.');
  },
};

const iso = (ms: number): string => new Date(ms).toISOString();

export const sealAge: CheckDefinition = {
  id: 'seal-age',
  level: 1,
  appliesTo: (trust) => trust.maxAge !== undefined,
  run: (e, trust, { now }) => {
    if (trust.maxAge === undefined) return unknown('The trust file sets no limit to the age of a seal.');
    if (now === undefined) return unknown('The verifier was not told the time.');
    if (!e.time.ok) return blocked(e.time);
    const age = now - e.time.value.ms;
    return age <= trust.maxAge * 1000
      ? pass(`The seal is not older than ${trust.maxAge} seconds.`)
      : fail(
          'The seal is older than the trust file allows.',
          `${trust.maxAge} s`,
          `${Math.round(age / 1000)} s`,
        );
  },
};
