/** What takes records, as everybody sees it who needs one; engine.ts starts it. */
import type { Body, BuiltRecord } from '../evidence/record.ts';
import type { Kind, Predicate, Subject } from '../evidence/statement.ts';
import type { Counter } from '../tpm/counter.ts';
import type { Identity } from '../tpm/keys.ts';
import type { Quoter } from '../tpm/quote.ts';
import type { MessageSigner } from '../tpm/signer.ts';
import type { Keys } from '../verify/keys.ts';
import type { Anchors } from './anchors.ts';
import type { Forget } from './forgetting.ts';
import type { Governor } from './govern/governor.ts';
import type { Keyring } from './keyring.ts';
import type { Shelf } from './machine/shelf.ts';
import type { Measuring } from './measured/measuring.ts';
import type { MeasuredPlaces } from './measured/places.ts';
import type { PcrFiles } from './pcrfile.ts';
import type { Published } from './published.ts';
import type { Recorder } from './recorder.ts';
import type { Retention } from './retaining/retention.ts';
import type { Run } from './run.ts';
import type { Sealer } from './sealer.ts';

export interface Engine {
  readonly origin: string;
  readonly genesis: Predicate<'genesis'>;
  readonly identity: Identity;
  /** Every key of the host that was in force in this log. */
  readonly hostKeys: Keys;
  /** The record key, for our own exports. */
  readonly signer: MessageSigner;
  /** The keys of callers. */
  readonly keys: Keyring;
  readonly quoter: Quoter;
  readonly recorder: Recorder;
  readonly governor: Governor;
  readonly sealer: Sealer;
  readonly published: Published;
  readonly pcrs: PcrFiles;
  readonly shelf: Shelf;
  readonly counter: Counter | undefined;
  readonly anchors: Anchors | undefined;
  /** Where measurements are in the log. */
  readonly places: MeasuredPlaces;
  readonly measuring: Measuring | undefined;
  readonly run: () => Run | undefined;
  /** A record of this moment and this run, for the recorder. */
  build<K extends Kind>(kind: K, body: Body<K>, artefacts?: readonly Subject[]): BuiltRecord;
  readonly forget: Forget;
  readonly retention: Retention;
  /** Why the last attempt to seal failed; undefined when it did not. */
  readonly trouble: () => Error | undefined;
  /** Final anchor, final seal; leaves store and TPM open. */
  stop(): Promise<void>;
}
