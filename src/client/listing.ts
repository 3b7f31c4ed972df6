/** Lists of records, as the SDK asks for them and gets them. */

/** Which records `list` gives; every member that is there must match. */
export interface ListQuery {
  /** Places of a page: entries before this index, newest first, or those after it, onwards. */
  readonly before?: number;
  readonly after?: number;
  /** 1 to 500; 50 when absent. */
  readonly limit?: number;
  /** Kind of record, such as `execution`, `grant`, `denial`. */
  readonly kind?: string;
  readonly uid?: number;
  /** `type`, `name` or `type/name`; ending in `*`, all that begins so. */
  readonly action?: string;
  readonly decision?: 'permitted' | 'denied' | 'ungoverned';
  /** ULID of a grant. */
  readonly grant?: string;
  /** W3C trace id, 32 hexadecimal digits. */
  readonly trace?: string;
  /** `2026-11-21T15:02:11.000Z`, both included. */
  readonly since?: string;
  readonly until?: string;
  /** Stands anywhere in the statement. */
  readonly text?: string;
}

/** A record in a line; members that do not apply to its kind are absent. */
export interface Listed {
  readonly index: number;
  readonly digest: string;
  readonly id: string;
  readonly kind: string;
  readonly time: string;
  readonly uid?: number;
  readonly exe?: string;
  readonly unit?: string;
  readonly action?: string;
  readonly target?: string;
  readonly phase?: string;
  readonly status?: string;
  readonly decision?: 'permitted' | 'denied' | 'ungoverned';
  readonly reason?: string;
  readonly grant?: string;
  readonly trace?: string;
}

/** A page of a list. An empty one with `next` has looked at a part of the log and found nothing there. */
export interface Page {
  readonly records: readonly Listed[];
  readonly next?: { readonly before?: number; readonly after?: number };
  /** Entries in the log. */
  readonly size: number;
}
