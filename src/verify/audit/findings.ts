/** What an audit has found so far, and what it still waits for: signatures are looked at beside the entries. */
import { type Finding, MAX_FINDINGS } from './finding.ts';

export class Findings {
  readonly #all: Finding[] = [];
  readonly #pending: Promise<void>[] = [];

  /** As found; whole once settled. */
  get all(): readonly Finding[] {
    return this.#all;
  }

  found(id: string, at: number, sentence: string): void {
    if (this.#all.length < MAX_FINDINGS) this.#all.push({ id, at, sentence });
  }

  /** A fault that is still looked for. */
  later(at: number, id: string, fault: Promise<string | undefined>): void {
    this.#pending.push(
      fault.then(
        (why) => (why === undefined ? undefined : this.found(id, at, why)),
        (e: Error) => this.found(id, at, e.message),
      ),
    );
  }

  /** Waits for all that is looked for. */
  async settle(): Promise<void> {
    if (this.#pending.length > 0) await Promise.all(this.#pending.splice(0));
  }

  /** Goes on from those of a cursor. */
  restore(findings: readonly Finding[]): void {
    this.#all.push(...findings);
  }
}
