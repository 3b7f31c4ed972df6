/**
 * One rule broken at a time. Each vector names the one check that must not pass; all other checks either pass or are
 * named in `blocked`, because what they need is what the vector broke.
 */
import type { Hooks } from '../../kit/hooks.ts';

export interface Vector {
  readonly id: string;
  readonly name: string;
  /** `unknown` where the fault is that something is not shown. */
  readonly status?: 'unknown';
  /** Checks that cannot be judged because of the fault. */
  readonly blocked?: readonly string[];
  /** What the check says, where another fault of the same check would say something else. */
  readonly says?: RegExp;
  readonly hooks: Hooks;
  /** Time of verification. */
  readonly now?: number;
}
