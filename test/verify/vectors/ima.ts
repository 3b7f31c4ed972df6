/** IMA lists against the quoted PCR 10, and against a policy. */
import { createHash } from 'node:crypto';
import { concat } from '../../../src/core/bytes.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { AppraisalPolicy, ImaPolicy } from '../../../src/evidence/schema/appraisal.ts';
import { type Made, made } from '../../evidence/kit/imalist.ts';
import { BOOT, bootedWith, trusted } from '../../kit/bootlog.ts';
import type { Hooks } from '../../kit/hooks.ts';
import {
  aggregate,
  GOOD_IMA,
  GOOD_LIST,
  listBytes,
  listedWith,
  measured,
  oldPcr10After,
  packed,
  violated,
} from '../../kit/imaboot.ts';
import { GOLDEN } from './appraisal.ts';
import type { Vector } from './vector.ts';

/** The golden boot's policy with a part that speaks of IMA. */
export const withIma = (ima: ImaPolicy = GOOD_IMA): AppraisalPolicy => ({
  ...GOLDEN,
  ima,
  ignore: { ...GOLDEN.ignore, pcrs: GOLDEN.ignore.pcrs.filter((p) => p !== 10) },
});
/** Under this policy. */
export const judgedBy = (hooks: Hooks, policy: AppraisalPolicy = withIma()): Hooks => ({
  ...hooks,
  trust: (t): JsonObject => ({ ...t, pcrs: [], policies: [trusted(policy)] }),
});
/** The list of one machine in the bundle of another. */
const lying = (quoted: readonly Made[], given: readonly Made[]): Hooks =>
  listedWith(quoted, {}, packed(listBytes(given)));
const evil = measured('/usr/bin/evil', 'evil');
const good = packed(listBytes(GOOD_LIST));
const policed = (entries: readonly Made[], policy?: AppraisalPolicy): Hooks =>
  judgedBy(listedWith(entries), policy);

export const IMA_VECTORS: readonly Vector[] = [
  {
    id: 'ima-list',
    name: 'an entry was taken out of the list',
    hooks: lying([...GOOD_LIST, evil], GOOD_LIST),
  },
  {
    id: 'ima-list',
    name: 'an entry was changed',
    hooks: lying([aggregate(), evil], [aggregate(), measured('/usr/bin/evil', 'harmless')]),
  },
  {
    id: 'ima-list',
    name: 'a violation was made a file',
    hooks: lying([aggregate(), violated('/usr/bin/node')], GOOD_LIST.slice(0, 2)),
  },
  {
    id: 'ima-list',
    name: 'the list does not begin at entry 0',
    hooks: lying(GOOD_LIST, GOOD_LIST.slice(1)),
  },
  {
    id: 'ima-list',
    name: 'the quote leaves out PCR 10',
    hooks: bootedWith(BOOT, {
      raw: (r) => ({
        ...r,
        logs: { ...r.logs, ima: { sha256: good.sha256, size: good.size, data: good.attached } },
      }),
    }),
  },
  {
    id: 'ima-list',
    name: 'the bytes are not those that the bundle names',
    hooks: listedWith(GOOD_LIST, {}, { ...good, sha256: 'ab'.repeat(32) }),
  },
  {
    id: 'ima-list',
    name: 'the bytes are fewer than the bundle says',
    hooks: listedWith(GOOD_LIST, {}, { ...good, size: good.size + 1 }),
  },
  {
    id: 'ima-list',
    name: 'the list is no DEFLATE',
    hooks: listedWith(GOOD_LIST, {}, notDeflate()),
  },
  {
    id: 'ima-list',
    name: 'the list is an attachment that is not there',
    status: 'unknown',
    hooks: listedWith(GOOD_LIST, {}, packed(listBytes(GOOD_LIST), false)),
  },
  {
    id: 'ima-list',
    name: 'a list that leads elsewhere, under a policy that wants one',
    blocked: ['appraisal-ima'],
    hooks: judgedBy(lying([...GOOD_LIST, evil], GOOD_LIST)),
  },
  {
    id: 'appraisal-ima',
    name: 'a file that the policy does not know was measured',
    hooks: policed([...GOOD_LIST, evil]),
  },
  {
    id: 'appraisal-ima',
    name: 'a known file has another content',
    hooks: policed([aggregate(), measured('/usr/bin/node', 'another node')]),
  },
  {
    id: 'appraisal-ima',
    name: 'the content of one known file stands under the path of another',
    hooks: policed([aggregate(), measured('/usr/bin/node', 'bash')]),
  },
  {
    id: 'appraisal-ima',
    name: 'a file was written while it was measured',
    hooks: policed([...GOOD_LIST, violated('/var/log/syslog')]),
  },
  {
    id: 'appraisal-ima',
    name: 'the list begins with the registers of another boot',
    hooks: policed([aggregate(BOOT.slice(0, -1)), ...GOOD_LIST.slice(1)]),
  },
  {
    id: 'appraisal-ima',
    name: 'the kernel found no TPM when it began the list',
    hooks: policed([made('ima-ng', 'boot_aggregate', new Uint8Array(32)), ...GOOD_LIST.slice(1)]),
  },
  {
    id: 'appraisal-ima',
    name: 'a later entry calls itself the boot aggregate, and is of other registers',
    hooks: policed([...GOOD_LIST, aggregate(BOOT.slice(0, -1))]),
  },
  {
    id: 'appraisal-ima',
    name: 'an entry of another register is among them',
    hooks: policed([...GOOD_LIST, { ...measured('/usr/bin/bash', 'bash'), pcr: 11 }, GOOD_LIST[2] as Made]),
  },
  {
    id: 'appraisal-ima',
    name: 'a file of a template that nobody knows',
    hooks: policed([...GOOD_LIST, { ...evil, template: 'n-ng|future' }]),
  },
  {
    id: 'appraisal-ima',
    name: 'a name that is no UTF-8',
    hooks: policed([...GOOD_LIST, unspeakable()]),
  },
  {
    id: 'appraisal-ima',
    name: 'a signature that no key of the policy made',
    hooks: policed([
      ...GOOD_LIST,
      made('ima-sig', '/usr/bin/evil', digest('evil'), [new Uint8Array(200).fill(3)]),
    ]),
  },
  {
    id: 'appraisal-ima',
    name: 'the boot aggregate is of a bank that is not quoted',
    status: 'unknown',
    hooks: policed([
      made('ima-ng', 'boot_aggregate', createHash('sha1').update('').digest(), [], 'sha1'),
      ...GOOD_LIST.slice(1),
    ]),
  },
  {
    id: 'appraisal-ima',
    name: 'the bundle has no list',
    status: 'unknown',
    hooks: judgedBy({ ...listedWith(GOOD_LIST), raw: bootedWith(BOOT).raw as NonNullable<Hooks['raw']> }),
  },
  {
    id: 'appraisal-ima',
    name: 'the list is an attachment that is not there, under a policy that wants it',
    status: 'unknown',
    blocked: ['ima-list'],
    hooks: judgedBy(listedWith(GOOD_LIST, {}, packed(listBytes(GOOD_LIST), false))),
  },
  {
    id: 'appraisal-ima',
    name: 'PCR 10 is empty, so nothing of the list is attested',
    status: 'unknown',
    hooks: judgedBy({ ...listedWith([], {}, packed(listBytes(GOOD_LIST))) }),
  },
  {
    id: 'appraisal-pcrs',
    name: 'the policy says nothing of what IMA measured',
    hooks: judgedBy(listedWith(GOOD_LIST), GOLDEN),
  },
];

/** Lists that are as they should be. */
export const GOOD_LISTS = {
  list: listedWith(GOOD_LIST),
  'list that goes on': listedWith(GOOD_LIST, {}, packed(listBytes([...GOOD_LIST, evil]))),
  'list of violations': listedWith([...GOOD_LIST, violated('/var/log/syslog')]),
  'list under a policy': policed(GOOD_LIST),
  'list of a kernel that another one started': policed([...GOOD_LIST, aggregate()]),
  'list of an old kernel': byOldKernel(GOOD_LIST),
  'list of an old kernel, with a violation': byOldKernel([...GOOD_LIST, violated('/var/log/syslog')]),
  'list of an old kernel that goes on with rubbish': byOldKernel(GOOD_LIST, new Uint8Array(80).fill(0x77)),
} satisfies Record<string, Hooks>;

function byOldKernel(entries: readonly Made[], behind = new Uint8Array()): Hooks {
  return listedWith(entries, {}, packed(concat(listBytes(entries), behind)), oldPcr10After(entries));
}

function digest(content: string): Uint8Array {
  return createHash('sha256').update(content).digest();
}

function notDeflate() {
  const attached = new Uint8Array(64).fill(0xff);
  return { sha256: createHash('sha256').update(attached).digest('hex'), size: 64, data: attached };
}

function unspeakable(): Made {
  const entry = measured('/x', 'evil');
  return { ...entry, fields: [entry.fields[0] as Uint8Array, Uint8Array.of(0x2f, 0xff, 0)] };
}
