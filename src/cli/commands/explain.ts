/** `attestctl explain`: a bundle taken apart, and the commands by which an auditor checks it by hand. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AttestdError } from '../../core/errors.ts';
import { parseBundle } from '../../evidence/bundle.ts';
import { printPem } from '../../evidence/certfile.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, text } from '../command.ts';
import { explainBundle, LEFT_OUT, printScript } from '../explain.ts';
import { readInput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const bundle = parseBundle(await readInput(input.args[0] as string, io));
  const roots = await readCertificates(list(input, 'root'), io);
  const root = printPem(roots.map((der) => ({ label: 'CERTIFICATE', der })));
  const { files, steps } = explainBundle(bundle, root);
  const dir = text(input, 'out') as string;
  try {
    mkdirSync(dir);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AttestdError(code === 'EEXIST' ? 'EXISTS' : 'USAGE', `${dir}: ${code}`, { cause });
  }
  for (const [name, content] of files) writeFileSync(join(dir, name), content);
  writeFileSync(join(dir, 'steps.sh'), printScript(steps));
  chmodSync(join(dir, 'steps.sh'), 0o755);
  if (io.json) {
    io.out(`${JSON.stringify({ schema: 'attestd.dev/explain/v1', dir, steps, leftOut: LEFT_OUT })}\n`);
    return 0;
  }
  io.out(`$ cd ${dir}\n`);
  for (const [i, { title, why, commands }] of steps.entries()) {
    io.out(
      `\n${io.style('bold', `${i + 1}. ${title}`)}\n${why}\n${commands.map((c) => `$ ${c}\n`).join('')}`,
    );
  }
  io.note(LEFT_OUT);
  return 0;
}
