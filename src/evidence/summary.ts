/**
 * A record in a line, and which records somebody asks for: what lists, searches and reports are made of. It reads what
 * a record says and judges nothing. Whoever has the bytes of many entries asks `marksOf` first: an entry without one of
 * those byte strings cannot match, and canonical JSON has only one way to write each. Whoever keeps an index of entries
 * keeps `wordsIn` each, and looks for `wordsFor` what is asked.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { kindOf, predicateType, type Statement } from './statement.ts';

/** Whether somebody was asked before, and what the answer was; for records to which that does not apply, nothing. */
export type Decision = 'permitted' | 'denied' | 'ungoverned';

export interface Summary {
  readonly id: string;
  readonly kind: string;
  /** RFC 3339, the host's word. */
  readonly time: string;
  /** Observed by the kernel; absent in what the daemon writes about itself. */
  readonly uid?: number;
  /** Executable of the caller as far as it could be read. */
  readonly exe?: string;
  readonly unit?: string;
  /** `type/name`, and its target. */
  readonly action?: string;
  readonly target?: string;
  readonly phase?: string;
  readonly status?: string;
  readonly decision?: Decision;
  /** Code of a denial. */
  readonly reason?: string;
  /** ULID of the grant that was used, asked for or given. */
  readonly grant?: string;
  /** W3C trace id. */
  readonly trace?: string;
}

/** Members of predicates that a summary takes, where a kind has them. */
interface Members {
  readonly id: string;
  readonly time: string;
  readonly caller?: {
    readonly observed: {
      readonly uid: number;
      readonly exe: 'unreadable' | { readonly path: string };
      readonly unit?: string;
    };
  };
  readonly trace?: { readonly traceparent: string };
}
interface Act {
  readonly type: string;
  readonly name: string;
  readonly target?: string;
}

/** The summary of a statement. */
export function summarize(s: Statement): Summary {
  const { id, time, caller, trace } = s.predicate as unknown as Members;
  const exe = caller?.observed.exe;
  return {
    id,
    kind: s.kind,
    time,
    ...(caller === undefined ? {} : { uid: caller.observed.uid }),
    ...(exe === undefined || exe === 'unreadable' ? {} : { exe: exe.path }),
    ...(caller?.observed.unit === undefined ? {} : { unit: caller.observed.unit }),
    ...ofKind(s),
    ...(trace === undefined ? {} : { trace: trace.traceparent.slice(3, 35) }),
  };
}

function ofKind(s: Statement): Partial<Summary> {
  if (s.kind === 'execution') {
    const { action, phase, outcome, authorization } = s.predicate;
    return {
      ...acted(action),
      phase,
      ...(outcome === undefined ? {} : { status: outcome.status }),
      ...(authorization === 'ungoverned'
        ? { decision: 'ungoverned' as const }
        : { decision: 'permitted' as const, grant: authorization.grant.id }),
    };
  }
  if (s.kind === 'grant')
    return { ...acted(s.predicate.scope[0]), decision: 'permitted', grant: s.predicate.id };
  if (s.kind === 'denial') {
    const { requested, reason } = s.predicate;
    const grant = requested.grant?.id;
    return {
      ...acted(requested.action ?? requested.ask?.scope[0]),
      decision: 'denied',
      reason,
      ...(grant === undefined ? {} : { grant }),
    };
  }
  if (s.kind === 'revocation') return { grant: s.predicate.grant.id };
  return {};
}

function acted(action: Act | undefined): Partial<Summary> {
  if (action === undefined) return {};
  const { type, name, target } = action;
  return { action: `${type}/${name}`, ...(target === undefined ? {} : { target }) };
}

/** What is asked for; every member that is there must match. */
export interface Filter {
  readonly kind?: string;
  readonly uid?: number;
  /** `type`, `name` or `type/name`; ending in `*`, all that begins so. */
  readonly action?: string;
  readonly decision?: string;
  readonly grant?: string;
  readonly trace?: string;
  /** First and last time, both included. */
  readonly since?: string;
  readonly until?: string;
  /** Stands anywhere in the statement; upper and lower case differ. */
  readonly text?: string;
}

/** Groups of byte strings: every matching entry holds one of each group. */
export function marksOf(f: Filter): Uint8Array[][] {
  const marks: string[][] = [];
  const one = (...alternatives: string[]) => marks.push(alternatives);
  const kind = (k: Statement['kind']) => `"predicateType":"${predicateType(k)}"`;
  if (f.kind !== undefined) one(kind(f.kind as Statement['kind']));
  if (f.uid !== undefined) one(`"uid":${f.uid}`);
  if (f.decision === 'ungoverned') one('"authorization":"ungoverned"');
  if (f.decision === 'denied') one(kind('denial'));
  if (f.decision === 'permitted') one('"authorization":{', kind('grant'));
  if (f.grant !== undefined) one(JSON.stringify(f.grant));
  if (f.trace !== undefined) one(`"traceparent":"00-${f.trace}-`);
  if (f.action !== undefined) {
    // What is asked for begins where a type or a name does, or behind a slash inside of a type.
    const first = f.action.replace(/\*$/, '').split('/', 1)[0] as string;
    const [begin, inside] = [JSON.stringify(first).slice(0, -1), JSON.stringify(`/${first}`).slice(1, -1)];
    one(`"type":${begin}`, `"name":${begin}`, inside);
  }
  // As canonical JSON writes it (RFC 8785 §3.2.2.2), without the quotes.
  if (f.text !== undefined) one(JSON.stringify(f.text).slice(1, -1));
  return marks.map((group) => group.map((m) => utf8(m)));
}

/** The words of a record by which it may be found. */
export function wordsIn(s: Summary): string[] {
  const { kind, uid, action, decision, grant, trace } = s;
  return [
    `kind ${kind}`,
    ...(uid === undefined ? [] : [`uid ${uid}`]),
    ...(action === undefined ? [] : formsOf(action).map((form) => `action ${form}`)),
    ...(decision === undefined ? [] : [`decision ${decision}`]),
    ...(grant === undefined ? [] : [`grant ${grant}`]),
    ...(trace === undefined ? [] : [`trace ${trace}`]),
  ];
}

/** The words that every matching record has; none where what is asked is no whole word. */
export function wordsFor({ kind, uid, action, decision, grant, trace }: Filter): string[] {
  const whole = action?.endsWith('*') ? undefined : action;
  return [
    ...(kind === undefined ? [] : [`kind ${kind}`]),
    ...(uid === undefined ? [] : [`uid ${uid}`]),
    ...(whole === undefined ? [] : [`action ${whole}`]),
    ...(decision === undefined ? [] : [`decision ${decision}`]),
    ...(grant === undefined ? [] : [`grant ${grant}`]),
    ...(trace === undefined ? [] : [`trace ${trace}`]),
  ];
}

/**
 * The summary of an entry of one's own log, which was checked when it went in: read without checking it again.
 * @throws where it is none
 */
export function quickSummary(entry: Uint8Array): Summary {
  // The PAE has no brace before the payload.
  const { predicateType: type, predicate } = JSON.parse(fromUtf8(entry.subarray(entry.indexOf(0x7b))));
  const kind = kindOf(type);
  if (kind === undefined) throw new AttestdError('MALFORMED', 'the entry is of no kind');
  return summarize({ kind, predicate } as unknown as Statement);
}

/** Whether a summary is asked for. The text is looked for in the bytes (`marksOf`) and not here. */
export function matches(s: Summary, f: Filter): boolean {
  return (
    (f.kind === undefined || s.kind === f.kind) &&
    (f.uid === undefined || s.uid === f.uid) &&
    (f.action === undefined || isAction(s.action, f.action)) &&
    (f.decision === undefined || s.decision === f.decision) &&
    (f.grant === undefined || s.grant === f.grant) &&
    (f.trace === undefined || s.trace === f.trace) &&
    // Times of one form and one zone compare as text.
    (f.since === undefined || s.time >= f.since) &&
    (f.until === undefined || s.time <= f.until)
  );
}

function isAction(action: string | undefined, wanted: string): boolean {
  if (action === undefined) return false;
  const forms = formsOf(action);
  if (!wanted.endsWith('*')) return forms.includes(wanted);
  return forms.some((form) => form.startsWith(wanted.slice(0, -1)));
}

/** `type/name`, and what stands before and after its first slash. */
function formsOf(action: string): [string, string, string] {
  const at = action.indexOf('/');
  return [action, action.slice(0, at), action.slice(at + 1)];
}
