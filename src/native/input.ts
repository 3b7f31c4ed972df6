/** What the methods of the TPM face take. Structures are TPM wire bytes; see tpm.ts. */
import type { HmacSession, Session, TpmObject } from './handle.ts';

/** What every command takes last. */
export interface CommandOptions {
  /** Milliseconds from now, waiting in the queue included; the context's own deadline when absent. */
  readonly deadlineMs?: number;
  /** Authorises the first handle that needs it; a password session (auth of `setAuth`, else empty) when absent. */
  readonly auth?: Session;
  /** Authorises the second one (certify, nvCertify, activateCredential, certifyCreation has one only). */
  readonly auth2?: Session;
  /**
   * One more HMAC session that authorises nothing and encrypts the first parameter both ways. Not needed where
   * `auth` or `auth2` is a salted HMAC session: the first session started with `tpmKey` encrypts by itself,
   * wherever the command has something to encrypt.
   */
  readonly protect?: HmacSession;
}

export interface CreateInput {
  /** TPMT_PUBLIC template. */
  readonly public: Uint8Array;
  /** Auth of the new object; never ending in a zero byte (a fault of tpm2-tss before 4.1). */
  readonly sensitiveAuth?: Uint8Array;
  /** Data to seal. */
  readonly sensitiveData?: Uint8Array;
  readonly outsideInfo?: Uint8Array;
  /** TPML_PCR_SELECTION */
  readonly creationPcr?: Uint8Array;
}

/** TPMT_SIG_SCHEME is taken from the key (TPM_ALG_NULL) unless `scheme` (wire bytes) is given. */
export interface AttestInput {
  readonly key: TpmObject;
  /** Becomes extraData. */
  readonly qualifyingData: Uint8Array;
  readonly scheme?: Uint8Array;
}

export interface SessionInput {
  readonly type: 'hmac' | 'policy' | 'trial';
  /** Name hash of the session: 'sha256' when absent. */
  readonly hash?: 'sha256' | 'sha384' | 'sha512';
  /**
   * Salts the session to this decryption key (whose Name the caller has checked) and turns on AES-128-CFB
   * parameter encryption both ways.
   */
  readonly tpmKey?: TpmObject;
}

export interface OpenInput {
  /** `device:/dev/tpmrm0`, `swtpm:path=/run/x.sock`, `tabrmd:` */
  readonly tcti: string;
  /** How many commands may wait. */
  readonly queue: number;
  /** Deadline of a command that names none, and of open and close, in milliseconds. */
  readonly deadlineMs: number;
}
