/**
 * Names in certificates (RFC 5280 §4.2.1.6). Distinguished names are compared as raw bytes and never normalised:
 * vendors encode the same words in different ways, and a comparison that forgives can be made to forgive too much.
 */
import { fromUtf8, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Der, oidText, TAG } from './der.ts';

/** One attribute of a distinguished name; `value` is its text, or hex where it is no text. */
export interface NameAttribute {
  readonly oid: string;
  readonly value: string;
}

/** One GeneralName as it stands: its identifier octet and content; for a directoryName the DER of the Name. */
export interface GeneralName {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** The subject alternative names that attestation uses; `other` counts the kinds it does not. */
export interface AlternativeNames {
  /** All of them, undecoded, in order. */
  readonly all: readonly GeneralName[];
  readonly directory: readonly NameAttribute[];
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly otherNames: readonly { readonly oid: string; readonly value: Uint8Array }[];
  readonly other: number;
}

/** The attributes of a Name, in order. @throws MALFORMED */
export function nameAttributes(name: Der): NameAttribute[] {
  const out: NameAttribute[] = [];
  for (const rdn of name.children) {
    for (const pair of rdn.children) {
      const value = pair.children[1];
      if (value === undefined) throw new AttestdError('MALFORMED', 'DER: a name attribute without a value');
      out.push({ oid: oidText(pair.children[0], 'name attribute'), value: text(value.content) });
    }
  }
  return out;
}

const text = (b: Uint8Array): string => {
  try {
    return fromUtf8(b);
  } catch {
    return toHex(b);
  }
};

/** GeneralNames of a subject alternative name. @throws MALFORMED */
export function alternativeNames(names: Der): AlternativeNames {
  const directory: NameAttribute[] = [];
  const uris: string[] = [];
  const dns: string[] = [];
  const otherNames: { oid: string; value: Uint8Array }[] = [];
  let other = 0;
  for (const n of names.children) {
    const inner = n.children[0];
    if (n.tag === 0xa4 && inner?.tag === TAG.sequence) directory.push(...nameAttributes(inner));
    else if (n.tag === 0x86) uris.push(text(n.content));
    else if (n.tag === 0x82) dns.push(text(n.content));
    else if (n.tag === 0xa0) {
      const value = n.children[1]?.children[0]?.bytes ?? new Uint8Array();
      otherNames.push({ oid: oidText(inner, 'other name'), value });
    } else other++;
  }
  const all = names.children.map(({ tag, content }) => ({ tag, content }));
  return { all, directory, uris, dns, otherNames, other };
}
