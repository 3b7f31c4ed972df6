/**
 * The SDK of a workload: three lines to a sealed record, no keys, no dependency, no native code.
 *
 * ```ts
 * import { connect } from 'attestd/client';
 * const attestd = connect({ client: 'refund-bot/1.4' });
 * const receipt = await attestd.record({
 *   phase: 'completed',
 *   action: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
 *   inputs: { amount: '12.00' },
 *   outcome: { status: 'succeeded', effect: 'confirmed' },
 * });
 * ```
 *
 * Inputs, parameters and outputs enter the record as salted digests; their openings stay on the host.
 */
import { AttestdError } from '../core/errors.ts';
import { chosenSocket, openTransport } from './transport.ts';

/** What a receipt vouches for: fsynced; under a TPM quote. */
export type Strength = 'durable' | 'sealed';
type Value = null | boolean | number | string | Value[] | { [name: string]: Value };
/** Named values; every value stays on the host, its salted digest goes into the record. */
export type Values = Readonly<Record<string, Value>>;

/** Body of `POST /v1/records`. Nothing in it is defaulted or rewritten by the daemon. */
export interface RecordRequest {
  readonly phase: 'attempted' | 'completed';
  readonly action: { readonly type: string; readonly name: string; readonly target?: string };
  readonly claimed?: Values;
  readonly inputs?: Values;
  readonly parameters?: Values;
  readonly outputs?: Values;
  /** Values that enter the record in clear. */
  readonly plain?: { readonly inputs?: Values; readonly parameters?: Values; readonly outputs?: Values };
  readonly outcome?: {
    readonly status: 'succeeded' | 'failed' | 'timedout' | 'cancelled';
    readonly code?: number;
    readonly effect: 'dispatched' | 'confirmed' | 'unknown';
  };
  readonly artefacts?: readonly {
    readonly name: string;
    readonly sha256: string;
    readonly plain?: boolean;
  }[];
  readonly parents?: readonly { readonly rel: string; readonly digest: string; readonly log?: string }[];
  readonly trace?: { readonly traceparent: string };
  readonly capture?: { readonly complete: boolean; readonly omitted: readonly string[] };
  /** Uses this grant in one step. */
  readonly grant?: string;
}

/** A row of a scope: each text stands for itself or, ending in `*`, for all that begins as it does. */
export interface ScopeRow {
  readonly type: string;
  readonly name: string;
  readonly target?: string;
  readonly parameters?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Body of `POST /v1/grants`. */
export interface GrantRequest {
  readonly scope: readonly ScopeRow[];
  readonly maxUses: number;
  readonly seconds: number;
  readonly holder?: { readonly uid: number; readonly unit?: string; readonly cgroup?: string };
  readonly notBefore?: string;
  readonly delegable?: { readonly depth: number };
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly claimed?: Values;
  readonly parameters?: Values;
  readonly plain?: { readonly parameters?: Values };
  readonly approvals?: readonly string[];
  readonly delegatedFrom?: string;
  readonly breakGlass?: { readonly reason: string };
  readonly parents?: RecordRequest['parents'];
  readonly trace?: RecordRequest['trace'];
}

/** Body of `POST /v1/executions`: a record that uses a grant, without its end. */
export type ExecutionRequest = Omit<RecordRequest, 'phase' | 'outcome' | 'outputs'> & {
  readonly grant: string;
};
/** Body of `POST /v1/executions/{id}/complete`. */
export type CompletionRequest = Pick<
  RecordRequest,
  'outcome' | 'outputs' | 'plain' | 'artefacts' | 'parents' | 'trace' | 'capture' | 'claimed'
>;

/** Answer to a record. */
export interface Receipt {
  /** ULID of the record. */
  readonly id: string;
  /** Record digest, hexadecimal SHA-256 of the entry: the identity of the record everywhere. */
  readonly digest: string;
  /** Place in the log. */
  readonly index: number;
  /** Origin of the log. */
  readonly log: string;
  readonly strength: Strength;
  /** c2sp.org/tlog-proof@v1 text, when sealed. */
  readonly proof?: string;
}

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
}

export interface RecordOptions {
  /** How much to wait for; `sealed` when absent. */
  readonly wait?: Strength;
  /** The same key with the same body gives the same record; with another body it is refused. */
  readonly idempotencyKey?: string;
}

export interface ImportOptions {
  /** Keys of nodes that you pin: a signature by any other is refused. `x` is 32 bytes in base64url. */
  readonly keys?: readonly { readonly nodeId: string; readonly kid: string; readonly x: string }[];
  /** The certificateHash that you have from elsewhere. */
  readonly expect?: string;
  readonly wait?: Strength;
}

export interface Client {
  /** Records one execution. @throws AttestdError with the daemon's code, DAEMON_UNAVAILABLE when it is away */
  record(request: RecordRequest, options?: RecordOptions): Promise<Receipt>;
  /** One record as JSON: entry, place, strength, its own openings. */
  get(id: string): Promise<Record<string, unknown>>;
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
  complete(id: string, request: CompletionRequest, options?: { readonly wait?: Strength }): Promise<Receipt>;
  /** The evidence bundle of a record: the bytes of an `.attest.json` file. */
  bundle(id: string, options?: { readonly lineage?: boolean }): Promise<Uint8Array>;
  /** Erases the openings of a record for good; the tombstone's receipt. */
  forget(id: string, reason?: string): Promise<Receipt>;
  /** A sealed record as a DSSE envelope under the record key. */
  envelope(id: string): Promise<Uint8Array>;
  /** A sealed record as COSE_Sign1 with a receipt (RFC 9942). */
  cose(id: string): Promise<Uint8Array>;
  /** A quote over an auditor's nonce (16 to 64 bytes): the bytes of a fresh-evidence file. */
  quote(nonce: Uint8Array): Promise<Uint8Array>;
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
export function connect(options: ConnectOptions): Client {
  const transport = openTransport(chosenSocket(options.socket, process.env), options.client);
  const json = async <T>(path: string): Promise<T> =>
    read<T>((await transport.call({ method: 'GET', path })).body);
  const post = async <T>(path: string, body: unknown): Promise<T> => {
    const headers = { 'content-type': 'application/json' };
    return read<T>(
      (await transport.call({ method: 'POST', path, body: JSON.stringify(body), headers })).body,
    );
  };
  const bytes = async (path: string) => (await transport.call({ method: 'GET', path })).body;
  return {
    grant: (request, { wait = 'sealed' } = {}) => post(`/v1/grants?wait=${wait}`, request),
    showGrant: (id) => json(`/v1/grants/${encodeURIComponent(id)}`),
    async revoke(id, reason) {
      const why = reason === undefined ? '' : `&reason=${encodeURIComponent(reason)}`;
      const path = `/v1/grants/${encodeURIComponent(id)}?wait=durable${why}`;
      return read<Receipt>((await transport.call({ method: 'DELETE', path })).body);
    },
    approve: (request, seconds, comment) =>
      post('/v1/approvals?wait=durable', { request, seconds, ...(comment === undefined ? {} : { comment }) }),
    begin: (request, { wait = 'durable' } = {}) => post(`/v1/executions?wait=${wait}`, request),
    complete: (id, request, { wait = 'sealed' } = {}) =>
      post(`/v1/executions/${encodeURIComponent(id)}/complete?wait=${wait}`, request),
    async record(request, { wait = 'sealed', idempotencyKey } = {}) {
      const answer = await transport.call({
        method: 'POST',
        path: `/v1/records?wait=${wait}`,
        body: JSON.stringify(request),
        headers: {
          'content-type': 'application/json',
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
      });
      return read<Receipt>(answer.body);
    },
    get: (id) => json(`/v1/records/${encodeURIComponent(id)}`),
    async bundle(id, { lineage = false } = {}) {
      const path = `/v1/records/${encodeURIComponent(id)}/bundle${lineage ? '?lineage=full' : ''}`;
      return (await transport.call({ method: 'GET', path })).body;
    },
    forget: (id, reason) =>
      post(`/v1/records/${encodeURIComponent(id)}/forget`, reason === undefined ? {} : { reason }),
    envelope: (id) => bytes(`/v1/records/${encodeURIComponent(id)}/envelope`),
    cose: (id) => bytes(`/v1/records/${encodeURIComponent(id)}/cose`),
    quote: async (nonce) =>
      (
        await transport.call({
          method: 'POST',
          path: '/v1/quotes',
          body: JSON.stringify({ nonce: Buffer.from(nonce).toString('base64url') }),
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

function read<T>(body: Uint8Array): T {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as T;
  } catch (cause) {
    throw new AttestdError('INTERNAL', 'the daemon answered something that is no JSON', { cause });
  }
}
