/** The client edition has every command that needs neither addon nor policy engine, and none that does. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { everyCommand } from '../../src/cli/manual/commands.ts';
import { ATTESTCTL, commandsOf } from '../../src/cli/table.ts';
import { ROOT } from '../kit/ctl.ts';

/** Whether a module cannot be loaded without the addon, lmdb or Cedar. */
function needsHost(file: string, seen = new Set<string>()): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  // Imports of values; those that are made while running (import()) are the command's own business.
  const imports = [...text.matchAll(/^(?:import|export)\s+(?!type)[^;]*?from\s+'([^']+)'/gms)].map(
    (m) => m[1] as string,
  );
  return imports.some((i) =>
    i.startsWith('.')
      ? i.endsWith('/native/addon.ts') || needsHost(resolve(dirname(file), i), seen)
      : i === 'lmdb' || i.startsWith('@cedar-policy/'),
  );
}

it('each command stands where its module can be loaded', () => {
  const client = new Set(everyCommand({ ...ATTESTCTL, commands: commandsOf('client') }).map((t) => t.path));
  expect(client.size).toBeGreaterThan(25);
  let seen = 0;
  for (const { path, command } of everyCommand(ATTESTCTL)) {
    const module = /(commands\/[a-z-]+)\.(?:ts|js)['"]/.exec(String(command.load))?.[1];
    if (module === undefined) continue;
    seen++;
    const needs = needsHost(join(ROOT, 'src/cli', `${module}.ts`));
    const loads = path === 'attestctl policy lint' || path === 'attestctl policy sign';
    // `ca list` and its sisters read folders, and stay together with the others of the authority.
    if (client.has(path)) expect([path, needs]).toEqual([path, false]);
    else expect([path, needs || loads]).toEqual([path, true]);
  }
  expect(seen).toBeGreaterThan(40);
});
