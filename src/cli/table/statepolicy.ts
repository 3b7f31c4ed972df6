/** Commands of the operator who says in which states record keys may sign. They need no TPM and no host. */
import type { Command } from '../command.ts';
import { OUT } from './option.ts';

export const POLICY_PCR: Command = {
  name: 'pcr',
  summary: 'approve states of machines in which a bound record key may sign',
  examples: [
    'attestctl policy pcr approve golden.attest.json --pcr 0 4 7 --key operator.pem -o web-2026-12.json',
    'attestctl policy pcr digest --key operator.pub --fleet prod',
  ],
  commands: [
    {
      name: 'approve',
      summary: 'sign the values of registers; the file goes into record_key.approvals of each host',
      examples: [
        'attestctl policy pcr approve golden.attest.json --pcr 0 4 7 --key operator.pem -o web-2026-12.json',
        `attestctl policy pcr approve --fleet prod --value 7:${'ab'.repeat(32)} --key operator.pem -o next.json`,
      ],
      arguments: [
        {
          name: '[bundle]',
          help: 'a bundle of a machine in that state, which you have verified; - is stdin',
        },
      ],
      options: [
        { flags: '--pcr <n...>', help: 'registers to take from the bundle' },
        { flags: '--value <pcr:hex...>', help: 'values that are foreseen, in place of those of the bundle' },
        { flags: '--fleet <name>', help: 'fleet that it is for; that of the bundle when absent' },
        { flags: '--key <file>', help: 'private key of the operator in PEM, P-256', required: true },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/policy-pcr-approve.ts'),
    },
    {
      name: 'digest',
      summary: 'print the policy that verdicts name for keys which are bound to this operator',
      examples: ['attestctl policy pcr digest --key operator.pub --fleet prod'],
      options: [
        { flags: '--key <file>', help: 'public key of the operator in PEM, P-256', required: true },
        { flags: '--fleet <name>', help: 'the fleet', required: true },
      ],
      load: () => import('../commands/policy-pcr-digest.ts'),
    },
  ],
};
