/**
 * The evidence bundle: one file from which an auditor verifies a record offline. Its bytes are exactly the RFC 8785
 * form of a value that fits a closed schema, so no two files say the same. Reading decides nothing about trust.
 */
import { fromBase64, toBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { BUNDLE_MEDIA_TYPE } from '../core/namespace.ts';
import { parseFile, printFile } from './jsonfile.ts';
import {
  type Bundle,
  BundleSchema,
  type ImaMember,
  type LogsMember,
  MAX_BUNDLE,
  type ProvedEntry,
  type UserspaceEvent,
} from './schema/bundle.ts';

/** An entry with its proof, in bytes. */
export interface ProvedBytes {
  readonly entry: Uint8Array;
  readonly index: number;
  /** Siblings, that of the leaf first, 32 bytes each. */
  readonly hashes: readonly Uint8Array[];
}

/** Reads a bundle; what is accepted prints back to the same bytes. @throws TOO_LARGE, MALFORMED */
export function parseBundle(bytes: Uint8Array): Bundle {
  const bundle = parseFile('bundle', BundleSchema, bytes, MAX_BUNDLE);
  checkOrder(bundle);
  return bundle;
}

/** The bytes of a bundle. @throws MALFORMED when it does not fit its schema, TOO_LARGE */
export function printBundle(content: Omit<Bundle, 'mediaType'>): Uint8Array {
  const bundle: Bundle = { ...content, mediaType: BUNDLE_MEDIA_TYPE };
  checkOrder(bundle);
  const bytes = printFile('bundle', BundleSchema, bundle);
  if (bytes.length > MAX_BUNDLE)
    throw new AttestdError('TOO_LARGE', `the bundle has over ${MAX_BUNDLE} bytes`);
  return bytes;
}

/** The bytes of an entry with its proof as JSON carries them. */
export const printProved = ({ entry, index, hashes }: ProvedBytes): ProvedEntry => ({
  entry: toBase64(entry),
  index,
  hashes: hashes.map(toBase64),
});

/** An entry with its proof out of a parsed bundle. */
export const readProved = ({ entry, index, hashes }: ProvedEntry): ProvedBytes => ({
  entry: fromBase64(entry),
  index,
  hashes: hashes.map(fromBase64),
});

/** A compressed IMA list: its bytes, or the digest by which they are found beside the bundle. */
export interface ImaBytes {
  readonly sha256: string;
  readonly size: number;
  readonly data?: Uint8Array;
}

/** The logs of a boot in bytes, each where it is given. */
export interface LogBytes {
  readonly firmware?: Uint8Array;
  readonly userspace?: readonly UserspaceEvent[];
  readonly ima?: ImaBytes;
}

/** The logs as JSON carries them; nothing where there are none. */
export const printLogs = ({ firmware, userspace, ima }: LogBytes): { logs?: LogsMember } =>
  firmware === undefined && userspace === undefined && ima === undefined
    ? {}
    : {
        logs: {
          ...(firmware === undefined ? {} : { firmware: toBase64(firmware) }),
          ...(userspace === undefined ? {} : { userspace: [...userspace] }),
          ...(ima === undefined ? {} : { ima: printIma(ima) }),
        },
      };

const printIma = ({ sha256, size, data }: ImaBytes): ImaMember => ({
  sha256,
  size,
  ...(data === undefined ? {} : { data: toBase64(data) }),
});

/** The logs out of a parsed bundle. */
export const readLogs = ({ firmware, userspace, ima }: LogsMember): LogBytes => ({
  ...(firmware === undefined ? {} : { firmware: fromBase64(firmware) }),
  ...(userspace === undefined ? {} : { userspace }),
  ...(ima === undefined ? {} : { ima: readIma(ima) }),
});

const readIma = ({ sha256, size, data }: ImaMember): ImaBytes => ({
  sha256,
  size,
  ...(data === undefined ? {} : { data: fromBase64(data) }),
});

/** Lists have one order, and no entry stands in a list twice. */
function checkOrder(bundle: Bundle): void {
  for (const name of ['measurements', 'related', 'keyChanges'] as const) checkRising('bundle', bundle, name);
  const { foreign = [], foreignChains = [] } = bundle;
  if (foreign.some((b, i) => i > 0 && b <= (foreign[i - 1] as string)))
    throw new AttestdError('MALFORMED', 'bundle, /foreign: they do not rise', { field: '/foreign' });
  const leaves = foreignChains.map(({ chain }) => chain[0] as string);
  if (leaves.some((leaf, i) => i > 0 && leaf <= (leaves[i - 1] as string)))
    throw new AttestdError('MALFORMED', 'bundle, /foreignChains: they do not rise', {
      field: '/foreignChains',
    });
}

/** Refuses a list of entries that does not rise by index. @throws MALFORMED */
export function checkRising<N extends string>(
  what: string,
  file: { readonly [name in N]?: readonly ProvedEntry[] | undefined },
  name: N,
): void {
  let last = -1;
  for (const { index } of file[name] ?? []) {
    if (index <= last) {
      const field = `/${name}`;
      throw new AttestdError('MALFORMED', `${what}, ${field}: the indices do not rise`, { field });
    }
    last = index;
  }
}
