/**
 * Which software a record was made under, file by file, as far as the evidence shows it. Said only where the daemon's
 * measurements lead to the quoted register; how far each can be believed stands beside it.
 */
import type { Evidence } from './evidence.ts';
import { doubtsOf } from './ima/corroborate.ts';
import { chainHolds, measuredChain } from './measured.ts';
import type { Trust } from './trust.ts';

/**
 * How far a measurement can be believed: `self-reported` is the daemon's own word; `IMA-corroborated` means that the
 * kernel's quoted list has the same file with the same digest.
 */
export type Credence = 'self-reported' | 'IMA-corroborated';

/** Something that was measured. */
export interface SoftwareItem {
  /** `code`, `config`, `policy`, `unit`; `file`, `image`, `model` where a caller asked for it. */
  readonly type: string;
  /** A path, or a name. */
  readonly name: string;
  /** Absent where the content could not be read. */
  readonly sha256?: string;
  readonly credence: Credence;
  /** Why the kernel's list does not bear it out; for files only. */
  readonly doubt?: string;
}

export interface SoftwareFacts {
  /** By the boot entry: versions of attestd and of Node. */
  readonly daemon: { readonly version: string; readonly node: string };
  readonly register: number;
  /** Any process can reset the register. */
  readonly resettable: boolean;
  /** Values that no measurement leads to: somebody else extended the register. */
  readonly gaps: number;
  readonly items: readonly SoftwareItem[];
}

/** Events that frame the others and name no content. */
const FRAMES = new Set(['start', 'ready']);
/** Events that name a file by its path, as the kernel's list does. */
const FILES = new Set(['code', 'config', 'policy', 'unit', 'file']);

/** The software of the record's run; undefined where the evidence does not show it. */
export function softwareOf(e: Evidence, trust: Trust): SoftwareFacts | undefined {
  const chain = measuredChain(e);
  if (!chain.ok || !e.bootFacts.ok || !chainHolds(e, chain.value)) return undefined;
  const { register, resettable, gaps, items } = chain.value;
  const doubts = doubtsOf(e, trust);
  const believed = (
    type: string,
    name: string,
    sha256?: string,
  ): Pick<SoftwareItem, 'credence' | 'doubt'> => {
    if (!FILES.has(type) || sha256 === undefined) return { credence: 'self-reported' };
    const doubt = doubts(name, sha256);
    return doubt === undefined ? { credence: 'IMA-corroborated' } : { credence: 'self-reported', doubt };
  };
  return {
    daemon: e.bootFacts.value.daemon,
    register,
    resettable,
    gaps: gaps.length,
    items: items
      .filter((i) => i.own && !FRAMES.has(i.event.type))
      .map(({ event: { type, name, sha256 } }) => ({
        type,
        name,
        ...(sha256 === undefined ? {} : { sha256 }),
        ...believed(type, name, sha256),
      })),
  };
}
