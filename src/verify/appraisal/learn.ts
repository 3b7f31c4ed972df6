/**
 * Makes a policy out of golden machines: what they measured becomes what is allowed. Every decision comes back beside the
 * policy, because a policy that nobody read is worth nothing. Whether the machines are golden is the reader's decision.
 */
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import { APPRAISAL_SCHEMA, type AppraisalPolicy, type EventRule } from '../../evidence/schema/appraisal.ts';
import { type LearnImaOptions, type LearntIma, learnIma } from '../ima/learn.ts';
import type { LearnQuestion } from '../ima/question.ts';
import type { Machine } from './appraise.ts';
import { type Description, describeEvent } from './describe.ts';
import { fits } from './pattern.ts';
import type { LogEvent } from './replay.ts';

/** What was decided about one thing, and why. */
export interface Decision {
  readonly pcr: number;
  readonly decided:
    | 'by value'
    | 'by events'
    | 'ignored'
    | 'empty'
    | 'Secure Boot'
    | 'command line'
    | 'kernel'
    | 'initrd'
    | 'IMA';
  readonly why: string;
}

export interface LearnOptions {
  readonly name: string;
  /** Registers to ignore, whatever is in them. */
  readonly ignorePcrs?: readonly number[];
  /** Events to ignore by the name that the log gives them, which no digest covers. */
  readonly ignoreEvents?: readonly { readonly pcr: number; readonly name: string }[];
  /** Patterns in place of the exact command lines that were found. */
  readonly commandLines?: readonly string[];
  /** How the IMA lists of the machines are learnt; see `GoldenMachine.files`. */
  readonly ima?: LearnImaOptions;
}

/** A golden machine; `files` is what its IMA list holds, where it has one. */
export interface GoldenMachine extends Machine {
  readonly files?: LearnQuestion;
}

export interface Learnt {
  readonly policy: AppraisalPolicy;
  readonly decisions: readonly Decision[];
}

/** How boot loaders and the kernel's own stub call what they measured; only which list it is learnt into depends on it. */
const KERNEL = /(?:^|\/)(?:vmlinuz|bzImage|linux)[^/]*$|^grub_linuxefi Kernel$/;
const INITRD = /(?:^|\/)(?:initrd|initramfs)[^/]*$|^grub_linuxefi Initrd$|^Linux initrd$/;
const AUTHORITY = 0x800000e0;
const STORES = ['PK', 'KEK', 'db', 'dbx'] as const;

/** @throws MALFORMED where there is no machine, or the machines cannot share one policy */
export function learn(machines: readonly GoldenMachine[], options: LearnOptions): Learnt {
  if (machines.length === 0) throw new AttestdError('MALFORMED', 'there is no machine to learn from');
  const list = learnIma(machines, options.ima);
  const draft = createDraft(options, list);
  const pcrs = [...new Set(machines.flatMap((m) => [...m.registers.keys()]))].sort((a, b) => a - b);
  for (const pcr of pcrs) learnRegister(draft, machines, pcr, options);
  return draft.finish();
}

function learnRegister(draft: Draft, machines: readonly Machine[], pcr: number, options: LearnOptions): void {
  if (pcr === IMA_PCR && draft.listed) return;
  const found = machines.flatMap((m) => m.registers.get(pcr) ?? []);
  const ignored = whyIgnored(machines, pcr, options);
  if (ignored !== undefined) {
    draft.ignore(pcr, ignored);
    return;
  }
  if (found.length < machines.length || found.some((r) => !r.explained)) {
    draft.value(pcr, [...new Set(found.map((r) => r.value))].sort());
    return;
  }
  const events = found.flatMap((r) => r.replay.events);
  if (events.length === 0) draft.empty(pcr);
  for (const event of events) draft.event(event, describeEvent(event));
}

function whyIgnored(machines: readonly Machine[], pcr: number, options: LearnOptions): string | undefined {
  if (options.ignorePcrs?.includes(pcr)) return 'asked for';
  if (machines.some((m) => m.own.has(pcr))) return "the daemon's own: judged by its entries";
  return pcr === IMA_PCR
    ? 'IMA: changes with every file that is read, and not every bundle has its list'
    : undefined;
}

interface Draft {
  /** Whether PCR 10 is judged by its list. */
  readonly listed: boolean;
  ignore(pcr: number, why: string): void;
  value(pcr: number, values: readonly string[]): void;
  empty(pcr: number): void;
  event(event: LogEvent, description: Description): void;
  finish(): Learnt;
}

function createDraft(
  { name, commandLines, ignoreEvents = [] }: LearnOptions,
  list: LearntIma | undefined,
): Draft {
  const decisions: Decision[] = (list?.why ?? []).map((why) => ({ pcr: IMA_PCR, decided: 'IMA', why }));
  const pcrs: Record<string, string[]> = {};
  const ignored: number[] = [];
  const rules = new Map<
    string,
    { pcr: number; type: number; digests: Set<string>; names: Set<string>; kind: string }
  >();
  const stores = {
    PK: new Set<string>(),
    KEK: new Set<string>(),
    db: new Set<string>(),
    dbx: new Set<string>(),
  };
  const authorities = new Set<string>();
  const unjudged = new Map<string, { pcr: number; type: number; name: string }>();
  const states = new Set<boolean>();
  const lines = new Set<string>();
  const kernel = new Set<string>();
  const initrd = new Set<string>();

  /** Whether Secure Boot's own part of the policy takes this event. */
  function secureBoot({ type }: LogEvent, { variable }: Description, digest: string): boolean {
    if (variable === undefined) return false;
    if (variable.name === 'SecureBoot' && variable.value?.length === 1) {
      states.add(variable.value[0] === 1);
      return true;
    }
    // The state comes first (PFP §3.3.4.8). Where no log shows it, there is nothing to hang the rest on.
    if (states.size === 0) return false;
    if (type === AUTHORITY) authorities.add(digest);
    else {
      const store = STORES.find((s) => s === variable.name);
      if (store === undefined) return false;
      stores[store].add(digest);
    }
    return true;
  }

  return {
    listed: list !== undefined,
    ignore(pcr, why) {
      ignored.push(pcr);
      decisions.push({ pcr, decided: 'ignored', why });
    },
    value(pcr, values) {
      pcrs[String(pcr)] = [...values];
      decisions.push({
        pcr,
        decided: 'by value',
        why: `the logs do not explain it; ${values.length} value(s)`,
      });
    },
    empty(pcr) {
      decisions.push({ pcr, decided: 'empty', why: 'nothing was measured, and nothing may be' });
    },
    event(event, description) {
      const digest = toHex(event.digest);
      const { pcr, type } = event;
      const skip = ignoreEvents.find((i) => i.pcr === pcr && fits(i.name, description.label));
      if (skip !== undefined) {
        unjudged.set(`${pcr} ${type} ${skip.name}`, { pcr, type, name: skip.name });
        return;
      }
      if (pcr === 7 && secureBoot(event, description, digest)) return;
      if (description.commandLine !== undefined) {
        lines.add(description.commandLine);
        return;
      }
      if (pcr === 9 && KERNEL.test(description.label)) kernel.add(digest);
      else if (pcr === 9 && INITRD.test(description.label)) initrd.add(digest);
      else {
        const key = `${pcr} ${type}`;
        const rule = rules.get(key) ?? {
          pcr,
          type,
          digests: new Set(),
          names: new Set(),
          kind: description.type,
        };
        rule.digests.add(digest);
        rule.names.add(description.shown);
        rules.set(key, rule);
      }
    },
    finish() {
      if (states.size > 1)
        throw new AttestdError('MALFORMED', 'Secure Boot is on in one golden machine and off in another');
      const [enabled] = states;
      const events: EventRule[] = [...rules.values()].map(({ pcr, type, digests, names, kind }) => ({
        pcr,
        type,
        digests: [...digests].sort(),
        what: nameOf(kind, names),
      }));
      for (const r of events) {
        decisions.push({ pcr: r.pcr, decided: 'by events', why: `${r.digests.length} of ${r.what}` });
      }
      for (const i of unjudged.values()) {
        decisions.push({ pcr: i.pcr, decided: 'ignored', why: `events that the log calls ${i.name}` });
      }
      const patterns = commandLines ?? [...lines];
      if (enabled !== undefined) {
        const counts = STORES.map((s) => `${s} ${stores[s].size}`).join(', ');
        const why = `${enabled ? 'on' : 'off'}; ${counts}, authorities ${authorities.size}`;
        decisions.push({ pcr: 7, decided: 'Secure Boot', why });
      }
      if (kernel.size > 0)
        decisions.push({ pcr: 9, decided: 'kernel', why: `${kernel.size}, one must be there` });
      if (initrd.size > 0)
        decisions.push({ pcr: 9, decided: 'initrd', why: `${initrd.size}, one must be there` });
      if (lines.size > 0)
        for (const why of patterns) decisions.push({ pcr: 8, decided: 'command line', why });
      const sorted = (s: Set<string>): string[] => [...s].sort();
      const policy: AppraisalPolicy = {
        schema: APPRAISAL_SCHEMA,
        name,
        pcrs,
        events: events.sort((a, b) => a.pcr - b.pcr || a.type - b.type),
        ...(enabled === undefined
          ? {}
          : {
              secureBoot: {
                enabled,
                variables: {
                  PK: sorted(stores.PK),
                  KEK: sorted(stores.KEK),
                  db: sorted(stores.db),
                  dbx: sorted(stores.dbx),
                },
                authorities: sorted(authorities),
              },
            }),
        ...(kernel.size === 0 ? {} : { kernel: sorted(kernel) }),
        ...(initrd.size === 0 ? {} : { initrd: sorted(initrd) }),
        ...(lines.size === 0 ? {} : { commandLine: [...patterns] }),
        ...(list === undefined ? {} : { ima: list.ima }),
        ignore: { pcrs: ignored, events: [...unjudged.values()] },
      };
      return { policy, decisions: decisions.sort((a, b) => a.pcr - b.pcr) };
    },
  };
}

/** What a rule is about, short enough for its field and without what a field cannot hold. */
function nameOf(kind: string, names: ReadonlySet<string>): string {
  const all = `${kind}: ${[...names].join(', ')}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const clean = all.replace(/[\x00-\x1f\x7f]/g, ' ');
  return clean.length <= 200 ? clean : `${clean.slice(0, 199)}…`;
}
