/** A policy learnt from one boot, held against boots that differ in one thing each. */
import { generateKeyPairSync } from 'node:crypto';
import { utf8 } from '../../../src/core/bytes.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { AppraisalPolicy } from '../../../src/evidence/schema/appraisal.ts';
import { learn } from '../../../src/verify/appraisal/learn.ts';
import {
  BOOT,
  type BootEvent,
  bootedWith,
  COMMAND_LINE,
  EV,
  hash,
  machineOfBoot,
  trusted,
  variable,
} from '../../kit/bootlog.ts';
import type { Hooks } from '../../kit/hooks.ts';
import type { Vector } from './vector.ts';

/** What the golden boot teaches. */
export const GOLDEN: AppraisalPolicy = learn([machineOfBoot(BOOT)], { name: 'golden' }).policy;
const trust = (t: JsonObject, policies: JsonObject[], more: JsonObject = {}): JsonObject => ({
  ...t,
  pcrs: [],
  policies,
  ...more,
});
/** A machine that booted like this, judged by these policies. */
export const appraised = (
  events: readonly BootEvent[],
  policies: readonly AppraisalPolicy[] = [GOLDEN],
  more: JsonObject = {},
): Hooks =>
  bootedWith(events, {
    trust: (t) =>
      trust(
        t,
        policies.map((p) => trusted(p)),
        more,
      ),
  });
/** The golden boot with some events replaced; one that becomes nothing is left out. */
const changed = (change: (e: BootEvent, text: string) => BootEvent | undefined): BootEvent[] =>
  BOOT.flatMap((e) => change(e, new TextDecoder().decode(e.data)) ?? []);
const other = COMMAND_LINE.replace('quiet', 'init=/bin/sh');
const withLine = changed((e, text) => {
  if (!text.includes(COMMAND_LINE)) return e;
  const hashed = text.startsWith('grub_cmd: ') ? `linux ${other}` : other;
  return { ...e, data: utf8(text.replace(COMMAND_LINE, other)), digest: hash(utf8(hashed)) };
});

export const APPRAISAL_VECTORS: readonly Vector[] = [
  {
    id: 'appraisal-signature',
    name: 'somebody else signed the policy',
    hooks: bootedWith(BOOT, {
      trust: (t) => trust(t, [trusted(GOLDEN, { key: generateKeyPairSync('ed25519').privateKey })]),
    }),
  },
  {
    id: 'appraisal-pcrs',
    name: 'a register is quoted that neither policy nor logs account for',
    hooks: appraisedWith({ 14: 'ab'.repeat(32) }),
  },
  {
    id: 'appraisal-pcrs',
    name: 'a register has another value than the policy allows',
    hooks: appraised(BOOT, [{ ...GOLDEN, pcrs: { 5: ['ab'.repeat(32)] } }]),
  },
  {
    id: 'appraisal-firmware',
    name: 'the firmware is another version',
    hooks: appraised(changed((e) => (e.type === EV.crtm ? { ...e, data: utf8('firmware 1.1') } : e))),
  },
  {
    id: 'appraisal-firmware',
    name: 'an event has the digest of an allowed one and another type',
    hooks: appraised(changed((e) => (e.type === EV.crtm ? { ...e, type: EV.action } : e))),
  },
  {
    id: 'appraisal-boot',
    name: 'the boot loader is another binary',
    hooks: appraised(changed((e) => (e.type === EV.application ? { ...e, digest: hash(utf8('evil')) } : e))),
  },
  {
    id: 'appraisal-boot',
    name: 'the initrd is another file under the old name',
    hooks: appraised(
      changed((e, text) =>
        e.pcr === 9 && text.startsWith('/initrd') ? { ...e, digest: hash(utf8('evil')) } : e,
      ),
    ),
  },
  {
    id: 'appraisal-boot',
    name: 'no kernel was measured',
    hooks: appraised(changed((e, text) => (e.pcr === 9 && text.startsWith('/vmlinuz') ? undefined : e))),
  },
  {
    id: 'appraisal-secure-boot',
    name: 'Secure Boot is off',
    hooks: appraised(
      changed((e, text) => {
        if (e.type === EV.authority) return undefined;
        const state = text.includes('S\0e\0c\0u\0r\0e\0B\0o\0o\0t\0');
        return state ? { ...e, data: variable('SecureBoot', Uint8Array.of(0)) } : e;
      }),
    ),
  },
  {
    id: 'appraisal-secure-boot',
    name: 'the log says that Secure Boot is on, and its digest says nothing of the kind',
    hooks: appraised(
      changed((e, text) =>
        text.includes('S\0e\0c\0u\0r\0e\0B\0o\0o\0t\0') ? { ...e, digest: hash(utf8('off')) } : e,
      ),
    ),
  },
  {
    id: 'appraisal-secure-boot',
    name: 'nothing says whether Secure Boot is on',
    hooks: appraised(changed((e, text) => (text.includes('S\0e\0c\0u\0r\0e\0B\0o\0o\0t\0') ? undefined : e))),
  },
  {
    id: 'appraisal-secure-boot',
    name: 'a key was added to db',
    hooks: appraised(
      changed((e) =>
        e.type === EV.driverConfig &&
        e.data.length === variable('db', utf8('allowed')).length &&
        e.data[32] === 0x64
          ? { ...e, data: variable('db', utf8('ALLOWED')) }
          : e,
      ),
    ),
  },
  {
    id: 'appraisal-secure-boot',
    name: 'another certificate vouched for the boot loader',
    hooks: appraised(
      changed((e) => (e.type === EV.authority ? { ...e, data: variable('db', utf8('mine')) } : e)),
    ),
  },
  {
    id: 'appraisal-command-line',
    name: 'the kernel has another command line',
    hooks: appraised(withLine),
  },
  {
    id: 'appraisal-command-line',
    name: 'the log shows the old command line, and another one was hashed',
    hooks: appraised(
      changed((e, text) => (text.startsWith('kernel_cmdline: ') ? { ...e, digest: hash(utf8(other)) } : e)),
    ),
  },
  {
    id: 'appraisal-command-line',
    name: 'no command line was measured',
    hooks: appraised(changed((e, text) => (text.includes(COMMAND_LINE) ? undefined : e))),
  },
  {
    id: 'appraisal-userspace',
    name: 'userspace measured what the policy does not know',
    hooks: appraisedUserspace(),
  },
  {
    id: 'appraisal-pcrs',
    name: 'the bundle carries no log to appraise',
    status: 'unknown',
    blocked: ['appraisal-boot', 'appraisal-command-line', 'appraisal-secure-boot'],
    hooks: { ...appraised(BOOT), raw: (r) => r },
  },
];

/** The golden boot with other values in some registers than the log leads to. */
function appraisedWith(values: Record<string, string>): Hooks {
  return bootedWith(BOOT, {
    values: (v) => ({ ...v, ...values }),
    trust: (t) => trust(t, [trusted(GOLDEN)]),
  });
}

function appraisedUserspace(): Hooks {
  const word = utf8('enter-initrd');
  const boot = appraised(BOOT);
  const empty = new Uint8Array(32);
  const value = Buffer.from(hash(new Uint8Array([...empty, ...hash(word)]))).toString('hex');
  const event = { pcr: 11, sha256: Buffer.from(hash(word)).toString('hex'), content: 'enter-initrd' };
  return {
    ...boot,
    values: (v, w) => ({ ...(boot.values?.(v, w) ?? v), 11: value }),
    raw: (r, w) => {
      const given = boot.raw?.(r, w) ?? r;
      return { ...given, logs: { ...given.logs, userspace: [event] } };
    },
  };
}
