/**
 * The audit of an enrolment authority's log: every entry in its place, the checkpoint by the authority's key, and the
 * rules that the authority promises to keep (an EK stays with one name, one live AK per EK, a challenge is used once,
 * CRL numbers rise). It is fed the entries in order and then the checkpoint.
 */
import { equal, fromBase64, toBase64, toHex, utf8, ZERO32 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { hostUri } from '../../evidence/akprofile.ts';
import { authorityOrigin, lineDigest, parseAuthorityEntry } from '../../evidence/authoritylog.ts';
import type { AuthorityLine } from '../../evidence/schema/authority.ts';
import { type Certificate, parseCertificate } from '../../evidence/x509/certificate.ts';
import { verifySignature } from '../../evidence/x509/signature.ts';
import { parseCheckpoint } from '../../log/checkpoint.ts';
import { ecdsaKeyId } from '../../log/keys.ts';
import { leafHash } from '../../log/merkle.ts';
import { findSignature, parseNote } from '../../log/note.ts';
import { CompactRange } from '../../log/range.ts';
import { type Finding, MAX_FINDINGS } from './finding.ts';

/** What is known of the authority from outside its log: its certificate, for the key. */
export interface AuthorityReport {
  readonly schema: 'attestd.dev/authority-audit/v1';
  readonly verdict: 'verified' | 'rejected' | 'indeterminate';
  readonly origin: string;
  readonly entries: number;
  /** How many of them the checkpoint covers. */
  readonly signed: number;
  readonly root: string;
  /** How often each event stands in it. */
  readonly events: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

type Issued = Extract<AuthorityLine, { event: 'issued' }>;

export class AuthorityAudit {
  readonly #certificate: Certificate;
  readonly #origin: string;
  readonly #range = new CompactRange();
  readonly #roots = new Map<number, Uint8Array>();
  readonly #findings: Finding[] = [];
  readonly #events: Record<string, number> = {};
  readonly #nameOf = new Map<string, string>();
  readonly #live = new Map<string, Issued>();
  readonly #challenges = new Map<string, 'open' | 'burnt' | 'issued'>();
  readonly #pending: Promise<void>[] = [];
  #prev: Uint8Array = ZERO32;
  #time = '';
  #crl = 0n;

  /** @param certificate of the authority, from the auditor and not from the log */
  constructor(certificate: Certificate) {
    this.#certificate = certificate;
    this.#origin = authorityOrigin(certificate.spki);
    this.#roots.set(0, this.#range.root());
  }

  /** Takes the next entry. */
  entry(bytes: Uint8Array): void {
    const at = this.#range.size;
    this.#range.append(leafHash(bytes));
    this.#roots.set(at + 1, this.#range.root());
    try {
      const { log, index, line } = parseAuthorityEntry(bytes);
      this.#events[line.event] = (this.#events[line.event] ?? 0) + 1;
      if (log !== this.#origin) this.#found('entry-log', at, `it names the log ${log}`);
      if (index !== at) this.#found('entry-place', at, `it says that it is entry ${index}`);
      if (line.prev !== toHex(this.#prev)) this.#found('entry-prev', at, 'it names another line before it');
      if (line.time < this.#time) this.#found('time-order', at, `${line.time} after ${this.#time}`);
      this.#prev = lineDigest(line);
      this.#time = line.time;
      this.#rule(at, line);
    } catch (e) {
      this.#found('entry-form', at, (e as Error).message);
    }
  }

  #rule(at: number, line: AuthorityLine): void {
    if ((at === 0) !== (line.event === 'created' || line.event === 'requested')) {
      this.#found('created-place', at, 'the log begins with how the authority was made, and only there');
    }
    if (line.event === 'challenged') {
      if (this.#challenges.has(line.challenge)) this.#found('challenge-twice', at, 'it was made before');
      this.#challenges.set(line.challenge, 'open');
    } else if (line.event === 'burnt') {
      if (this.#challenges.get(line.challenge) !== 'open') {
        this.#found('challenge-use', at, 'a challenge was used that was not open');
      }
      this.#challenges.set(line.challenge, 'burnt');
    } else if (line.event === 'issued') this.#issued(at, line);
    else if (line.event === 'revoked' || line.event === 'superseded') {
      // Removed from the live ones; that it was issued here is all that can be asked of it.
      for (const [ek, l] of this.#live) if (l.serial === line.serial) this.#live.delete(ek);
    } else if (line.event === 'crl') {
      const number = BigInt(line.number);
      if (number <= this.#crl) this.#found('crl-number', at, `CRL ${number} follows CRL ${this.#crl}`);
      this.#crl = number;
    }
  }

  #issued(at: number, line: Issued): void {
    const name = hostUri(line.fleet, line.host);
    const bound = this.#nameOf.get(line.ek);
    if (bound !== undefined && bound !== name) {
      this.#found('ek-two-names', at, `the EK of ${bound} was certified as ${name}`);
    }
    this.#nameOf.set(line.ek, name);
    const live = this.#live.get(line.ek);
    if (live !== undefined && live.notAfter >= line.time) {
      this.#found('ek-two-aks', at, `the EK has the live certificate ${live.serial}`);
    }
    for (const other of this.#live.values()) {
      if (other.ek !== line.ek && hostUri(other.fleet, other.host) === name && other.notAfter >= line.time) {
        this.#found('name-two-eks', at, `${name} belongs to another EK`);
      }
    }
    this.#live.set(line.ek, line);
    // A renewed certificate names the exchange that earned the first one.
    const state = this.#challenges.get(line.challenge);
    if (state !== 'burnt' && state !== 'issued') {
      this.#found('challenge-use', at, 'it was issued without a challenge that was answered');
    }
    this.#challenges.set(line.challenge, 'issued');
    this.#pending.push(
      this.#certificateFault(line, name).then((why) => {
        if (why !== undefined) this.#found('issued-certificate', at, why);
      }),
    );
  }

  async #certificateFault(line: Issued, name: string): Promise<string | undefined> {
    let c: Certificate;
    try {
      c = parseCertificate(fromBase64(line.certificate));
    } catch (e) {
      return (e as Error).message;
    }
    if (toHex(c.serial) !== line.serial) return 'the certificate has another serial';
    if (toHex(sha256(c.spki)) !== line.ak) return 'the certificate is for another AK';
    if (!c.alternativeNames?.uris.includes(name)) return 'the certificate names another host';
    const { spki, key } = this.#certificate;
    const good = await verifySignature({ spki, facts: key }, c.algorithm, c.tbs, c.signature);
    return good ? undefined : 'the certificate is not signed by this authority';
  }

  /** Ends the audit. @param note the checkpoint; absent: nothing is signed */
  async finish(note?: Uint8Array): Promise<AuthorityReport> {
    await Promise.all(this.#pending);
    const signed = note === undefined ? 0 : await this.#checkpoint(note);
    if (this.#range.size === 0) this.#found('created-place', 0, 'the log is empty');
    return {
      schema: 'attestd.dev/authority-audit/v1',
      verdict: this.#findings.length > 0 ? 'rejected' : signed === 0 ? 'indeterminate' : 'verified',
      origin: this.#origin,
      entries: this.#range.size,
      signed,
      root: toBase64(this.#range.root()),
      events: this.#events,
      findings: this.#findings,
    };
  }

  async #checkpoint(bytes: Uint8Array): Promise<number> {
    try {
      const note = parseNote(bytes);
      const { origin, size, root } = parseCheckpoint(note.text);
      const { spki, key } = this.#certificate;
      const line = findSignature(note, this.#origin, ecdsaKeyId(spki));
      const how = { kind: 'ecdsa', hash: 'SHA-256' } as const;
      const good =
        line !== undefined &&
        (await verifySignature({ spki, facts: key }, how, utf8(note.text), line.signature));
      if (origin !== this.#origin || !good) {
        this.#found('checkpoint-signature', size, 'it is not signed by this authority');
        return 0;
      }
      const actual = this.#roots.get(size);
      if (actual === undefined) this.#found('checkpoint-size', size, `the log holds ${this.#range.size}`);
      else if (!equal(actual, root))
        this.#found('checkpoint-root', size, 'it is not the root of the entries');
      return size;
    } catch (e) {
      this.#found('checkpoint-form', this.#range.size, (e as Error).message);
      return 0;
    }
  }

  #found(id: string, at: number, sentence: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ id, at, sentence });
  }
}
