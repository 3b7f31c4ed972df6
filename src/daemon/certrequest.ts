/**
 * Certificate requests (PKCS#10) for keys in the TPM, made whole by the daemon: subject and alternative name follow from
 * the host and the name of the key, so that a request signs nothing that somebody chose.
 */
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import type { Key } from '../tpm/key.ts';
import type { Tpm } from '../tpm/tpm.ts';
import { tpmCrypto } from '../tpm/webcrypto.ts';

const OID = { commonName: '2.5.4.3', extensionRequest: '1.2.840.113549.1.9.14', subjectAltName: '2.5.29.17' };
const URI = 6;

/** DER of the request. @param uri subject alternative name, `attestd://…`; what follows its scheme is the common name */
export async function makeCertificateRequest(tpm: Tpm, key: Key, uri: string): Promise<Uint8Array> {
  const { crypto, privateKey, publicKey } = tpmCrypto(tpm, key);
  const engine = new pkijs.CryptoEngine({ name: 'attestd', crypto: crypto as never });
  const request = new pkijs.CertificationRequest();
  request.subject.typesAndValues.push(
    new pkijs.AttributeTypeAndValue({
      type: OID.commonName,
      // X.520 bounds a common name at 64 characters.
      value: new asn1js.Utf8String({ value: uri.replace('attestd://', '').slice(0, 64) }),
    }),
  );
  const names = new pkijs.GeneralNames({ names: [new pkijs.GeneralName({ type: URI, value: uri })] });
  const extensions = new pkijs.Extensions({
    extensions: [
      new pkijs.Extension({
        extnID: OID.subjectAltName,
        critical: false,
        extnValue: names.toSchema().toBER(),
      }),
    ],
  });
  request.attributes = [new pkijs.Attribute({ type: OID.extensionRequest, values: [extensions.toSchema()] })];
  await request.subjectPublicKeyInfo.importKey(publicKey as never, engine);
  await request.sign(privateKey as never, 'SHA-256', engine);
  return new Uint8Array(request.toSchema(true).toBER());
}
