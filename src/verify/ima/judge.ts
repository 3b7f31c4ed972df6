/**
 * One policy held against the entries of an IMA list, one after the other: each is allowed by path and digest or by the
 * key that signed the file, ignored by name, or refused. What is kept is numbers and the first refusals, so that a list
 * of a million entries costs no more memory than one of ten.
 */
import { fromBase64, toHex } from '../../core/bytes.ts';
import { aggregateWay, type BankValues, BOOT_AGGREGATE } from '../../evidence/eventlog/ima/aggregate.ts';
import type { ImaDigest, ImaEntry } from '../../evidence/eventlog/ima/entry.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import { type ImaKey, imaKey, signedBy } from '../../evidence/eventlog/ima/signature.ts';
import type { ImaPolicy } from '../../evidence/schema/appraisal.ts';
import { fits } from '../appraisal/pattern.ts';

/** The decision on one entry. `missing`: the evidence does not show what would decide it. */
export interface LineFinding {
  readonly index: number;
  readonly verdict: 'allowed' | 'ignored' | 'refused' | 'missing';
  readonly sentence: string;
}

/** What a policy makes of a list. */
export interface ImaJudgement {
  readonly count: Readonly<Record<LineFinding['verdict'], number>>;
  /** In order, as many as are kept: refused and missing ones, or all. */
  readonly findings: readonly LineFinding[];
}

export interface ImaJudge {
  see(entry: ImaEntry): void;
  readonly judgement: ImaJudgement;
}

export interface JudgeChoice {
  /** Values of the firmware's registers, of which one must give the boot aggregate. */
  readonly aggregates: readonly BankValues[];
  /** Most findings that are kept. */
  readonly keep: number;
  /** Keep what is allowed and ignored as well. */
  readonly all?: boolean;
}

type Word = Pick<LineFinding, 'verdict'> & { readonly why: string };
const say = (verdict: LineFinding['verdict'], why: string): Word => ({ verdict, why });

/** A digest as policies and sentences spell it. */
export const digestText = ({ algorithm, value, type }: ImaDigest): string =>
  `${type === 'verity' ? 'verity:' : ''}${algorithm}:${toHex(value)}`;

/** @param policy one whose keys were checked when it was read */
export function createImaJudge(policy: ImaPolicy, { aggregates, keep, all = false }: JudgeChoice): ImaJudge {
  const files = new Map(policy.files.map(({ path, digests }) => [path, digests]));
  const keys: ImaKey[] = policy.keys.flatMap((k) => imaKey(fromBase64(k)) ?? []);
  const count = { allowed: 0, ignored: 0, refused: 0, missing: 0 };
  const findings: LineFinding[] = [];

  function decide(entry: ImaEntry, path: string | undefined, digest: string | undefined): Word {
    if (entry.violation) {
      return policy.violations === 'ignore'
        ? say('ignored', 'a violation: what was read is not known')
        : say('refused', 'a violation: the file was open for writing while it was measured');
    }
    if (entry.pcr !== IMA_PCR)
      return say('refused', `it is of PCR ${entry.pcr}, which the list does not prove`);
    if (!entry.known) return say('refused', `nobody here knows its template ${entry.template}`);
    const { digest: bytes, signature } = entry;
    const signed = () => bytes !== undefined && signature !== undefined && signedBy(keys, signature, bytes);
    if (path === undefined || digest === undefined) {
      return signed()
        ? say('allowed', 'signed by a key of the policy')
        : say('refused', 'it has no name in UTF-8 with a digest');
    }
    const known = files.get(path);
    if (known?.includes(digest)) return say('allowed', '');
    if (path === BOOT_AGGREGATE) {
      const word = aggregate(entry, aggregates);
      // A kernel that another one started (kexec) goes on with its list, and writes an aggregate of its own.
      if (entry.index === 0 || word.verdict === 'allowed') return word;
    }
    if (signed()) return say('allowed', 'signed by a key of the policy');
    if (policy.ignore.some((p) => fits(p, path))) return say('ignored', '');
    return say(
      'refused',
      known === undefined ? 'not in the policy' : 'another content than the policy allows',
    );
  }

  return {
    see(entry) {
      const { path, digest } = entry;
      const spelt = digest === undefined ? undefined : digestText(digest);
      const { verdict, why } = decide(entry, path, spelt);
      count[verdict]++;
      if (!all && (verdict === 'allowed' || verdict === 'ignored')) return;
      if (findings.length >= keep) return;
      const { index } = entry;
      const what = entry.violation ? (path ?? '?') : `${path ?? '?'} ${spelt ?? ''}`.trimEnd();
      findings.push({
        index,
        verdict,
        sentence: `IMA entry ${index}, ${what}${why === '' ? '' : `: ${why}`}`,
      });
    },
    get judgement() {
      return { count, findings };
    },
  };
}

/** The first entry ties the list to the registers of the firmware. */
function aggregate(entry: ImaEntry, values: readonly BankValues[]): Word {
  const ways = values.flatMap((v) => aggregateWay(entry, v) ?? []);
  const way = ways.find((w) => w.bank !== 'none');
  if (way !== undefined) return say('allowed', `PCR 0 to ${way.last} of the bank ${way.bank}`);
  if (ways.length > 0) return say('refused', 'the kernel found no TPM when it began the list');
  const quoted = values.some((v) => v.sha256?.has(0) === true);
  return entry.digest?.algorithm === 'sha256' && quoted
    ? say('refused', 'it is not of the registers that were quoted')
    : say('missing', 'it is of registers that are not quoted; name its digest in the policy');
}
