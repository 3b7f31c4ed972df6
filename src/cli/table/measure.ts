/** Rows of the command table: what is measured beside the daemon itself. */
import type { Command } from '../command.ts';
import { SOCKET } from './option.ts';

export const MEASURE: Command = {
  name: 'measure',
  summary: 'have a file, a container image or a model measured into the TPM, on record',
  examples: [
    'attestctl measure /usr/bin/make',
    'attestctl measure --image ghcr.io/acme/agent --sha256 "$DIGEST"',
    'attestctl measure --model llama-3.1-8b.gguf --sha256 "$DIGEST"',
  ],
  arguments: [{ name: '[file]', help: 'path of a file, which the daemon opens and reads itself' }],
  options: [
    SOCKET,
    { flags: '--image <name>', help: 'a container image, by the digest of its manifest' },
    { flags: '--model <name>', help: 'a model, by the digest of its file' },
    { flags: '--sha256 <hex>', help: 'the digest of image or model; yours to say' },
    { flags: '--wait <strength>', help: 'durable or sealed; sealed when absent' },
  ],
  load: () => import('../commands/measure.ts'),
};
