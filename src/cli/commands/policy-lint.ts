/** `attestctl policy lint`: parses and validates a directory of Cedar policies; nothing is signed or loaded. */
import { compile, readFiles } from '../../daemon/govern/policies.ts';
import type { Input } from '../command.ts';

export async function run(input: Input): Promise<number> {
  const directory = input.args[0] as string;
  const files = readFiles(directory);
  const { engine, policies } = await compile(files);
  if (input.io.json)
    input.io.out(`${JSON.stringify({ schema: 'attestd.dev/policy-lint/v1', engine, policies })}\n`);
  else input.io.note(`${policies} policies in ${files.length} files are sound for ${engine}`);
  return 0;
}
