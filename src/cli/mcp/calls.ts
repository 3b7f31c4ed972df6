/**
 * The tool calls of an MCP session that are under way: each is an execution, begun before the server hears of it and
 * ended by what came of it. What is large goes in by digest; it is salted as any value is.
 */
import { createHash } from 'node:crypto';
import type { Client, ExecutionSpec, Receipt, Spooled } from '../../client/client.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';

/** How a call ended. */
export type CallEnd =
  | { readonly kind: 'result'; readonly result: unknown; readonly message?: Uint8Array }
  | { readonly kind: 'error'; readonly code: string; readonly error: unknown; readonly message?: Uint8Array }
  | { readonly kind: 'sent' | 'cancelled' | 'lost' };

export interface CallsInput {
  readonly client: Client<Receipt | Spooled>;
  /** What the server is called in records, `mcp:` before it. */
  readonly server: string;
  /** A grant for all calls, or how each asks for its own. */
  readonly permission: Pick<ExecutionSpec, 'grant' | 'govern'>;
  /** The end of a call could not be recorded. */
  readonly onFault: (fault: unknown) => void;
}

export interface Calls {
  readonly open: number;
  /** @throws AttestdError: denied, away, or one too many */
  begin(key: string, params: JsonObject): Promise<void>;
  /** Ends a call and waits until that is on record; nothing where there is no such call. */
  end(key: string, end: CallEnd): Promise<void>;
  /** Ends all that is open, of one session where a prefix is given. */
  endAll(end: CallEnd, prefix?: string): Promise<void>;
  has(key: string): boolean;
  /** Keys of open calls. */
  keys(): readonly string[];
}

/** Calls under way at once; an agent that forgets its calls meets an error, not the end of memory. */
const MOST = 1024;
/** Longest value that a disclosure holds itself, in bytes of JSON. */
const INLINE = 32_768;
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export function createCalls({ client, server, permission, onFault }: CallsInput): Calls {
  const open = new Map<string, { end(e: CallEnd): void; readonly ended: Promise<void> }>();
  return {
    get open() {
      return open.size;
    },
    has: (key) => open.has(key),
    keys: () => [...open.keys()],
    begin(key, { name, arguments: given, _meta }) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: no name of an action holds any
      if (typeof name !== 'string' || !/^[^\u0000-\u001f\u007f]{1,256}$/.test(name))
        throw new AttestdError('INVALID_REQUEST', 'the name of the tool is no text of 1 to 256 characters', {
          field: '/params/name',
        });
      if (open.size >= MOST)
        throw new AttestdError('RATE_LIMITED', `${MOST} calls are under way`, { retryAfter: 1 });
      if (open.has(key))
        throw new AttestdError('INVALID_REQUEST', 'a call with this id is under way', { field: '/id' });
      const trace = (_meta as JsonObject | undefined)?.traceparent;
      const spec: ExecutionSpec = {
        action: { type: 'tool.call', name, target: `mcp:${server}` },
        ...(given === undefined ? {} : { inputs: { arguments: sized(given) } }),
        ...(typeof trace === 'string' && TRACEPARENT.test(trace) ? { trace: { traceparent: trace } } : {}),
        ...permission,
        wait: 'durable',
      };
      let finish: (end: CallEnd) => void = () => undefined;
      const ending = new Promise<CallEnd>((resolve) => {
        finish = resolve;
      });
      return new Promise<void>((resolve, reject) => {
        let begun = false;
        const ended = client
          .withExecution(spec, async (run) => {
            begun = true;
            resolve();
            const end = await ending;
            if (end.kind === 'sent') run.effect('dispatched');
            if (end.kind === 'result') {
              run.effect(isTask(end.result) ? 'dispatched' : 'confirmed');
              run.output('result', held(end.result, end.message));
              if ((end.result as JsonObject | null)?.isError === true)
                throw named('ToolError', 'the tool says isError');
            }
            if (end.kind === 'error') {
              run.output('error', held(end.error, end.message));
              throw named(`JSON-RPC ${end.code}`.slice(0, 64), '');
            }
            if (end.kind === 'cancelled') throw named('AbortError', 'the agent cancelled the call');
            if (end.kind === 'lost') throw named('ServerGone', 'the server gave no answer');
          })
          .then(
            () => undefined,
            (e: unknown) => {
              // By now the key may be another call's: an id is free again once its call was cancelled.
              if (open.get(key) === call) open.delete(key);
              if (!begun) reject(e);
              else if (!(e as { recorded?: true }).recorded) onFault(e);
            },
          );
        const call = { end: finish, ended };
        open.set(key, call);
      });
    },
    async end(key, end) {
      const call = open.get(key);
      if (call === undefined) return;
      open.delete(key);
      call.end(end);
      await call.ended;
    },
    async endAll(end, prefix = '') {
      await Promise.all([...open.keys()].filter((k) => k.startsWith(prefix)).map((k) => this.end(k, end)));
    },
  };
}

/** An error that ends a call as it is meant to: the record has it already. */
const named = (name: string, message: string): Error =>
  Object.assign(new Error(message), { name, recorded: true });

/** Of an answer that no record can hold as it is, the message by its digest: what is recorded was sent. */
function held(value: unknown, message: Uint8Array | undefined): Json {
  if (message === undefined) return sized(value as Json);
  return { message: { sha256: createHash('sha256').update(message).digest('hex'), size: message.length } };
}

/** An answer that says that the work goes on as a task (MCP 2025-11-25, CreateTaskResult). */
const isTask = (result: unknown): boolean => {
  const { task, content } = (result ?? {}) as { task?: unknown; content?: unknown };
  return content === undefined && typeof task === 'object' && task !== null;
};

/** A value as it is, or its digest and size where it is large. */
function sized(value: Json): Json {
  const text = JSON.stringify(value) ?? 'null';
  const size = Buffer.byteLength(text);
  return size <= INLINE ? value : { sha256: createHash('sha256').update(text).digest('hex'), size };
}
