/** `attestctl doctor`: what is wrong with this host, and what to do about it. It looks, and changes nothing. */
import { type Input, text } from '../command.ts';
import { examine, exitOf } from '../doctor/examine.ts';
import { printJson, printText } from '../doctor/report.ts';
import { thisMachine } from '../doctor/surroundings.ts';
import { DEFAULT_CONFIG } from '../host.ts';

const FORWARD_CONFIG = '/etc/attestd/attestd-forward.toml';

export async function run(input: Input): Promise<number> {
  const ekRoots = text(input, 'ekRoots');
  const around = thisMachine({
    configFile: text(input, 'config') ?? DEFAULT_CONFIG,
    forwardFile: text(input, 'forwardConfig') ?? FORWARD_CONFIG,
    ...(ekRoots === undefined ? {} : { ekRoots }),
  });
  const judged = await examine(around);
  input.io.out(input.io.json ? printJson(judged, around.now()) : printText(judged, input.io));
  return exitOf(judged);
}
