/**
 * One after the other: a quote with the tree head that it is over, and an extend with the entry that announces it. So
 * what a seal quotes of our register is always what the entries below it lead to.
 */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

export function createExclusive(): Exclusive {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}
