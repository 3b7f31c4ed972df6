/**
 * A fleet enrols: software TPMs of their own, each with its own endorsement key and the certificate of one vendor,
 * twenty at a time over HTTPS. `ATTESTD_FLEET` says how many, 200 when absent.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseAllowList } from '../../src/ca/allowlist.ts';
import { rootPem } from '../../src/ca/authority.ts';
import { listCertificates } from '../../src/ca/listing.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { type AuthorityServer, startAuthorityServer } from '../../src/ca/serve.ts';
import { makeServerIdentity } from '../../src/ca/servercert.ts';
import { auditAuthority } from '../../src/cli/audit/authority.ts';
import { createAuthorityClient } from '../../src/cli/authorityclient.ts';
import type { Io } from '../../src/cli/io.ts';
import { toHex } from '../../src/core/bytes.ts';
import { parseCertificateFile } from '../../src/evidence/certfile.ts';
import { ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import { parsePublic, publicSpki } from '../../src/evidence/tpm/public.ts';
import { ekOfCertificate } from '../../src/tpm/ek.ts';
import { ekTemplate } from '../../src/tpm/ektemplate.ts';
import { checkIssued, makeRequest, respond } from '../../src/tpm/enrol.ts';
import { bytes } from '../../src/tpm/key.ts';
import { createIdentity } from '../../src/tpm/keys.ts';
import { openTpm, type Tpm } from '../../src/tpm/tpm.ts';
import { issue, type Keys } from '../kit/authority.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { random } from '../tpm/host.ts';
import { type Desk, failure, makeDesks } from './desk.ts';

const FLEET = Number(process.env.ATTESTD_FLEET ?? 200);
const AT_ONCE = 20;
const selection = [{ hash: ALG_SHA256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7] }];
const names = Array.from({ length: FLEET }, (_, i) => `host-${i + 1}`);

let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
let server: AuthorityServer;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-fleet-'));
  desks = await makeDesks();
  desk = await desks.desk('software', Date.now());
  const { authority, signer } = desk;
  const list = parseAllowList('fleet/* certified');
  server = await startAuthorityServer(
    {
      authority,
      signer,
      tls: await makeServerIdentity(authority, signer, '127.0.0.1'),
      limits: { perMinute: 100_000, burst: 1000, inFlight: 64 },
      allowed: async () => list,
      monotonic: () => performance.now(),
      crlDays: 7,
      journal: () => undefined,
    },
    { host: '127.0.0.1', port: 0 },
  );
});
afterAll(async () => {
  await server?.close();
  desks?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The vendor certifies the P-256 EK of a TPM, as it does before the TPM leaves the factory. */
async function manufacture(tpm: Tpm): Promise<Uint8Array> {
  const area = await tpm.run(async (w) => {
    await w.room();
    const made = await w.ctx.createPrimary(
      { hierarchy: 'endorsement', public: ekTemplate('p256', 'low') },
      w.plain(),
    );
    w.keep(made.handle);
    return bytes(made.public);
  });
  const { certificate } = await issue({
    subject: '',
    issuer: desk.vendor.issuer,
    key: { spki: publicSpki(parsePublic(area)) } as Keys,
    keyUsage: 0x08,
    purposes: ['2.23.133.8.1'],
    uris: [],
  });
  return certificate.der;
}

/** One host: its TPM, its keys, the four files. @returns serial of its certificate, and what a second try came to */
async function enrol(host: string, swtpm: Swtpm): Promise<{ serial: string; again: string }> {
  try {
    const tpm = await openTpm({ tcti: swtpm.tcti, deadlineMs: 120_000 });
    try {
      const certificate = await manufacture(tpm);
      const identity = await createIdentity(tpm, { dir: join(dir, host) }, random);
      const ek = await ekOfCertificate(tpm, certificate);
      const chain = [desk.vendor.issuer.certificate.der];
      const input = { fleet: 'fleet', identity, ek, chain, random, clock: Date.now };
      const authority = createAuthorityClient(`https://127.0.0.1:${server.port}`, rootPem(desk.authority));
      const once = async (as: string) => {
        const request = await makeRequest(tpm, { ...input, host: as });
        const challenge = await authority.challenge(request);
        return authority.certificate(
          await respond(tpm, { request, challenge, identity, ek, selection, clock: Date.now }),
        );
      };
      const [leaf] = parseCertificateFile(await once(host)).chain as [Uint8Array];
      checkIssued(leaf, identity);
      const again = await failure(once(host));
      return { serial: toHex(identity.ak.name), again: again.message.split(':')[0] as string };
    } finally {
      await tpm.close();
    }
  } finally {
    await swtpm.stop();
  }
}

it(`${FLEET} software TPMs enrol, ${AT_ONCE} at a time, none twice, and the audit log lists each`, async () => {
  const done: { serial: string; again: string }[] = [];
  for (let from = 0; from < FLEET; from += AT_ONCE) {
    const batch = names.slice(from, from + AT_ONCE);
    // Every TPM of a batch is on before the first connection is made: a swtpm started later would inherit it
    // (tpm2-tss 3.2 opens its sockets without close-on-exec), and then nobody sees it end.
    const tpms = await Promise.all(batch.map(() => startSwtpm({ eks: 'blank' })));
    done.push(...(await Promise.all(batch.map((host, i) => enrol(host, tpms[i] as Swtpm)))));
  }
  expect(new Set(done.map((d) => d.serial)).size).toBe(FLEET);
  expect(done.filter((d) => d.again !== 'ek-has-live-ak')).toEqual([]);
  await server.close();
  const io = { note: () => undefined } as unknown as Io;
  const report = await auditAuthority(desk.authority.dir, undefined, io);
  expect(report).toMatchObject({
    verdict: 'verified',
    events: { issued: FLEET, refused: FLEET, challenged: 2 * FLEET, burnt: FLEET },
  });
  expect(report.signed).toBe(report.entries);
  const listed = listCertificates(await readRegistry(desk.authority.dir), Date.now());
  expect(listed.map((c) => c.host).sort()).toEqual(names.map((n) => `attestd://fleet/${n}`).sort());
  expect(new Set(listed.flatMap((c) => [c.ek, c.ak, c.serial])).size).toBe(3 * FLEET);
  expect(listed.every((c) => c.state === 'live')).toBe(true);
}, 1_800_000);
