/** The commands of an auditor about what is trusted. */
import type { Command, Option } from '../command.ts';
import { OUT } from './option.ts';

/** What both `init` and `add` take into a trust file. */
const MEMBERS: readonly Option[] = [
  { flags: '--software', help: 'the roots certify software TPMs' },
  { flags: '--host <uri...>', help: 'hosts to accept, attestd://fleet/host; any when absent' },
  { flags: '--reference <bundle>', help: 'take the PCR allow-list from this bundle' },
  { flags: '--firmware-log <file>', help: 'take the PCR allow-list from the replay of this firmware log' },
  { flags: '--pcrs <list>', help: 'which PCRs of the reference: 0-7 when absent' },
  { flags: '--crl <file...>', help: 'CRLs to use beside those in bundles; a directory stands for its files' },
  {
    flags: '--appraisal <file...>',
    help: 'signed appraisal policies; one of them must accept the machine',
  },
  { flags: '--appraisal-key <file>', help: 'public key of their owner in PEM, Ed25519 or P-256' },
  {
    flags: '--timestamp-root <file...>',
    help: 'timestamp authorities to believe: a file each, its root last',
  },
  { flags: '--witness <vkey...>', help: 'verifier keys of witnesses to believe (C2SP, type 0x04)' },
  {
    flags: '--node-key <key...>',
    help: 'node/kid=x: keys of NexArt nodes that imports may rest on; any when absent',
  },
  {
    flags: '--policy-key <file...>',
    help: 'public keys in PEM whose policies of permission count; any signer when absent',
  },
];
const ROOTS = 'PEM or DER root certificates of authorities; a directory stands for its files';

export const TRUST: Command = {
  name: 'trust',
  summary: 'say what you, the auditor, trust',
  examples: [
    'attestctl trust init --root ca.pem --reference good.attest.json -o trust.json',
    'attestctl trust show trust.json',
  ],
  commands: [
    {
      name: 'init',
      summary: 'make a trust file from chosen roots and, if wanted, a reference bundle',
      examples: [
        'attestctl trust init --root ca.pem --reference good.attest.json --accept-host-time -o trust.json',
        'attestctl trust init --root ca.pem --appraisal policy.dsse.json --appraisal-key owner.pub -o trust.json',
        'attestctl trust init --root ca.pem --level 2 --timestamp-root tsa.pem --timestamps 1 -o trust.json',
        'attestctl trust init --root ca.pem --level 2 --witness "$VKEY" --witnesses 1 -o trust.json',
        'attestctl trust init --root ca.pem --level 2 --record-key-policy "$POLICY" -o trust.json',
      ],
      options: [
        { flags: '--root <file...>', help: ROOTS, required: true },
        { flags: '--level <n>', help: 'minimum level, 1 to 4; 3 when absent' },
        ...MEMBERS,
        {
          flags: '--timestamps <n>',
          help: 'of how many authorities evidence must have a timestamp; 0 when absent',
        },
        { flags: '--witnesses <n>', help: 'how many of them must have cosigned; 0 when absent' },
        {
          flags: '--appraised-by <names...>',
          help: 'appraisal policies of which one must accept the machine, `a,b`; each option is one more group',
        },
        {
          flags: '--key <rule...>',
          help: 'keys to accept on the path: "EC P-256", "RSA 3072"; any when absent',
        },
        {
          flags: '--record-key-policy <hex...>',
          help: 'policies of which the record key must be bound to one, as attestctl policy pcr digest prints them; any key when absent',
        },
        {
          flags: '--foreign-seals',
          help: 'of each checkpoint of another log in the evidence it must be shown by whom it was sealed',
        },
        { flags: '--self-measured', help: 'the daemon must have measured itself, without a gap' },
        { flags: '--max-age <seconds>', help: 'how old a seal may be; any age when absent' },
        { flags: '--accept-host-time', help: "believe the host's clock for certificate validity" },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/trust-init.ts'),
    },
    {
      name: 'add',
      summary: 'add roots, hosts, states, lists, witnesses or other authorities to a trust file',
      examples: [
        'attestctl trust add trust.json --crl newest.crl',
        'attestctl trust add trust.json --root second-ca.pem -o trust-2.json',
        'attestctl trust add trust.json --witness "$VKEY"',
      ],
      arguments: [{ name: '<trust>', help: 'the trust file' }],
      options: [
        { flags: '--root <file...>', help: ROOTS },
        ...MEMBERS,
        { flags: '-o, --out <file>', help: 'where to write; the same file when absent' },
      ],
      load: () => import('../commands/trust-add.ts'),
    },
    {
      name: 'show',
      summary: 'print a trust file for people',
      examples: ['attestctl trust show trust.json'],
      arguments: [{ name: '<trust>', help: 'the trust file' }],
      load: () => import('../commands/trust-show.ts'),
    },
  ],
};

/** Under `policy`, beside what is done to the policies of a daemon. */
export const POLICY_CHECK: Command = {
  name: 'check',
  summary: 'say in sentences what a trust file demands, and what is odd about it',
  examples: ['attestctl policy check trust.json'],
  arguments: [{ name: '<trust>', help: 'the trust file' }],
  load: () => import('../commands/policy-check.ts'),
};
