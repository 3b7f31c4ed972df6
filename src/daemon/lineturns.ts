/**
 * How many lines all streams together take in one turn of the event loop. A stream has its next line there already, and
 * a few hundred streams would else keep the loop for seconds while whoever asks for one thing waits. Users take turns, and
 * so do the streams of one user: many streams get nobody more than one does.
 */
export interface LineTurns {
  /** Takes one line of this turn; false where there are no more. */
  take(): boolean;
  /** Has `go` called in a later turn, when it is this user's. */
  later(uid: number, go: () => void): void;
}

/** @param most lines in one turn */
export function createLineTurns(most = 64): LineTurns {
  let left = most;
  let scheduled = false;
  /** In the order of their turns. */
  const waiting = new Map<number, (() => void)[]>();

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(run);
  }

  function run(): void {
    scheduled = false;
    left = most;
    // Whoever calls later() again meanwhile stands at the end, and there is an end to each turn: what calls takes.
    while (left > 0) {
      const [next] = waiting;
      if (next === undefined) return;
      const [uid, [go, ...others]] = next;
      waiting.delete(uid);
      if (others.length > 0) waiting.set(uid, others);
      const before = left;
      go?.();
      // One that found nothing to take costs a little as well.
      if (left === before) left--;
    }
    if (waiting.size > 0) schedule();
  }

  return {
    take() {
      if (left === 0) return false;
      left--;
      schedule();
      return true;
    },
    later(uid, go) {
      const own = waiting.get(uid);
      if (own === undefined) waiting.set(uid, [go]);
      else own.push(go);
      schedule();
    },
  };
}
