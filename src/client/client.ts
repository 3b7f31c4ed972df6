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
}

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

export interface Client {
  /** Records one execution. @throws AttestdError with the daemon's code, DAEMON_UNAVAILABLE when it is away */
  record(request: RecordRequest, options?: RecordOptions): Promise<Receipt>;
  /** One record as JSON: entry, place, strength, its own openings. */
  get(id: string): Promise<Record<string, unknown>>;
  /** The evidence bundle of a record: the bytes of an `.attest.json` file. */
  bundle(id: string): Promise<Uint8Array>;
  /** A quote over an auditor's nonce (16 to 64 bytes): the bytes of a fresh-evidence file. */
  quote(nonce: Uint8Array): Promise<Uint8Array>;
  status(): Promise<Record<string, unknown>>;
  health(): Promise<Record<string, unknown>>;
  close(): void;
}

/** Opens a connection lazily; nothing is sent before the first call. */
export function connect(options: ConnectOptions): Client {
  const transport = openTransport(chosenSocket(options.socket, process.env), options.client);
  const json = async <T>(path: string): Promise<T> =>
    read<T>((await transport.call({ method: 'GET', path })).body);
  return {
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
    bundle: async (id) =>
      (await transport.call({ method: 'GET', path: `/v1/records/${encodeURIComponent(id)}/bundle` })).body,
    quote: async (nonce) =>
      (
        await transport.call({
          method: 'POST',
          path: '/v1/quotes',
          body: JSON.stringify({ nonce: Buffer.from(nonce).toString('base64url') }),
          headers: { 'content-type': 'application/json' },
        })
      ).body,
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
