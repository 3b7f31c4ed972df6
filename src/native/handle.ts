/**
 * What stands for a handle of the TPM: opaque values with a type tag, never numbers, so that no two kinds are mixed
 * up. The native side frees the slot in the TPM when one is flushed or collected.
 */
declare const kind: unique symbol;

/** A loaded object (transient or persistent). Flushed by `flush`, or by the collector when it is abandoned. */
export interface TpmObject {
  readonly [kind]: 'object';
}
/** A defined NV index. `flush` forgets it; it never undefines it. */
export interface NvIndex {
  readonly [kind]: 'nv';
}
/** An HMAC session, salted when it was started with `tpmKey`. */
export interface HmacSession {
  readonly [kind]: 'hmac';
}
/** A policy or trial session. */
export interface PolicySession {
  readonly [kind]: 'policy';
}
/** A hash sequence object. */
export interface HashSequence {
  readonly [kind]: 'sequence';
}
export type Session = HmacSession | PolicySession;
export type Handle = TpmObject | NvIndex | Session | HashSequence;
export type Hierarchy = 'owner' | 'endorsement' | 'platform' | 'lockout' | 'null';
/** Whatever can authorise: a hierarchy, an object or an NV index. */
export type Entity = Hierarchy | TpmObject | NvIndex;
