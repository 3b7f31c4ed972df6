/** Questions that are put to every entry of an IMA list as it passes; each keeps only what it needs to answer. */
import type { ImaEntry } from '../../evidence/eventlog/ima/entry.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import type { ImaPolicy } from '../../evidence/schema/appraisal.ts';
import { createImaJudge, digestText, type ImaJudge, type ImaJudgement, type JudgeChoice } from './judge.ts';

export interface ImaQuestion {
  /** The list is read, perhaps once more: what was seen before is forgotten. */
  begin(): void;
  see(entry: ImaEntry): void;
}

/** Which digests stand under a path. */
export interface WatchQuestion extends ImaQuestion {
  digests(path: string): ReadonlySet<string>;
}

/** What a policy makes of the list. */
export interface PolicyQuestion extends ImaQuestion {
  readonly judgement: ImaJudgement;
}

/** Everything in the list: for learning from it. Its answer is as large as the list. */
export interface LearnQuestion extends ImaQuestion {
  /** Digests by path; entries that no path with a digest names are counted only. */
  readonly files: ReadonlyMap<string, ReadonlySet<string>>;
  readonly unnamed: number;
}

/** Digests that are remembered for one watched path; one more than one is one too many. */
const MAX_DIGESTS = 16;

export function askPaths(paths: Iterable<string>): WatchQuestion {
  const watched = new Set(paths);
  const found = new Map<string, Set<string>>();
  return {
    begin: () => found.clear(),
    see(entry) {
      if (watched.size === 0 || entry.violation) return;
      const { path } = entry;
      if (path === undefined || !watched.has(path)) return;
      const set = found.get(path) ?? new Set<string>();
      // One of another register is nobody's word, and counts against the file.
      const digest =
        entry.pcr === IMA_PCR && entry.digest !== undefined ? digestText(entry.digest) : 'unknown';
      if (set.size < MAX_DIGESTS) set.add(digest);
      found.set(path, set);
    },
    digests: (path) => found.get(path) ?? new Set(),
  };
}

export function askPolicy(policy: ImaPolicy, choice: JudgeChoice): PolicyQuestion {
  let judge: ImaJudge = createImaJudge(policy, choice);
  return {
    begin() {
      judge = createImaJudge(policy, choice);
    },
    see: (entry) => judge.see(entry),
    get judgement() {
      return judge.judgement;
    },
  };
}

/** @param skip whether an entry need not be learnt, because something else allows it */
export function askAll(skip: (entry: ImaEntry) => boolean): LearnQuestion {
  const files = new Map<string, Set<string>>();
  let unnamed = 0;
  return {
    begin() {
      files.clear();
      unnamed = 0;
    },
    see(entry) {
      if (entry.violation || skip(entry)) return;
      const { path, digest } = entry;
      if (path === undefined || digest === undefined) unnamed++;
      else files.set(path, (files.get(path) ?? new Set()).add(digestText(digest)));
    },
    files,
    get unnamed() {
      return unnamed;
    },
  };
}
