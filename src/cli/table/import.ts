/** Rows of the command table: records of other systems. */
import type { Command } from '../command.ts';
import { SOCKET } from './option.ts';

export const IMPORT: Command = {
  name: 'import',
  summary: 'take records of other systems into the log, with what they prove by themselves',
  examples: ['attestctl import cer run.cer.json'],
  commands: [
    {
      name: 'cer',
      summary: 'import a NexArt Certified Execution Record, after checking it strictly',
      examples: [
        'attestctl import cer run.cer.json',
        'attestctl import cer run.cer.json --node-key nexart-node-1/k1=30ROjmcwj5oowj_fflAqdyacB0ik7eEnndzNKJmy9uU',
        'attestctl import cer run.cer.json --check',
      ],
      arguments: [{ name: '<file>', help: 'the CER, or the package around it; - is stdin' }],
      options: [
        SOCKET,
        {
          flags: '--node-key <key...>',
          help: 'node/kid=x: a key of a node, 32 bytes in base64url; only these count',
        },
        { flags: '--expect <hash>', help: 'the certificateHash that you have from elsewhere: sha256:…' },
        { flags: '--check', help: 'only say what it proves; nothing is recorded and no daemon is asked' },
        { flags: '--wait <strength>', help: 'durable or sealed; sealed when absent' },
      ],
      load: () => import('../commands/import-cer.ts'),
    },
  ],
};
