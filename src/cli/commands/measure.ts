/** `attestctl measure`: one measurement by the daemon, for whoever it permits. */
import { realpath } from 'node:fs/promises';
import type { MeasurementRequest } from '../../client/client.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Input, text } from '../command.ts';
import { waitOption, withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const wait = waitOption(input);
  const request = await requestOf(input);
  const measured = await withClient(input, (client) => client.measure(request, { wait }));
  const { event, ...receipt } = measured;
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/measured/v1', ...measured })}\n`);
  else {
    io.out(`${event.sha256}  ${event.name}\n`);
    io.note(`${receipt.strength} as entry ${receipt.index} of ${receipt.log}`);
  }
  return 0;
}

/** What is asked for. @throws USAGE */
async function requestOf(input: Input): Promise<MeasurementRequest> {
  const [file] = input.args;
  const image = text(input, 'image');
  const model = text(input, 'model');
  const sha256 = text(input, 'sha256');
  if ([file, image, model].filter((x) => x !== undefined).length !== 1)
    throw new AttestdError('USAGE', 'name one file, or --image, or --model');
  if (file !== undefined) {
    if (sha256 !== undefined)
      throw new AttestdError('USAGE', 'the daemon reads the file itself', { field: '--sha256' });
    // The daemon follows no links; where the caller's lead to is for the caller to say.
    const name = await realpath(file).catch((cause: unknown) => {
      throw new AttestdError('USAGE', `there is no file ${file}`, { cause });
    });
    return { type: 'file', name };
  }
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256))
    throw new AttestdError('USAGE', '--sha256 takes 64 lower-case hexadecimal digits', { field: '--sha256' });
  return image !== undefined
    ? { type: 'image', name: image, sha256 }
    : { type: 'model', name: model as string, sha256 };
}
