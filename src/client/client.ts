/**
 * The SDK of a workload: three lines to a sealed record, no keys, no dependency, no native code.
 *
 * ```ts
 * import { connect } from 'attestd/client';
 * const attestd = connect({ client: 'refund-bot/1.4' });
 * const action = { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' };
 * const { value, receipt } = await attestd.withExecution({ action, inputs: { amount: '12.00' } }, () => refund());
 * ```
 *
 * Inputs, parameters and outputs enter the record as salted digests; their openings stay on the host. When the daemon is
 * away calls fail, unless `onUnavailable: 'spool'` says that records wait: then they come late, in order, and say so.
 */
import { randomBytes } from 'node:crypto';
import { AttestdError } from '../core/errors.ts';
import {
  type Executed,
  type Execution,
  type ExecutionSpec,
  executeRecorded,
  type Flow,
} from './execution.ts';
import { createLate } from './late.ts';
import type { ListQuery, Page } from './listing.ts';
import type { Measured, MeasurementRequest } from './measurement.ts';
import type { Replayed } from './replay.ts';
import type {
  CompletionRequest,
  ExecutionRequest,
  GrantRequest,
  Receipt,
  RecordRequest,
  Spooled,
  Strength,
} from './request.ts';
import { openSpool, type SpoolOptions } from './spool.ts';
import { chosenSocket, openTransport } from './transport.ts';

export type { Executed, Execution, ExecutionSpec, Governance } from './execution.ts';
export type { Measured, MeasurementRequest } from './measurement.ts';
export type { Replayed } from './replay.ts';
export type {
  CompletionRequest,
  ExecutionRequest,
  GrantRequest,
  Receipt,
  RecordRequest,
  ScopeRow,
  Spooled,
  Strength,
  Values,
} from './request.ts';
export type { SpoolOptions } from './spool.ts';

/** A key in the TPM with its certification by the AK; bytes in base64. */
export interface CertifiedKey {
  readonly name: string;
  readonly role: 'record' | 'workload' | 'tls';
  /** For whom it was made; absent for the record key. */
  readonly uid?: number;
  readonly unit?: string;
  /** Id of the record that certifies it. */
  readonly record?: string;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: string;
  /** TPMT_PUBLIC, TPMS_ATTEST and TPMT_SIGNATURE. */
  readonly public: string;
  readonly attest: string;
  readonly signature: string;
}

export interface ConnectOptions {
  /** `unix:///path` or a path; else ATTESTD_SOCKET, else /run/attestd/attestd.sock. */
  readonly socket?: string;
  /** `name/version` of the program that calls. */
  readonly client: string;
  /** `throw` when absent: DAEMON_UNAVAILABLE and its like leave every call. */
  readonly onUnavailable?: 'throw';
  /** Told of what no call can answer for: spooled records that were refused, ends that were not recorded. A warning else. */
  readonly onFault?: (fault: unknown) => void;
}

/** Records wait on disk while the daemon is away. Grants do not: what cannot be asked for does not happen. */
export interface SpoolingOptions extends Omit<ConnectOptions, 'onUnavailable'> {
  readonly onUnavailable: 'spool';
  readonly spool?: SpoolOptions;
}

export interface RecordOptions {
  /** How much to wait for; `sealed` when absent. */
  readonly wait?: Strength;
  /** The same key with the same request gives the same record; with another it is refused. */
  readonly idempotencyKey?: string;
}

export interface ImportOptions {
  /** Keys of nodes that you pin: a signature by any other is refused. `x` is 32 bytes in base64url. */
  readonly keys?: readonly { readonly nodeId: string; readonly kid: string; readonly x: string }[];
  /** The certificateHash that you have from elsewhere. */
  readonly expect?: string;
  readonly wait?: Strength;
}

/** @typeParam R what a record is answered by */
export interface Client<R = Receipt> {
  /** Records one execution. @throws AttestdError with the daemon's code, DAEMON_UNAVAILABLE when it is away */
  record(request: RecordRequest, options?: RecordOptions): Promise<R>;
  /**
   * Runs work between a record `attempted`, durable before it begins, and one `completed` that says how it ended.
   * @throws what the work throws; AttestdError when it may not begin, or its end cannot be recorded
   */
  withExecution<T>(
    spec: ExecutionSpec,
    work: (execution: Execution<R>) => T | Promise<T>,
  ): Promise<Executed<Awaited<T>, R>>;
  /** Empties the spool into the log. @throws the error for which it has to wait */
  flush(): Promise<Replayed>;
  /** One record as JSON: entry, place, strength, its own openings. */
  get(id: string): Promise<Record<string, unknown>>;
  /** Records of the caller, newest first; of everybody on the admin socket. `next` of a page goes on where it ended. */
  list(query?: ListQuery): Promise<Page>;
  /** Asks for a grant. @throws AttestdError with the code of the denial, which `facts.denial` names */
  grant(request: GrantRequest, options?: { readonly wait?: Strength }): Promise<Receipt>;
  /** A grant with its state, or a denial, by id. */
  showGrant(id: string): Promise<Record<string, unknown>>;
  revoke(id: string, reason?: string): Promise<Receipt>;
  /** Stands up for what a denial says was asked. */
  approve(request: string, seconds: number, comment?: string): Promise<Receipt>;
  /** Uses a grant: a record `attempted`. */
  begin(request: ExecutionRequest, options?: { readonly wait?: Strength }): Promise<Receipt>;
  /** Ends what `begin` began; by the same process only. */
  complete(id: string, request: CompletionRequest, options?: RecordOptions): Promise<Receipt>;
  /** The evidence bundle of a record: the bytes of an `.attest.json` file. */
  bundle(id: string, options?: { readonly lineage?: boolean; readonly ima?: boolean }): Promise<Uint8Array>;
  /** What a bundle names by its digest, in pieces; on the admin socket. */
  attachment(sha256: string): AsyncIterable<Uint8Array>;
  /** Erases the openings of a record for good; the tombstone's receipt. */
  forget(id: string, reason?: string): Promise<Receipt>;
  /** A sealed record, or the SLSA provenance of the CI step that it ends, as a DSSE envelope under the record key. */
  envelope(id: string, of?: 'envelope' | 'provenance'): Promise<Uint8Array>;
  /** A sealed record as COSE_Sign1 with a receipt (RFC 9942). */
  cose(id: string): Promise<Uint8Array>;
  /** Has a file, an image or a model measured: an entry, and an extend of the daemon's register. */
  measure(request: MeasurementRequest, options?: { readonly wait?: Strength }): Promise<Measured>;
  /** A quote over an auditor's nonce (16 to 64 bytes): the bytes of a fresh-evidence file. */
  quote(nonce: Uint8Array, options?: { readonly ima?: boolean }): Promise<Uint8Array>;
  /** The record key and the caller's own keys; those of all callers on the admin socket. */
  keys(): Promise<readonly CertifiedKey[]>;
  /** Makes a key in the TPM for this caller: `workload` signs messages, `tls` is for TLS 1.3 clients. */
  createKey(name: string, role: 'workload' | 'tls'): Promise<CertifiedKey>;
  /** DER signature, ECDSA with SHA-256, by a key of this caller. */
  sign(name: string, message: Uint8Array): Promise<Uint8Array>;
  /** DER of a certificate request for a key of this caller; for `record` on the admin socket. */
  certificateRequest(name: string): Promise<Uint8Array>;
  /** Withdraws a key of this caller: recorded, then gone. */
  withdrawKey(name: string, reason: string): Promise<CertifiedKey>;
  /** Takes a NexArt CER into the log, with what it proves by itself. @throws IMPORT_REFUSED naming the condition */
  importCer(content: string, options?: ImportOptions): Promise<Receipt>;
  status(): Promise<Record<string, unknown>>;
  health(): Promise<Record<string, unknown>>;
  close(): void;
}

/** Opens a connection lazily; nothing is sent before the first call. */
export function connect(options: ConnectOptions): Client;
export function connect(options: SpoolingOptions): Client<Receipt | Spooled>;
export function connect(options: ConnectOptions | SpoolingOptions): Client<Receipt | Spooled> {
  const transport = openTransport(chosenSocket(options.socket, process.env), options.client);
  const onFault = options.onFault ?? warn;
  const json = async <T>(path: string): Promise<T> =>
    read<T>((await transport.call({ method: 'GET', path })).body);
  const send = async <T>(path: string, body: string, key?: string): Promise<T> => {
    const headers = {
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    };
    return read<T>((await transport.call({ method: 'POST', path, body, headers })).body);
  };
  const post = <T>(path: string, body: unknown, key?: string): Promise<T> =>
    send(path, JSON.stringify(body), key);
  const bytes = async (path: string) => (await transport.call({ method: 'GET', path })).body;
  const recorded = (request: RecordRequest, wait: Strength, key?: string) =>
    post<Receipt>(`/v1/records?wait=${wait}`, request, key);
  const late =
    options.onUnavailable === 'spool'
      ? createLate(
          openSpool(options.spool ?? {}, process.env),
          (body, key, wait) => send(`/v1/records?wait=${wait}`, body, key),
          (refused) => refused.forEach(onFault),
        )
      : undefined;
  const complete = (id: string, request: CompletionRequest, wait: Strength, key?: string) =>
    post<Receipt>(`/v1/executions/${encodeURIComponent(id)}/complete?wait=${wait}`, request, key);
  const flow: Flow<Receipt | Spooled> = {
    grant: (request, { wait }) => post(`/v1/grants?wait=${wait}`, request),
    begin: ({ phase: _phase, ...request }) => post('/v1/executions?wait=durable', request),
    complete,
    attempt: async (request, key) =>
      late?.attempt(request, key) ?? attemptNow(await recorded(request, 'durable'), recorded),
    late,
    onFault,
  };
  return {
    grant: (request, { wait = 'sealed' } = {}) => post(`/v1/grants?wait=${wait}`, request),
    list(query = {}) {
      const fields = Object.entries(query).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${encodeURIComponent(String(value))}`],
      );
      return json<Page>(`/v1/records${fields.length === 0 ? '' : `?${fields.join('&')}`}`);
    },
    showGrant: (id) => json(`/v1/grants/${encodeURIComponent(id)}`),
    async revoke(id, reason) {
      const why = reason === undefined ? '' : `&reason=${encodeURIComponent(reason)}`;
      const path = `/v1/grants/${encodeURIComponent(id)}?wait=durable${why}`;
      return read<Receipt>((await transport.call({ method: 'DELETE', path })).body);
    },
    approve: (request, seconds, comment) =>
      post('/v1/approvals?wait=durable', { request, seconds, ...(comment === undefined ? {} : { comment }) }),
    begin: (request, { wait = 'durable' } = {}) => post(`/v1/executions?wait=${wait}`, request),
    complete: (id, request, { wait = 'sealed', idempotencyKey: key } = {}) =>
      complete(id, request, wait, key),
    withExecution: (spec, work) => executeRecorded(flow, spec, work),
    flush: async () => late?.flush() ?? { recorded: [], refused: [] },
    record: async (request, { wait = 'sealed', idempotencyKey } = {}) =>
      late === undefined || request.grant !== undefined
        ? recorded(request, wait, idempotencyKey)
        : late.record(request, wait, idempotencyKey ?? randomBytes(16).toString('hex')),
    get: (id) => json(`/v1/records/${encodeURIComponent(id)}`),
    async bundle(id, { lineage = false, ima = false } = {}) {
      const query = [...(lineage ? ['lineage=full'] : []), ...(ima ? ['ima=list'] : [])].join('&');
      const path = `/v1/records/${encodeURIComponent(id)}/bundle${query === '' ? '' : `?${query}`}`;
      return (await transport.call({ method: 'GET', path })).body;
    },
    forget: (id, reason) => post(`/v1/records/${encodeURIComponent(id)}/forget`, { reason }),
    envelope: (id, of = 'envelope') => bytes(`/v1/records/${encodeURIComponent(id)}/${of}`),
    cose: (id) => bytes(`/v1/records/${encodeURIComponent(id)}/cose`),
    attachment: (sha256) => transport.stream(`/v1/attachments/${encodeURIComponent(sha256)}`),
    measure: (request, { wait = 'sealed' } = {}) => post(`/v1/measurements?wait=${wait}`, request),
    quote: async (nonce, { ima = false } = {}) =>
      (
        await transport.call({
          method: 'POST',
          path: '/v1/quotes',
          body: JSON.stringify({
            nonce: Buffer.from(nonce).toString('base64url'),
            ...(ima ? { ima: 'list' } : {}),
          }),
          headers: { 'content-type': 'application/json' },
        })
      ).body,
    keys: async () => (await json<{ keys: CertifiedKey[] }>('/v1/keys')).keys,
    createKey: (name, role) => post('/v1/keys', { name, role }),
    sign: async (name, message) => {
      const path = `/v1/keys/${encodeURIComponent(name)}/sign`;
      const { signature } = await post<{ signature: string }>(path, {
        message: Buffer.from(message).toString('base64'),
      });
      return new Uint8Array(Buffer.from(signature, 'base64'));
    },
    certificateRequest: (name) => bytes(`/v1/keys/${encodeURIComponent(name)}/request`),
    withdrawKey: (name, reason) => post(`/v1/keys/${encodeURIComponent(name)}/withdraw`, { reason }),
    importCer: (content, { keys, expect, wait = 'sealed' } = {}) =>
      post(`/v1/imports?wait=${wait}`, {
        format: 'nexart-cer',
        content,
        ...(keys === undefined ? {} : { keys }),
        ...(expect === undefined ? {} : { expect }),
      }),
    status: () => json('/v1/status'),
    health: () => json('/v1/health'),
    close: () => transport.close(),
  };
}

/** The end of an execution where nothing may wait. */
function attemptNow(
  attempt: Receipt,
  recorded: (request: RecordRequest, wait: Strength) => Promise<Receipt>,
): Awaited<ReturnType<Flow<Receipt>['attempt']>> {
  const completes = { rel: 'completes', digest: attempt.digest };
  return {
    attempt,
    end: (request, wait) => recorded({ ...request, parents: [completes, ...(request.parents ?? [])] }, wait),
  };
}

function warn(fault: unknown): void {
  const error = (fault as { error?: unknown }).error ?? fault;
  const file = (fault as { file?: string }).file;
  process.emitWarning(`${file === undefined ? '' : `${file}: `}${String(error)}`, 'AttestdWarning');
}

function read<T>(body: Uint8Array): T {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as T;
  } catch (cause) {
    throw new AttestdError('INTERNAL', 'the daemon answered something that is no JSON', { cause });
  }
}
