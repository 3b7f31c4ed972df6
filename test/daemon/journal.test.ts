/** Messages of the journal are constant: whatever is said through it is a literal at the place where it is said. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** What passes the words of others on; they are looked at where they are said. */
const PASSED_ON = [
  'src/daemon/service.ts: what',
  'src/forward/forward.ts: done',
  'src/forward/forward.ts: trouble',
];
const SAYS = /(?:^|\.)(?:journal\.(?:debug|info|warn|error)|#?warn|say)$/;

function spoken(path: string, source: string): { literal: number; others: string[] } {
  const found = { literal: 0, others: [] as string[] };
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && SAYS.test(node.expression.getText(file).replaceAll('?', ''))) {
      const words = node.arguments.filter((a, i) => !(i === 0 && /^'(?:info|warn)'$/.test(a.getText(file))));
      const said = words[0];
      if (said === undefined || ts.isStringLiteral(said)) found.literal++;
      else found.others.push(`${path}: ${said.getText(file)}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

describe('messages of the journal', () => {
  const files = ['daemon', 'forward', 'observe', 'store'].flatMap((floor) =>
    readdirSync(join('src', floor), { recursive: true, encoding: 'utf8' })
      .filter((f) => f.endsWith('.ts'))
      .map((f) => join('src', floor, f)),
  );
  it('are literals', () => {
    const all = files.map((f) => spoken(f, readFileSync(f, 'utf8')));
    expect(all.reduce((n, { literal }) => n + literal, 0)).toBeGreaterThan(40);
    expect(all.flatMap(({ others }) => others).filter((o) => !PASSED_ON.includes(o))).toEqual([]);
  });
  it('would not be found constant if one were made of facts', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program, looked at as one
    const bad = ['journal.warn(`lost ${n}`)', "input.journal.error('lost ' + n)", 'this.#warn(why, e)'];
    for (const line of bad) expect(spoken('x.ts', line).others).toHaveLength(1);
  });
});
