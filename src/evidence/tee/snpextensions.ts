/**
 * The AMD extensions of VCEK and VLEK certificates (publications 57230 §3.1 and 58369): which product, which security
 * versions the key was derived for, and for which chip (VCEK) or cloud provider (VLEK). A hwID is 64 bytes, bare in
 * older certificates and inside an OCTET STRING in newer ones, and 8 bytes for Turin.
 */
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Certificate } from '../x509/certificate.ts';
import { expect, readDer, smallInteger } from '../x509/der.ts';
import type { SnpTcb } from './snp.ts';

const BASE = '1.3.6.1.4.1.3704.1';
const IA5_STRING = 0x16;
const OCTET_STRING = 0x04;

export interface SnpExtensions {
  /** Milan, Genoa, Turin, sometimes with a stepping: `Milan-B0`. */
  readonly product: string;
  readonly tcb: SnpTcb;
  /** The chip that a VCEK was made for, 64 or 8 bytes. */
  readonly hwId?: Uint8Array;
  /** The cloud provider that a VLEK was made for. */
  readonly provider?: string;
}

/** Reads them. @throws MALFORMED when one is missing or not what it should be */
export function readSnpExtensions(certificate: Certificate): SnpExtensions {
  const find = (oid: string) => certificate.extensions.find((e) => e.oid === `${BASE}.${oid}`)?.value;
  const must = (oid: string): Uint8Array => {
    const value = find(oid);
    if (value === undefined)
      throw new AttestdError('MALFORMED', `the AMD extension ${BASE}.${oid} is missing`);
    return value;
  };
  const version = (oid: string): number => {
    const n = smallInteger(readDer(must(oid), []), `AMD extension ${oid}`);
    if (n > 255) throw new AttestdError('MALFORMED', `the AMD extension ${BASE}.${oid} is over 255`);
    return n;
  };
  const text = (value: Uint8Array) => fromUtf8(expect(readDer(value, []), IA5_STRING, 'AMD text').content);
  const hwId = find('4');
  const provider = find('5');
  return {
    product: text(must('2')),
    tcb: {
      bootLoader: version('3.1'),
      tee: version('3.2'),
      snp: version('3.3'),
      microcode: version('3.8'),
      ...(find('3.9') === undefined ? {} : { fmc: version('3.9') }),
    },
    ...(hwId === undefined ? {} : { hwId: hardwareId(hwId) }),
    ...(provider === undefined ? {} : { provider: text(provider) }),
  };
}

function hardwareId(value: Uint8Array): Uint8Array {
  const wrapped = value.length === 66 && value[0] === OCTET_STRING && value[1] === 64;
  const id = wrapped ? value.subarray(2) : value;
  if (id.length !== 64 && id.length !== 8) {
    throw new AttestdError('MALFORMED', `a hwID of ${id.length} bytes`);
  }
  return id;
}
