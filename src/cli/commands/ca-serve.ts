/** `attestctl ca serve`: the authority over HTTPS, until it is told to stop. */
import { isIP } from 'node:net';
import { type AllowedHost, parseAllowList } from '../../ca/allowlist.ts';
import { RATE_LIMITS } from '../../ca/rates.ts';
import { type AuthorityServer, startAuthorityServer } from '../../ca/serve.ts';
import { makeServerIdentity, type ServerIdentity } from '../../ca/servercert.ts';
import type { Signer } from '../../ca/signer.ts';
import { AttestdError } from '../../core/errors.ts';
import { chosenAuthority, withSigner } from '../authority.ts';
import { type Input, text } from '../command.ts';
import { readInput } from '../files.ts';

const DEFAULT_LISTEN = '127.0.0.1:8443';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const authority = await chosenAuthority(input);
  const at = listenAt(text(input, 'listen') ?? DEFAULT_LISTEN);
  const list = text(input, 'allow') as string;
  const read = async (): Promise<readonly AllowedHost[]> =>
    parseAllowList(new TextDecoder().decode(await readInput(list, io)));
  await read();
  return withSigner(input, authority, async (signer) => {
    const server = await startAuthorityServer(
      {
        authority,
        signer,
        tls: await chosenTls(input, authority, signer, at.host),
        limits: { ...RATE_LIMITS, ...rate(input) },
        allowed: read,
        monotonic: () => performance.now(),
        crlDays: whole(input, 'crlDays', 7, 365),
        journal: (event, facts) =>
          io.note(
            `${event} ${Object.entries(facts)
              .map(([k, v]) => `${k}=${v.replace(/[\p{Cc}]/gu, ' ')}`)
              .join(' ')}`,
          ),
      },
      at,
    );
    const url = `https://${isIP(at.host) === 6 ? `[${at.host}]` : at.host}:${server.port}`;
    if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/serving/v1', url })}\n`);
    else io.out(`${url}\n`);
    await stopped(server);
    return 0;
  });
}

/** The files of `--tls-cert` and `--tls-key`, or a certificate of its own. */
async function chosenTls(
  input: Input,
  authority: Parameters<typeof makeServerIdentity>[0],
  signer: Signer,
  host: string,
): Promise<ServerIdentity> {
  const cert = text(input, 'tlsCert');
  const key = text(input, 'tlsKey');
  if ((cert === undefined) !== (key === undefined)) {
    throw new AttestdError('USAGE', '--tls-cert and --tls-key go together');
  }
  if (cert === undefined || key === undefined) {
    return makeServerIdentity(authority, signer, text(input, 'serverName') ?? host);
  }
  const pem = async (path: string) => new TextDecoder().decode(await readInput(path, input.io));
  return { key: await pem(key), cert: await pem(cert) };
}

function listenAt(spec: string): { host: string; port: number } {
  const m = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(spec);
  const port = Number(m?.[3]);
  if (m === null || port > 65_535) {
    throw new AttestdError('USAGE', `${spec} is not address:port`, { field: '--listen' });
  }
  return { host: (m[1] ?? m[2]) as string, port };
}

function rate(input: Input): { perMinute?: number; burst?: number } {
  const perMinute = whole(input, 'rate', RATE_LIMITS.perMinute, 1_000_000);
  return { perMinute, burst: Math.max(RATE_LIMITS.burst, Math.ceil(perMinute / 2)) };
}

function whole(input: Input, name: string, fallback: number, max: number): number {
  const given = text(input, name);
  const n = given === undefined ? fallback : Number(given);
  if (!Number.isInteger(n) || n < 1 || n > max) {
    throw new AttestdError('USAGE', `${given} is not a whole number from 1 to ${max}`, {
      field: `--${name}`,
    });
  }
  return n;
}

async function stopped(server: AuthorityServer): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await server.close();
}
