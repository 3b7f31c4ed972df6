/** Rows of the command table: commands between two records. */
import type { Command, Option } from '../command.ts';
import { SOCKET, TOKEN } from './option.ts';

const COMMAND = [{ name: '<command...>', help: 'the command and its arguments, after --' }];

const RECORDED: readonly Option[] = [
  { flags: '--tty', help: 'leave the terminal to the command; its streams are then not digested' },
  { flags: '--grant <id>', help: 'use this grant; refused, nothing is started and the status is 6' },
  ...TOKEN,
  { flags: '--status-fd <n>', help: 'write one line of JSON here that says whether it was started' },
  { flags: '--id-file <file>', help: 'write the id of the completed record here' },
  { flags: '--bundle <file>', help: 'write the evidence of the completed record here, for an auditor' },
  { flags: '--wait <strength>', help: 'durable or sealed; sealed when absent' },
  { flags: '--idempotency-key <key>', help: 'the same key gives the same records' },
];

export const RUN: Command = {
  name: 'run',
  summary: 'run a command and record it, before and after',
  examples: [
    'attestctl run -- make test',
    'attestctl run --id-file id -- ./job.sh --fast',
    'attestctl run --bundle run.attest.json -- make test',
    'attestctl run --grant 01KAE3X5V0N9S8QX1Z7M2R4B6C -- ./refund.sh',
  ],
  arguments: COMMAND,
  options: [SOCKET, ...RECORDED],
  load: () => import('../commands/run.ts'),
};

export const CI: Command = {
  name: 'ci',
  summary: 'run a step of a CI job and record commit, inputs and artefacts with it',
  examples: [
    'attestctl ci --artefact dist/app.tar.gz -- make release',
    'attestctl ci --input package-lock.json --artefact dist/app.tar.gz --id-file id -- npm run build',
  ],
  arguments: COMMAND,
  options: [
    SOCKET,
    { flags: '--step <name>', help: 'name of the step; that of the command when absent' },
    { flags: '--input <file...>', help: 'a file that the step rests on: its digest before the command' },
    { flags: '--artefact <file...>', help: 'a file that the step makes: its digest after the command' },
    { flags: '--salted', help: 'withhold these digests; they are plain else, for what is published' },
    ...RECORDED,
  ],
  load: () => import('../commands/ci.ts'),
};
