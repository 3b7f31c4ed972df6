/** One line of the table: what was measured, what it must at least or at most be. */

export interface Figure {
  readonly name: string;
  readonly what: string;
  readonly value: number;
  readonly runs: readonly number[];
  readonly bound?: { readonly kind: 'at least' | 'at most'; readonly value: number };
  readonly unit?: string;
  /** The absolute numbers behind a ratio. */
  readonly facts: Readonly<Record<string, number>>;
}

/** Middle value; of an even number of values the lower of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] as number;
}

/** Whether the figure keeps its bound. */
export function keeps({ value, bound }: Figure): boolean {
  if (bound === undefined) return true;
  return bound.kind === 'at least' ? value >= bound.value : value <= bound.value;
}

const round = (n: number) => (Math.abs(n) >= 100 ? Math.round(n) : Number(n.toPrecision(3)));

/** The table of the README. */
export function markdown(figures: readonly Figure[], machine: string, command = 'npm run bench'): string {
  const rows = figures.map((f) => {
    const facts = Object.entries(f.facts)
      .map(([name, value]) => `${name} ${round(value).toLocaleString('en')}`)
      .join(', ');
    const bound = f.bound === undefined ? 'reported' : `${f.bound.kind} ${f.bound.value}`;
    return `| ${f.what} | ${round(f.value)}${f.unit === undefined ? '' : ` ${f.unit}`} | ${bound} | ${facts} |`;
  });
  return [
    `Made by \`${command}\`, ${machine}; ratios within one run, medians of several.`,
    '',
    '| what | measured | wanted | in numbers |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
