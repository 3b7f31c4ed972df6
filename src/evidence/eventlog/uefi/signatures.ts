/**
 * The contents of PK, KEK, db and dbx: EFI_SIGNATURE_LIST structures one after the other (UEFI 2.10 §32.4.1), each of
 * one kind of entry and one size. What a person asks is whose certificates and how many digests.
 */
import { toHex } from '../../../core/bytes.ts';
import { sha256 } from '../../../core/hash.ts';
import { readDer, TAG } from '../../x509/der.ts';
import { nameAttributes } from '../../x509/name.ts';
import { Cursor } from '../cursor.ts';

/** Entries beyond this are refused; dbx of today has some hundreds. */
const MAX_ENTRIES = 65_536;

const KINDS: Readonly<Record<string, SignatureKind>> = {
  'a5c059a1-94e4-4aa7-87b5-ab155c2bf072': 'x509',
  'c1c41626-504c-4092-aca9-41f936934328': 'sha256',
  '826ca512-cf10-4ac9-b187-be01496631bd': 'sha1',
  'ff3e5307-9fd0-48c9-85f1-8ad56c701e01': 'sha384',
  '093e0fae-a6c4-4f50-9f1b-d41e2b89c19a': 'sha512',
  '3c5766e8-269c-4e34-aa14-ed776e85b3b6': 'rsa2048',
  '3bd2a492-96c0-4079-b420-fcf98ef103ed': 'x509-sha256',
};

export type SignatureKind = 'x509' | 'x509-sha256' | 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'rsa2048';

export interface UefiSignature {
  /** Its kind; a GUID where nobody here knows it. */
  readonly kind: SignatureKind | string;
  /** GUID of whoever put it there. */
  readonly owner: string;
  readonly data: Uint8Array;
}

/** Reads signature lists that fill `bytes`. @throws MALFORMED */
export function readSignatureLists(bytes: Uint8Array): UefiSignature[] {
  const cursor = new Cursor(bytes, 'signature list');
  const found: UefiSignature[] = [];
  while (cursor.left > 0) {
    const type = cursor.guid();
    const size = cursor.u32();
    const header = cursor.u32();
    const each = cursor.u32();
    const entries = size - 28 - header;
    if (header > cursor.left || each <= 16 || entries < 0 || entries % each !== 0) {
      throw cursor.fail(`a list of ${size} bytes with entries of ${each}`);
    }
    cursor.take(header);
    for (let i = 0; i < entries / each; i++) {
      if (found.length >= MAX_ENTRIES) throw cursor.fail(`more than ${MAX_ENTRIES} entries`);
      found.push({ kind: KINDS[type] ?? type, owner: cursor.guid(), data: cursor.slice(each - 16) });
    }
  }
  return found;
}

/** One entry as an event of EV_EFI_VARIABLE_AUTHORITY has it: owner and data, without the list. @throws MALFORMED */
export function readSignatureData(bytes: Uint8Array): UefiSignature {
  const cursor = new Cursor(bytes, 'signature');
  const owner = cursor.guid();
  const data = cursor.slice(cursor.left);
  return { kind: data[0] === TAG.sequence ? 'x509' : data.length === 32 ? 'sha256' : 'unknown', owner, data };
}

/** What a person calls an entry: the subject of a certificate, else the digest in hexadecimal. */
export function signatureName({ kind, data }: UefiSignature): string {
  if (kind !== 'x509') return toHex(data.subarray(0, 64));
  return subjectOf(data) ?? `certificate ${toHex(sha256(data))}`;
}

const SHORT: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
};

/** The subject of a certificate, `CN=…, O=…`; absent where it is none. Vendors' certificates are not always strict. */
export function subjectOf(certificate: Uint8Array): string | undefined {
  try {
    const tbs = readDer(certificate, []).children[0];
    // version [0] is absent in version 1
    const first = tbs?.children[0]?.tag === 0xa0 ? 5 : 4;
    const subject = tbs?.children[first];
    if (subject === undefined) return undefined;
    return nameAttributes(subject)
      .map(({ oid, value }) => `${SHORT[oid] ?? oid}=${value}`)
      .join(', ');
  } catch {
    return undefined;
  }
}
