/** Governed execution: who asks, who approves, who signs policies. */
import type { Command } from '../command.ts';
import { SOCKET, TOKEN } from './option.ts';
import { POLICY_PCR } from './statepolicy.ts';
import { POLICY_CHECK } from './trust.ts';

const ID = '01KAE3X5V0N9S8QX1Z7M2R4B6C';

export const GOVERN_COMMANDS: readonly Command[] = [
  {
    name: 'grant',
    summary: 'ask for a grant, look at one, withdraw one',
    examples: [
      'attestctl grant request --type command.run --name make --seconds 600',
      `attestctl grant show ${ID}`,
    ],
    commands: [
      {
        name: 'request',
        summary: 'ask the policy for a grant; prints its id',
        examples: [
          'attestctl grant request --type command.run --name make --seconds 600',
          'attestctl grant request --request grant.json',
        ],
        options: [
          SOCKET,
          { flags: '--type <text>', help: 'type of the action, or a beginning of it and *' },
          { flags: '--name <text>', help: 'name of the action, or a beginning of it and *' },
          { flags: '--target <text>', help: 'its target, or a beginning of it and *' },
          { flags: '--seconds <n>', help: 'how long it is good; 600 when absent' },
          { flags: '--uses <n>', help: 'how often it may be used; once when absent' },
          { flags: '--executable <file>', help: 'only this program may use it, as the file is now' },
          { flags: '--approval <id...>', help: 'approvals of an earlier denial of this request' },
          { flags: '--from <id>', help: 'take it out of this grant' },
          { flags: '--break-glass <reason>', help: 'past the policy, on record; on the admin socket' },
          ...TOKEN,
          { flags: '--request <file>', help: 'the whole request as JSON instead; - is stdin' },
        ],
        load: () => import('../commands/grant-request.ts'),
      },
      {
        name: 'show',
        summary: 'a grant and its state, or what a denial refused',
        examples: [`attestctl grant show ${ID}`],
        arguments: [{ name: '<id>', help: 'id of the grant or denial' }],
        options: [SOCKET],
        load: () => import('../commands/grant-show.ts'),
      },
      {
        name: 'revoke',
        summary: 'withdraw a grant',
        examples: [`attestctl grant revoke ${ID} --reason "no longer needed"`],
        arguments: [{ name: '<id>', help: 'id of the grant' }],
        options: [SOCKET, { flags: '--reason <text>', help: 'why, for the record' }],
        load: () => import('../commands/grant-revoke.ts'),
      },
    ],
  },
  {
    name: 'approve',
    summary: 'stand up for what somebody else asked and was refused',
    examples: [`attestctl approve ${ID} --seconds 600`],
    arguments: [{ name: '<id>', help: 'id of the denial' }],
    options: [
      SOCKET,
      { flags: '--seconds <n>', help: 'how long the approval is good; 600 when absent' },
      { flags: '--comment <text>', help: 'for the record' },
      { flags: '--yes', help: 'do not ask' },
    ],
    load: () => import('../commands/approve.ts'),
  },
  {
    name: 'policy',
    summary: 'check and sign policies, and look at what a trust file demands',
    examples: [
      'attestctl policy lint policies',
      'attestctl policy check trust.json',
      'attestctl policy sign policies --key policy.pem --id refunds@14',
      'attestctl policy pcr approve golden.attest.json --pcr 0 4 7 --key operator.pem -o web-2026-12.json',
    ],
    commands: [
      POLICY_CHECK,
      POLICY_PCR,
      {
        name: 'lint',
        host: true,
        summary: 'check the Cedar policies of a directory against the schema',
        examples: ['attestctl policy lint policies'],
        arguments: [{ name: '<dir>', help: 'directory with *.cedar and perhaps entities.json' }],
        load: () => import('../commands/policy-lint.ts'),
      },
      {
        name: 'sign',
        host: true,
        summary: 'check them, and sign them as one set',
        examples: ['attestctl policy sign policies --key policy.pem --id refunds@14'],
        arguments: [{ name: '<dir>', help: 'directory with *.cedar and perhaps entities.json' }],
        options: [
          { flags: '--key <file>', help: 'private key, PEM, ECDSA P-256', required: true },
          { flags: '--id <text>', help: 'name of the set, as records will carry it', required: true },
        ],
        load: () => import('../commands/policy-sign.ts'),
      },
    ],
  },
];
