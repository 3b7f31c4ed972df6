/** What the judges of the three platforms are asked, each in its own file, in the same four questions. */
import type { Certificate } from '../../evidence/x509/certificate.ts';
import type { SignatureVerifier } from '../../evidence/x509/signature.ts';
import type { Outcome, Part } from '../outcome.ts';
import type { TeePath } from './path.ts';
import type { TeeTrust } from './trust.ts';

export interface TeeContext {
  /** Certificate of the key that vouches for the report. */
  readonly leaf: Certificate;
  readonly path: Part<TeePath>;
  readonly trust: TeeTrust;
  readonly verify: SignatureVerifier;
  /** Milliseconds since 1970 that count as the time of the report. */
  readonly time: Part<number>;
}

type Answer = Outcome | Promise<Outcome>;

export interface TeeJudge<S> {
  /** Whether the key that signed the report is the one that the vendor's certificate speaks for. */
  readonly key: (source: S, context: TeeContext) => Answer;
  /** Whether that key signed exactly this report. */
  readonly signature: (source: S, context: TeeContext) => Answer;
  /** Whether firmware and hardware are of versions that the vendor's certificate and the auditor accept. */
  readonly versions: (source: S, context: TeeContext) => Answer;
  /** Whether the machine keeps its host out: no debugging, no way around. */
  readonly policy: (source: S, context: TeeContext) => Answer;
}
