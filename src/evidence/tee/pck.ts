/**
 * The SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL Profile §1.3.5): which family of platform
 * it is (FMSPC, PCEID) and at which security versions the key was derived.
 */
import { AttestdError } from '../../core/errors.ts';
import type { Certificate } from '../x509/certificate.ts';
import { type Der, expect, oidText, readDer, smallInteger, TAG } from '../x509/der.ts';

const SGX = '1.2.840.113741.1.13.1';

export interface PckExtension {
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** Versions of the 16 components, 0 to 255 each. */
  readonly components: readonly number[];
  readonly pceSvn: number;
}

/** Reads it. @throws MALFORMED when it is missing or incomplete */
export function readPckExtension(certificate: Certificate): PckExtension {
  const value = certificate.extensions.find((e) => e.oid === SGX)?.value;
  if (value === undefined) throw new AttestdError('MALFORMED', 'the certificate has no SGX extension');
  const all = members(readDer(value, []));
  const tcb = members(find(all, '2'));
  const octets = (id: string, size: number): Uint8Array => {
    const { content } = expect(find(all, id), TAG.octetString, `SGX extension ${id}`);
    if (content.length !== size)
      throw new AttestdError('MALFORMED', `SGX extension ${id} is not ${size} bytes`);
    return content;
  };
  return {
    fmspc: octets('4', 6),
    pceId: octets('3', 2),
    components: Array.from({ length: 16 }, (_, i) => smallInteger(find(tcb, `2.${i + 1}`), 'SGX component')),
    pceSvn: smallInteger(find(tcb, '2.17'), 'PCESVN'),
  };
}

/** OID below the SGX arc → value, of a SEQUENCE of pairs. */
function members(node: Der): ReadonlyMap<string, Der> {
  const out = new Map<string, Der>();
  for (const pair of expect(node, TAG.sequence, 'SGX extension').children) {
    const oid = oidText(pair.children[0], 'SGX extension');
    const value = pair.children[1];
    if (value === undefined || out.has(oid)) throw new AttestdError('MALFORMED', `SGX extension ${oid}`);
    out.set(oid, value);
  }
  return out;
}

function find(map: ReadonlyMap<string, Der>, id: string): Der {
  const found = map.get(`${SGX}.${id}`);
  if (found === undefined) throw new AttestdError('MALFORMED', `SGX extension ${id} is missing`);
  return found;
}
