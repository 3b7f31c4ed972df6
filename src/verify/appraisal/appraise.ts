/**
 * One policy held against one machine: every quoted register and every event that leads to it is allowed, ignored by
 * name, or refused. What the policy does not know is refused. An event counts only in a register that the logs explain.
 */
import { toHex } from '../../core/bytes.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import type { AppraisalPolicy } from '../../evidence/schema/appraisal.ts';
import type { ImaFacts } from '../ima/gather.ts';
import { judgeList } from '../ima/list.ts';
import { type Description, describeEvent } from './describe.ts';
import { fits } from './pattern.ts';
import type { QuotedRegister } from './quoted.ts';
import type { LogEvent } from './replay.ts';

/** What a finding is about; each has a check of its own. */
export type Section = 'pcrs' | 'firmware' | 'boot' | 'secure-boot' | 'command-line' | 'userspace' | 'ima';
export const SECTIONS: readonly Section[] = [
  'pcrs',
  'firmware',
  'boot',
  'secure-boot',
  'command-line',
  'userspace',
  'ima',
];

/** One decision. */
export interface Finding {
  readonly section: Section;
  /** `missing`: the evidence does not show what the policy wants to judge. */
  readonly verdict: 'allowed' | 'ignored' | 'refused' | 'missing';
  readonly sentence: string;
  readonly pcr?: number;
  readonly event?: LogEvent;
  readonly description?: Description;
  /** How many things it speaks of, where it is not one. */
  readonly count?: number;
}

/** A machine as its quote and its logs show it. */
export interface Machine {
  readonly registers: ReadonlyMap<number, QuotedRegister>;
  /** Whether a firmware log is there; without one, nothing that needs it can be judged. */
  readonly logged: boolean;
  /** Registers that are judged by their own checks: those that the daemon extends. */
  readonly own: ReadonlySet<number>;
  /** The IMA list and what policies make of it. */
  readonly ima: Pick<ImaFacts, 'list' | 'judgement'>;
}

/** Every decision, registers and events in order, then what must be there. */
export function appraise(policy: AppraisalPolicy, machine: Machine): Finding[] {
  const out: Finding[] = [];
  const seen: { event: LogEvent; description: Description }[] = [];
  for (const register of [...machine.registers.values()].sort((a, b) => a.pcr - b.pcr)) {
    if (register.pcr === IMA_PCR && policy.ima !== undefined) continue;
    const whole = judgeRegister(policy, machine, register);
    if (whole !== undefined) {
      out.push(whole);
      continue;
    }
    for (const event of register.replay.events) {
      const description = describeEvent(event);
      seen.push({ event, description });
      out.push({ ...judgeEvent(policy, event, description), pcr: event.pcr, event, description });
    }
  }
  if (policy.ima !== undefined) out.push(...judgeList(policy, machine));
  out.push(...judgePresence(policy, machine, seen));
  return out;
}

/** The decision on a register as a whole; undefined where its events decide. */
function judgeRegister(policy: AppraisalPolicy, machine: Machine, r: QuotedRegister): Finding | undefined {
  const { pcr, value } = r;
  const say = (verdict: Finding['verdict'], sentence: string): Finding => ({
    section: 'pcrs',
    verdict,
    sentence,
    pcr,
  });
  if (policy.ignore.pcrs.includes(pcr)) return say('ignored', `PCR ${pcr} is ignored`);
  const allowed = policy.pcrs[String(pcr)];
  if (allowed !== undefined) {
    return allowed.includes(value)
      ? say('allowed', `PCR ${pcr} has an allowed value`)
      : say('refused', `PCR ${pcr} is ${value}, which is not an allowed value`);
  }
  if (pcr === IMA_PCR && machine.ima.list.state === 'led') {
    return say('refused', `PCR ${pcr} holds what IMA measured, of which the policy says nothing`);
  }
  if (r.explained && !(machine.own.has(pcr) && r.replay.events.length === 0)) return undefined;
  if (machine.own.has(pcr)) return say('ignored', `PCR ${pcr} is the daemon's own and judged by its entries`);
  return machine.logged
    ? say('refused', `PCR ${pcr} is not in the policy, and the logs do not explain its value`)
    : say('missing', `PCR ${pcr} is to be judged by its events, and no firmware log is given`);
}

type Judged = Pick<Finding, 'section' | 'verdict' | 'sentence'>;

function judgeEvent(policy: AppraisalPolicy, event: LogEvent, d: Description): Judged {
  const section = sectionOf(event, d);
  const { pcr, type } = event;
  const digest = toHex(event.digest);
  const what = `${d.type} in PCR ${pcr}, ${d.shown}`;
  const refused = (why: string): Judged => ({ section, verdict: 'refused', sentence: `${what}: ${why}` });
  const allowed: Judged = { section, verdict: 'allowed', sentence: what };
  const ruled = policy.events.some((r) => r.pcr === pcr && r.type === type && r.digests.includes(digest));
  const { secureBoot } = policy;
  if (d.commandLine !== undefined && policy.commandLine !== undefined) {
    const line = d.commandLine;
    return policy.commandLine.some((p) => fits(p, line)) ? allowed : refused('no allowed command line');
  }
  if (pcr === 7 && secureBoot !== undefined && d.variable !== undefined) {
    const { name, value } = d.variable;
    if (name === 'SecureBoot') {
      if (value === undefined || value.length !== 1)
        return refused('its digest does not cover what the log says');
      const enabled = value[0] === 1;
      return enabled === secureBoot.enabled ? allowed : refused(`Secure Boot is ${enabled ? 'on' : 'off'}`);
    }
    const list = listOf(secureBoot, event, name);
    // A rule that names this very digest says so too.
    if (list !== undefined && !ruled && !list.includes(digest))
      return refused('another content than allowed');
    if (list !== undefined) return allowed;
  }
  if (section === 'boot' && [...(policy.kernel ?? []), ...(policy.initrd ?? [])].includes(digest))
    return allowed;
  if (ruled) return allowed;
  const ignored = policy.ignore.events.some(
    (i) => i.pcr === pcr && i.type === type && (i.name === undefined || fits(i.name, d.label)),
  );
  return ignored ? { section, verdict: 'ignored', sentence: what } : refused('not in the policy');
}

type SecureBoot = NonNullable<AppraisalPolicy['secureBoot']>;
const AUTHORITY = 0x800000e0;

/** The list that this event of PCR 7 is held against; the name narrows it, for a digest covers name and value. */
function listOf(secureBoot: SecureBoot, { type }: LogEvent, name: string): readonly string[] | undefined {
  if (type === AUTHORITY) return secureBoot.authorities;
  const { variables } = secureBoot;
  return Object.hasOwn(variables, name) ? variables[name as keyof typeof variables] : undefined;
}

/** Which check speaks for an event. Only words depend on it: in every section what is not known is refused. */
function sectionOf({ pcr, source }: LogEvent, { label }: Description): Section {
  if (source === 'userspace') return 'userspace';
  if (pcr === 7 || pcr === 14) return 'secure-boot';
  if (pcr === 8 || pcr === 12) return 'command-line';
  // What a boot loader reads as its configuration changes together with the command line.
  if (pcr === 9 && CONFIGURATION.test(label)) return 'command-line';
  return pcr === 4 || pcr === 9 || pcr === 11 || pcr === 13 ? 'boot' : 'firmware';
}

const CONFIGURATION = /(?:\.(?:cfg|conf)|\/grubenv|LoadOptions)$/;

/** What must have been measured at all. */
function judgePresence(
  policy: AppraisalPolicy,
  machine: Machine,
  seen: readonly { event: LogEvent; description: Description }[],
): Finding[] {
  const out: Finding[] = [];
  const want = (section: Section, wanted: boolean, there: boolean, what: string): void => {
    if (!wanted || there) return;
    const verdict = machine.logged ? 'refused' : 'missing';
    out.push({
      section,
      verdict,
      sentence: machine.logged ? `no ${what} was measured` : `no log shows a ${what}`,
    });
  };
  const digests = new Set(seen.map((s) => toHex(s.event.digest)));
  const some = (list: readonly string[] | undefined): boolean => list?.some((d) => digests.has(d)) ?? true;
  const state = seen.some((s) => s.event.pcr === 7 && s.description.variable?.name === 'SecureBoot');
  want('boot', policy.kernel !== undefined, some(policy.kernel), 'kernel that is allowed');
  want('boot', policy.initrd !== undefined, some(policy.initrd), 'initrd that is allowed');
  want('secure-boot', policy.secureBoot !== undefined, state, 'state of Secure Boot');
  const line = seen.some((s) => s.description.commandLine !== undefined);
  want('command-line', policy.commandLine !== undefined, line, 'kernel command line');
  return out;
}
