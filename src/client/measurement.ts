/** What a caller may have measured, and what the daemon says of it. */
import type { Receipt } from './request.ts';

/** Body of `POST /v1/measurements`: a file by its path, which the daemon reads; an image or a model by its digest. */
export type MeasurementRequest =
  | { readonly type: 'file'; readonly name: string }
  | { readonly type: 'image' | 'model'; readonly name: string; readonly sha256: string };

/** Answer to a measurement: the receipt of its entry, and what was extended. */
export interface Measured extends Receipt {
  readonly event: { readonly type: string; readonly name: string; readonly sha256: string };
}
