/** An operator's own authority and timestamping authority, by OpenSSL: what stands beside attestd in other tools. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const EXTENSIONS = `
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signing]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning
subjectAltName = critical, URI:attestd://test/host-1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
1.3.6.1.4.1.57264.1.8 = ASN1:UTF8String:https://ca.example
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = critical, URI:attestd://test/host-1/deploy
[tsa]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[service]
dir = .
serial = tsa-serial
crypto_device = builtin
signer_cert = tsa.pem
certs = operator.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
[req]
distinguished_name = dn
[dn]
`;

export interface OperatorAuthority {
  /** Issues a certificate for a request. @param profile signing (for the record key) or client */
  issue(request: string, profile: 'signing' | 'client', out: string): void;
  /** Answers an RFC 3161 query file. */
  stamp(query: string, out: string): void;
  /** Runs openssl in the folder. */
  openssl(...args: string[]): string;
}

/** Makes `operator.pem`, `tsa.pem` and `tsa-chain.pem` in a folder. */
export function makeOperatorAuthority(dir: string): OperatorAuthority {
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  writeFileSync(join(dir, 'operator.cnf'), EXTENSIONS);
  writeFileSync(join(dir, 'tsa-serial'), '01\n');
  const config = ['-config', 'operator.cnf'];
  const name = (cn: string) => ['-subj', `/O=Example/CN=${cn}`];
  openssl(
    ...['req', '-x509', ...config, '-extensions', 'ca', ...key, '-keyout', 'operator.key'],
    ...['-out', 'operator.pem', '-days', '30', ...name('Operator')],
  );
  const issue = (request: string, profile: string, out: string) =>
    openssl(
      ...['x509', '-req', '-in', request, '-CA', 'operator.pem', '-CAkey', 'operator.key', '-days', '20'],
      ...['-extfile', 'operator.cnf', '-extensions', profile, '-out', out],
    );
  openssl('req', '-new', ...config, ...key, '-keyout', 'tsa.key', '-out', 'tsa.csr', ...name('Time'));
  issue('tsa.csr', 'tsa', 'tsa.pem');
  writeFileSync(
    join(dir, 'tsa-chain.pem'),
    openssl('x509', '-in', 'tsa.pem') + openssl('x509', '-in', 'operator.pem'),
  );
  return {
    issue: (request, profile, out) => void issue(request, profile, out),
    stamp: (query, out) =>
      void openssl(
        'ts',
        '-reply',
        '-config',
        'operator.cnf',
        '-section',
        'service',
        '-queryfile',
        query,
        '-out',
        out,
      ),
    openssl,
  };
}
