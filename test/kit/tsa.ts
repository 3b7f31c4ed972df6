/** A real timestamp authority: `openssl ts` behind HTTP on loopback, at a port of the system's choice. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface HttpTsa {
  readonly url: string;
  /** PEM of its root. */
  readonly rootFile: string;
  /** Requests that came. */
  readonly asked: number;
  /** Headers of the newest. */
  readonly headers: IncomingHttpHeaders;
  /** What the next requests get instead of a timestamp: a status, or another body. */
  instead: { readonly status: number; readonly body?: Uint8Array } | undefined;
  close(): Promise<void>;
}

const CONFIG = `
[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
`;

export async function startTsa(): Promise<HttpTsa> {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-http-tsa-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  writeFileSync(join(dir, 'tsa.cnf'), CONFIG);
  writeFileSync(join(dir, 'serial'), '01\n');
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'root.key',
    '-subj',
    '/CN=TSA root',
    '-days',
    '30',
    '-out',
    'root.pem',
  );
  openssl('req', '-new', ...key, '-keyout', 'tsa.key', '-subj', '/CN=TSA', '-out', 'tsa.csr');
  const ca = ['-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-days', '30'];
  openssl(
    'x509',
    '-req',
    '-in',
    'tsa.csr',
    ...ca,
    '-extfile',
    'tsa.cnf',
    '-extensions',
    'stamping',
    '-out',
    'tsa.pem',
  );

  let asked = 0;
  let headers: IncomingHttpHeaders = {};
  let instead: HttpTsa['instead'];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (c: Buffer) => chunks.push(c));
    request.on('end', () => {
      asked++;
      headers = request.headers;
      if (instead !== undefined) {
        response.statusCode = instead.status;
        response.end(instead.body);
        return;
      }
      const query = `query-${asked}.tsq`;
      const reply = `reply-${asked}.tsr`;
      writeFileSync(join(dir, query), Buffer.concat(chunks));
      const signer = ['-signer', 'tsa.pem', '-inkey', 'tsa.key'];
      openssl('ts', '-reply', '-config', 'tsa.cnf', '-queryfile', query, ...signer, '-out', reply);
      response.setHeader('content-type', 'application/timestamp-reply');
      response.end(readFileSync(join(dir, reply)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    rootFile: join(dir, 'root.pem'),
    get asked() {
      return asked;
    },
    get headers() {
      return headers;
    },
    get instead() {
      return instead;
    },
    set instead(value) {
      instead = value;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
