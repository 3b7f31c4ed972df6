/**
 * Work that is recorded before and after: `attempted` is durable before it begins, `completed` says how it ended. Under
 * a grant it runs by permission only, and then nothing may wait in a spool: what cannot be asked for does not happen.
 */
import { randomBytes } from 'node:crypto';
import { cutText } from '../core/bytes.ts';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import { readJson } from '../core/ijson.ts';
import type { Late } from './late.ts';
import type {
  CompletionRequest,
  GrantRequest,
  Receipt,
  RecordRequest,
  Spooled,
  Strength,
  Values,
} from './request.ts';

/** Asks for a grant of exactly this action, once. */
export interface Governance
  extends Pick<GrantRequest, 'holder' | 'environment' | 'approvals' | 'delegatedFrom' | 'breakGlass'> {
  /** How long it is good; 60 when absent. */
  readonly seconds?: number;
  /** `sealed` where the policy demands a sealed grant; `durable` when absent. */
  readonly wait?: Strength;
}

/** What is about to be done. */
export interface ExecutionSpec
  extends Omit<RecordRequest, 'phase' | 'outcome' | 'outputs' | 'plain' | 'capture' | 'grant'> {
  readonly plain?: { readonly inputs?: Values; readonly parameters?: Values };
  /** Uses this grant. */
  readonly grant?: string;
  /** Asks for a grant first. */
  readonly govern?: true | Governance;
  /** How much to wait for at the end; `sealed` when absent. */
  readonly wait?: Strength;
}

/** What the work may say of itself while it runs. */
export interface Execution<R = Receipt> {
  /** The record `attempted`. */
  readonly attempt: R;
  /** The record `completed`, once there is one. */
  readonly receipt: R | undefined;
  /** A value that came out; its salted digest enters the record. @throws INVALID_REQUEST for what no record can hold */
  output(name: string, value: Values[string], options?: { readonly plain?: boolean }): void;
  /** A file or other content that came out, by digest. */
  artefact(name: string, sha256: string, options?: { readonly plain?: boolean }): void;
  /** Whether what was to happen has happened; `unknown` unless it is said. */
  effect(effect: 'dispatched' | 'confirmed' | 'unknown'): void;
}

/** What came of it. */
export interface Executed<T, R = Receipt> {
  readonly value: T;
  readonly attempt: R;
  /** The record `completed`. */
  readonly receipt: R;
}

/** How the flow reaches the daemon. */
export interface Flow<R> {
  grant(request: GrantRequest, options: { readonly wait: Strength }): Promise<Receipt>;
  begin(request: RecordRequest & { readonly grant: string }): Promise<Receipt>;
  complete(id: string, request: CompletionRequest, wait: Strength, key?: string): Promise<Receipt>;
  /** Records the beginning of ungoverned work. @returns how to record its end */
  attempt(
    request: RecordRequest,
    key: string,
  ): Promise<{
    readonly attempt: R;
    end(request: RecordRequest, wait: Strength): Promise<R>;
  }>;
  /** Keeps the end of governed work whose lease the daemon cannot end; undefined where nothing may wait. */
  readonly late: Late | undefined;
  /** A record could not be made of work that failed with an error of its own. */
  readonly onFault: (fault: unknown) => void;
}

type End = Pick<RecordRequest, 'outcome' | 'outputs' | 'plain' | 'artefacts'>;

/** Runs `work` between its two records. @throws what the work throws, or AttestdError when it may not begin */
export async function executeRecorded<T, R>(
  flow: Flow<R | Receipt | Spooled>,
  spec: ExecutionSpec,
  work: (execution: Execution<R>) => T | Promise<T>,
): Promise<Executed<Awaited<T>, R>> {
  const { grant, govern, wait = 'sealed', ...said } = spec;
  if (grant !== undefined && govern !== undefined)
    throw new AttestdError('USAGE', 'an execution uses a grant or asks for one, not both', {
      field: 'govern',
    });
  const begun =
    grant === undefined && govern === undefined
      ? await ungoverned(flow, said)
      : await governed(
          flow,
          said,
          grant ?? (await ask(flow, said, govern === true ? {} : (govern as Governance))),
        );
  // Without a prototype: a value may have any name.
  const outputs: Record<string, Values[string]> = Object.create(null);
  const plain: Record<string, Values[string]> = Object.create(null);
  const artefacts: { name: string; sha256: string; plain?: boolean }[] = [];
  let effect: 'dispatched' | 'confirmed' | 'unknown' = 'unknown';
  const end = (outcome: Omit<NonNullable<RecordRequest['outcome']>, 'effect'>): End => ({
    outcome: { ...outcome, effect },
    ...(Object.keys(outputs).length === 0 ? {} : { outputs }),
    ...(Object.keys(plain).length === 0 ? {} : { plain: { outputs: plain } }),
    ...(artefacts.length === 0 ? {} : { artefacts }),
  });
  let receipt: R | undefined;
  const execution: Execution<R> = {
    attempt: begun.attempt as R,
    get receipt() {
      return receipt;
    },
    output(name, value, options) {
      (options?.plain === true ? plain : outputs)[name] = recordable(name, value);
    },
    artefact(name, sha256, options) {
      artefacts.push({ name, sha256, ...(options?.plain === true ? { plain: true } : {}) });
    },
    effect(word) {
      effect = word;
    },
  };
  let value: Awaited<T>;
  try {
    value = await work(execution);
  } catch (fault) {
    outputs.error ??= cutText(String((fault as { message?: unknown } | null)?.message ?? fault), 1024);
    await begun.end(end(outcomeOf(fault)), wait).then((r) => {
      receipt = r as R;
    }, flow.onFault);
    throw fault;
  }
  receipt = (await begun.end(end({ status: 'succeeded' }), wait)) as R;
  return { value, attempt: execution.attempt, receipt };
}

/** The outcome of work that threw: AbortError is cancelled, TimeoutError timed out, anything else failed. */
function outcomeOf(fault: unknown): { status: 'failed' | 'cancelled' | 'timedout'; code: string } {
  const name = fault instanceof Error ? fault.name : typeof fault;
  const status = name === 'AbortError' ? 'cancelled' : name === 'TimeoutError' ? 'timedout' : 'failed';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the schema takes none of them
  return { status, code: cutText(name.replace(/[\u0000-\u001f\u007f]/g, ''), 64) || 'unknown' };
}

/** A copy of a value as it will be recorded; what cannot be is told where it is said, so that the end is on record. */
function recordable(name: string, value: Values[string]): Values[string] {
  try {
    const text = JSON.stringify(value, (_, v) => {
      if (typeof v === 'number' && !Number.isFinite(v)) throw new RangeError('a number is not finite');
      return v;
    });
    if (text === undefined) throw new TypeError('it is undefined');
    return readJson(text);
  } catch (cause) {
    throw new AttestdError('INVALID_REQUEST', `the output ${name} is nothing that a record can hold`, {
      field: `/outputs/${name}`,
      cause,
    });
  }
}

type Said = Omit<ExecutionSpec, 'grant' | 'govern' | 'wait'>;
type Begun = { readonly attempt: unknown; end(end: End, wait: Strength): Promise<unknown> };

async function ungoverned(flow: Flow<unknown>, said: Said): Promise<Begun> {
  const key = randomBytes(16).toString('hex');
  const { attempt, end } = await flow.attempt({ phase: 'attempted', ...said }, key);
  return {
    attempt,
    end: ({ plain, ...rest }, wait) => {
      // Both records say what was done to what, so that the evidence of either shows it.
      const merged =
        said.plain === undefined && plain === undefined ? {} : { plain: { ...said.plain, ...plain } };
      const { artefacts: came = [], ...others } = said;
      const artefacts = [...came, ...(rest.artefacts ?? [])];
      const more = artefacts.length === 0 ? {} : { artefacts };
      return end({ phase: 'completed', ...others, ...rest, ...merged, ...more }, wait);
    },
  };
}

/** A grant of this action to this caller, for one use. */
async function ask(flow: Flow<unknown>, said: Said, governance: Governance): Promise<string> {
  const { seconds = 60, wait = 'durable', ...more } = governance;
  const { action, claimed, parameters, plain, parents, trace } = said;
  const receipt = await flow.grant(
    {
      scope: [action],
      maxUses: 1,
      seconds,
      ...more,
      ...(claimed === undefined ? {} : { claimed }),
      ...(parameters === undefined ? {} : { parameters }),
      ...(plain?.parameters === undefined ? {} : { plain: { parameters: plain.parameters } }),
      ...(parents === undefined ? {} : { parents }),
      ...(trace === undefined ? {} : { trace }),
    },
    { wait },
  );
  return receipt.id;
}

async function governed(flow: Flow<unknown>, said: Said, grant: string): Promise<Begun> {
  const attempt = await flow.begin({ phase: 'attempted', ...said, grant });
  return {
    attempt,
    async end(end, wait) {
      const { plain, ...rest } = end;
      // One key for both ways: where the daemon has the end and only its answer is lost, nothing comes late.
      const key = flow.late === undefined ? undefined : `${attempt.id}/end`;
      try {
        const outputs = plain?.outputs === undefined ? {} : { plain: { outputs: plain.outputs } };
        return await flow.complete(attempt.id, { ...rest, ...outputs }, wait, key);
      } catch (fault) {
        // The daemon ends the lease by itself: `interrupted`. What we know of the end goes in beside it.
        if (flow.late === undefined || key === undefined || !isAttestdError(fault) || !flow.late.takes(fault))
          throw fault;
        const parents = [{ rel: 'after', digest: attempt.digest }];
        return flow.late.keep({ phase: 'completed', action: said.action, ...end, parents }, key);
      }
    },
  };
}
