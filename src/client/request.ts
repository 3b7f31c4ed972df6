/** What goes over the socket, in types: requests of records and of governed execution, and the receipt that comes back. */

/** What a receipt vouches for: fsynced; under a TPM quote. */
export type Strength = 'durable' | 'sealed';
export type Value = null | boolean | number | string | Value[] | { [name: string]: Value };
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
    /** An exit status, or the name of a signal or an error. */
    readonly code?: number | string;
    readonly effect: 'dispatched' | 'confirmed' | 'unknown';
  };
  readonly artefacts?: readonly {
    readonly name: string;
    readonly sha256: string;
    readonly plain?: boolean;
  }[];
  readonly parents?: readonly ParentRecord[];
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
  /** Who may use it. Without a uid: the caller itself; `exeSha256`: only while it runs this executable. */
  readonly holder?: {
    readonly uid?: number;
    readonly unit?: string;
    readonly cgroup?: string;
    readonly exeSha256?: string;
  };
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

/** A record that another rests on. */
export interface ParentRecord {
  readonly rel: string;
  readonly digest: string;
  /** Origin, where it is in the log of another host. */
  readonly log?: string;
  /** With `log`: leaf and proof of its sealed receipt, which hold the other log to the checkpoint in it. */
  readonly leaf?: string;
  readonly proof?: string;
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
  /** Leaf hash, and the c2sp.org/tlog-proof@v1 text that leads from it to the sealed checkpoint, when sealed. */
  readonly leaf?: string;
  readonly proof?: string;
}

/** Answer to a record that waits in the spool, for the daemon is away. */
export interface Spooled {
  readonly strength: 'spooled';
  /** The idempotency key under which it will be recorded, once. */
  readonly key: string;
}
