/** Commands for whoever says what a good machine is. */
import type { Command } from '../command.ts';
import { OUT } from './option.ts';

export const APPRAISE: Command = {
  name: 'appraise',
  summary: 'say what a good machine is, and why another one is not',
  examples: [
    'attestctl appraise learn golden.attest.json --name golden -o policy.json',
    'attestctl appraise import vendor.corim --key vendor.pub --name vendor -o policy.json',
    'attestctl appraise diff policy.json run.attest.json',
    'attestctl appraise sign policy.json --key owner.pem -o policy.dsse.json',
  ],
  commands: [
    {
      name: 'learn',
      summary: 'make a policy from the bundles or firmware logs of good machines, and show what was decided',
      examples: [
        'attestctl appraise learn golden.attest.json --name golden -o policy.json',
        'attestctl appraise learn a.attest.json b.attest.json --name web --ignore-pcr 14 -o policy.json',
        'attestctl appraise learn --firmware-log golden.bin --name firmware -o policy.json',
      ],
      arguments: [{ name: '[bundle...]', help: 'bundles of machines that are as they should be' }],
      options: [
        { flags: '--name <name>', help: 'name of the policy', required: true },
        {
          flags: '--firmware-log <file...>',
          help: 'firmware logs in place of bundles, such as the support files of a TCG RIM',
        },
        { flags: '--ignore-pcr <n...>', help: 'registers that are not judged' },
        {
          flags: '--ignore-event <pcr:name...>',
          help: 'events that are not judged, by the name that the log gives them, such as 9:*/grubenv',
        },
        {
          flags: '--command-line <pattern...>',
          help: 'allowed kernel command lines in place of those found; * is any text, ? one character',
        },
        { flags: '--ima-key <file...>', help: 'keys that sign files: certificates or public keys in PEM' },
        {
          flags: '--ima-ignore <pattern...>',
          help: 'files on the IMA list that are not judged, such as /var/log/*',
        },
        { flags: '--ima-ignore-violations', help: 'accept files that were written while they were measured' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/appraise-learn.ts'),
    },
    {
      name: 'import',
      summary: 'make a policy from the reference values of a manufacturer: a CoRIM',
      examples: [
        'attestctl appraise import vendor.corim --key vendor.pub --name vendor --ignore-pcr 8 9 11 12 14 -o policy.json',
        'attestctl appraise import vendor.corim --root vendor-ca.pem --name vendor --triple 2 -o policy.json',
        'attestctl appraise import vendor.corim --unsigned --name vendor --leave-out -o policy.json',
      ],
      arguments: [{ name: '<manifest>', help: 'the CoRIM, signed (COSE_Sign1) or not; - is stdin' }],
      options: [
        { flags: '--name <name>', help: 'name of the policy', required: true },
        { flags: '--key <file...>', help: 'public keys in PEM, by one of which it must be signed' },
        {
          flags: '--root <file...>',
          help: 'certificates under which the certificate of its signer must stand',
        },
        { flags: '--unsigned', help: 'take a file that nobody signed: you vouch for it' },
        { flags: '--triple <n...>', help: 'the reference triples to take, by number, in place of all' },
        { flags: '--ignore-pcr <n...>', help: 'registers that are not judged' },
        { flags: '--leave-out', help: 'go on without demands that a policy cannot say, and list them' },
        {
          flags: '--profile <uri>',
          help: 'read this profile, which is not known, by the rules of the draft',
        },
        { flags: '--at <time>', help: 'judge validity at this time in place of now' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/appraise-import.ts'),
    },
    {
      name: 'diff',
      summary: 'explain, event by event, where a machine differs from a policy',
      examples: [
        'attestctl appraise diff policy.json run.attest.json',
        'attestctl appraise diff policy.dsse.json run.attest.json --all',
      ],
      arguments: [
        { name: '<policy>', help: 'the policy, signed or not' },
        { name: '<bundle>', help: 'the bundle; - is stdin' },
      ],
      options: [{ flags: '--all', help: 'what is allowed and ignored as well' }],
      load: () => import('../commands/appraise-diff.ts'),
    },
    {
      name: 'sign',
      summary: 'sign a policy as its owner',
      examples: ['attestctl appraise sign policy.json --key owner.pem -o policy.dsse.json'],
      arguments: [{ name: '<policy>', help: 'the policy that appraise learn wrote' }],
      options: [
        { flags: '--key <file>', help: 'private key in PEM, Ed25519 or P-256', required: true },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/appraise-sign.ts'),
    },
  ],
};
