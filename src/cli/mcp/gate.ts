/**
 * What stands between an agent and an MCP server, message by message: nothing is rewritten, a message passes whole or
 * not at all. A tool call passes once it may and its attempt is on record; its answer passes once its end is. What the
 * gate cannot read without doubt does not reach the server, for a server may read it otherwise.
 */
import { AttestdError, ERRORS, isAttestdError } from '../../core/errors.ts';
import { type JsonObject, parseJson } from '../../core/json.ts';
import type { Calls } from './calls.ts';

/** Whether a message goes on, and what is answered in its place where it does not. */
export interface Passage {
  readonly pass: boolean;
  readonly answer?: string;
  /** Keys of the calls in it that passed and will be answered. */
  readonly calls?: readonly string[];
}

export interface Gate {
  /** @param session keeps the ids of sessions apart */
  fromAgent(bytes: Uint8Array, session: string): Promise<Passage>;
  /** Records the answers that a message holds. */
  fromServer(bytes: Uint8Array, session: string): Promise<void>;
}

/** The code of a refusal in JSON-RPC, from the range that is left to implementations (JSON-RPC 2.0 §5.1). */
export const REFUSED = -32003;
const PARSE_ERROR = -32700;
/** How the names of sessions begin that are of one request each. */
export const SINGLE = '#';
const INVALID_REQUEST = -32600;

type Id = string | number | null;

export const errorAnswer = (id: Id, code: number, message: string, data?: object): string =>
  JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } });

/** A refusal as the protocol's own error. */
function refusal(id: Id, fault: unknown): string {
  const e = isAttestdError(fault) ? fault : new AttestdError('INTERNAL', String(fault));
  const { denial, retryAfter } = e.facts;
  return errorAnswer(id, REFUSED, `${ERRORS[e.code].title}: ${e.message}`, {
    attestd: e.code,
    hint: ERRORS[e.code].hint,
    ...(denial === undefined ? {} : { denial }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** @param note told of what has no answer: a refused notification */
export function createGate(calls: Calls, note: (text: string) => void): Gate {
  let unnamed = 0;

  /** Without a session, a call is one of those without, where that leaves no doubt. */
  async function cancel(session: string, id: string | number): Promise<void> {
    const key = keyOf(session, id);
    const like = (k: string) => k.startsWith(SINGLE) && k.endsWith(key.slice(session.length));
    const found = session.startsWith(SINGLE) ? calls.keys().filter(like) : [key];
    if (found.length === 1) await calls.end(found[0] as string, { kind: 'cancelled' });
  }

  async function one(
    message: unknown,
    session: string,
  ): Promise<{ key?: string; refused?: unknown; id?: Id }> {
    const m = message as JsonObject | null;
    if (m === null || typeof m !== 'object' || Array.isArray(m)) return {};
    const { method, id } = m;
    const params = (m.params ?? {}) as JsonObject;
    if (method === 'notifications/cancelled') {
      const requestId = params.requestId;
      if (isId(requestId)) await cancel(session, requestId);
      return {};
    }
    if (method !== 'tools/call') return {};
    // Without an id nobody answers, and a server may run it all the same.
    const key = isId(id) ? keyOf(session, id) : `${session}\n!${unnamed++}`;
    const asked = isId(id) ? { id } : {};
    try {
      if (typeof params !== 'object' || Array.isArray(params))
        throw new AttestdError('INVALID_REQUEST', 'params is no object', { field: '/params' });
      await calls.begin(key, params);
      return { key, ...asked };
    } catch (refused) {
      return { refused, ...asked };
    }
  }

  return {
    async fromAgent(bytes, session) {
      let message: unknown;
      // A blank line is nothing to either side.
      if (bytes.every((b) => b === 0x20 || b === 0x0d || b === 0x09)) return { pass: true };
      try {
        message = parseJson(bytes);
      } catch (e) {
        const why = (e as Error).message;
        return { pass: false, answer: errorAnswer(null, PARSE_ERROR, `not forwarded: ${why}`) };
      }
      const batch = Array.isArray(message) ? message : [message];
      if (batch.some((m) => Array.isArray(m) || isDoubtful(m as JsonObject | null))) {
        const why = 'not forwarded: a server may read other members than are there';
        return { pass: false, answer: errorAnswer(null, INVALID_REQUEST, why) };
      }
      const done = await Promise.all(batch.map((m) => one(m, session)));
      const refused = done.filter((d) => d.refused !== undefined);
      if (refused.length === 0) {
        const begun = done.flatMap((d) => (d.key === undefined ? [] : [d.key]));
        const isSent = (key: string) => key.includes('\n!');
        for (const key of begun) if (isSent(key)) await calls.end(key, { kind: 'sent' });
        return { pass: true, calls: begun.filter((key) => !isSent(key)) };
      }
      // A batch goes whole or not at all: what was begun of it is not sent.
      await Promise.all(done.map((d) => d.key && calls.end(d.key, { kind: 'cancelled' })));
      const other = new AttestdError('FORBIDDEN', 'another call of this batch was refused');
      const answers = done.flatMap((d, i) => {
        const id = d.id ?? (batch[i] as { id?: unknown } | null)?.id;
        if (isId(id)) return [refusal(id, d.refused ?? other)];
        if (d.refused !== undefined)
          note(`a tools/call without id was refused: ${(d.refused as Error).message}`);
        return [];
      });
      if (answers.length === 0) return { pass: false };
      return {
        pass: false,
        answer: Array.isArray(message) ? `[${answers.join(',')}]` : (answers[0] as string),
      };
    },
    async fromServer(bytes, session) {
      if (calls.open === 0) return;
      let message: unknown;
      let odd = {};
      try {
        message = parseJson(bytes);
      } catch {
        // An agent may read what no record can hold: a number too long for a double, half of a character.
        odd = { message: bytes };
        try {
          message = JSON.parse(new TextDecoder().decode(bytes));
        } catch {
          return;
        }
      }
      for (const m of Array.isArray(message) ? message : [message]) {
        const { id, result, error, method } = (m ?? {}) as JsonObject;
        if (method !== undefined || !isId(id)) continue;
        const key = keyOf(session, id);
        if (error !== undefined) {
          const code = String((error as JsonObject | null)?.code ?? 'unknown');
          await calls.end(key, { kind: 'error', code, error, ...odd });
        } else await calls.end(key, { kind: 'result', result, ...odd });
      }
    },
  };
}

const isId = (id: unknown): id is string | number => typeof id === 'string' || typeof id === 'number';
const OF_MESSAGE = new Set(['jsonrpc', 'id', 'method', 'params']);
const OF_CALL = new Set(['name', 'arguments']);
/** As readers fold that take `Method` for `method`, Go's among them: it folds U+017F and U+212A as well. */
const fold = (name: string): string => name.toUpperCase().toLowerCase();
const isAlike = (members: object, names: ReadonlySet<string>): boolean =>
  Object.keys(members).some((n) => !names.has(n) && names.has(fold(n)));

/** Whether a message has a member that some readers take for one that counts, and others do not. */
function isDoubtful(m: JsonObject | null): boolean {
  if (m === null || typeof m !== 'object') return false;
  const { method, params } = m;
  const isCall = method === 'tools/call' && params !== null && typeof params === 'object';
  return isAlike(m, OF_MESSAGE) || (isCall && isAlike(params, OF_CALL));
}

/** 1 and "1" are two ids. */
const keyOf = (session: string, id: string | number): string => `${session}\n${JSON.stringify(id)}`;
/**
 * Whether a reader of lines that ends them at a carriage return as well, as those of Python and Node.js do, would read
 * more than one message here: what stands between two of them would pass the gate unseen.
 */
export const isSplit = (line: Uint8Array): boolean => {
  const at = line.indexOf(0x0d);
  return at >= 0 && at < line.length - 1;
};
export const split = (): string =>
  errorAnswer(null, PARSE_ERROR, 'not forwarded: a carriage return stands within the message');
export const tooLong = (max: number): string =>
  errorAnswer(null, INVALID_REQUEST, `not forwarded: a message of more than ${max} bytes`);
