/**
 * A compressed IMA list, read as it comes: raw DEFLATE (RFC 1951) through the platform's own decoder, which Node and
 * browsers both have, with what is held bounded by a piece of it, however long the list.
 */
import { toHex } from '../../../core/bytes.ts';
import { AttestdError } from '../../../core/errors.ts';
import { createSha256 } from '../../../core/hash.ts';

/** Most bytes of a list when it is unpacked: a few million entries. */
export const MAX_LIST = 1024 * 1024 * 1024;

/** Compressed bytes under the name that the bundle gives them. */
export interface Packed {
  readonly sha256: string;
  readonly size: number;
  readonly bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * Hands the unpacked list to `take`, piece by piece, before it is known whether the bytes are those that were named.
 * @throws MALFORMED where they are not, or are no DEFLATE; TOO_LARGE; what `take` throws
 */
export async function unpack(packed: Packed, take: (piece: Uint8Array) => void): Promise<void> {
  const inflate = new DecompressionStream('deflate-raw');
  const fed = feed(packed, inflate.writable.getWriter() as Writer);
  // Whichever side fails first, the other must not fail unheard.
  fed.catch(() => undefined);
  const reader = inflate.readable.getReader();
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > MAX_LIST) throw new AttestdError('TOO_LARGE', `the IMA list has over ${MAX_LIST} bytes`);
      take(value);
    }
  } catch (e) {
    reader.cancel().catch(() => undefined);
    // What the source itself found wrong says more than the decoder that starved.
    const faults = [await fed.catch((f: unknown) => f), e];
    throw (
      faults.find((f) => f instanceof AttestdError) ??
      new AttestdError('MALFORMED', 'the IMA list is no DEFLATE (RFC 1951)', { cause: e })
    );
  }
  await fed;
}

type Writer = WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

async function feed({ sha256, size, bytes }: Packed, writer: Writer): Promise<void> {
  writer.closed.catch(() => undefined);
  const digest = createSha256();
  let seen = 0;
  try {
    for await (const piece of bytes) {
      seen += piece.length;
      if (seen > size) break;
      digest.update(piece);
      await writer.write(piece as Uint8Array<ArrayBuffer>);
    }
    if (seen !== size || toHex(digest.digest()) !== sha256) {
      throw new AttestdError('MALFORMED', 'the IMA list is not the one that is named');
    }
    await writer.close();
  } catch (e) {
    writer.abort(e).catch(() => undefined);
    throw e;
  }
}
