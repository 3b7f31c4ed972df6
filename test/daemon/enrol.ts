/** Enrols a test's host with an authority of its own, and gives the auditor's trust file for it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { initAuthority, openSigner, rootPem } from '../../src/ca/authority.ts';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { issue } from '../../src/ca/issue.ts';
import { fromUtf8, toBase64, utf8 } from '../../src/core/bytes.ts';
import { layoutOf } from '../../src/daemon/layout.ts';
import { selectionOf } from '../../src/daemon/selection.ts';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { readPemCertificates } from '../../src/evidence/certfile.ts';
import { findEks } from '../../src/tpm/ek.ts';
import { makeRequest, respond } from '../../src/tpm/enrol.ts';
import { loadIdentity } from '../../src/tpm/keys.ts';
import { openTpm } from '../../src/tpm/tpm.ts';
import { parseTrust, type Trust } from '../../src/verify/trust.ts';
import { type Host, random } from './kit.ts';

/** Runs the four-file exchange while no daemon holds the TPM; installs the certificate. @returns DER of the root */
export async function enrol(host: Pick<Host, 'dir' | 'tpm' | 'config'>): Promise<Uint8Array> {
  const clock = Date.now;
  const authority = await initAuthority(
    {
      dir: join(host.dir, 'ca'),
      name: 'Test Authority',
      kind: 'software',
      protection: { unencrypted: true },
      ekRoots: [host.tpm.rootPem, host.tpm.issuerPem].flatMap(readPemCertificates),
    },
    { clock, random },
  );
  const { tcti, deadline_ms, sessions, pcrs } = host.config.tpm;
  const tpm = await openTpm({ tcti, deadlineMs: deadline_ms, sessions });
  try {
    const dir = layoutOf(host.config.state_dir).identity;
    const identity = await loadIdentity(tpm, { dir });
    const { eks, chain } = await findEks(tpm);
    const ek = eks.find((e) => e.kind === 'p384');
    if (ek === undefined) throw new Error('this swtpm has no P-384 EK');
    const { fleet, host: name } = host.config;
    const request = await makeRequest(tpm, { fleet, host: name, identity, ek, chain, random, clock });
    const { challenge } = await makeChallenge(authority, request);
    const selection = selectionOf(pcrs);
    const response = await respond(tpm, { request, challenge, identity, ek, selection, clock });
    const signer = await openSigner(authority);
    const { certificateFile } = await issue(authority, response, { signer, approve: () => true });
    writeFileSync(join(dir, 'certificate.pem'), certificateFile);
  } finally {
    await tpm.close();
  }
  return readPemCertificates(fromUtf8(rootPem(authority)))[0] as Uint8Array;
}

/** A trust file of level 3 for this root, whose accepted state is the one in a reference bundle. */
export function trustFor(root: Uint8Array, reference: Uint8Array, level = 3): Trust {
  const quoted = parseBundle(reference).pcrs?.sha256 ?? {};
  const sha256 = Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((i) => [String(i), [quoted[String(i)]]]));
  return parseTrust(
    utf8(
      JSON.stringify({
        schema: 'attestd.dev/trust/v1',
        roots: [{ certificate: toBase64(root), kind: 'software' }],
        minimumLevel: level,
        pcrs: [{ name: 'reference', sha256 }],
        acceptHostTime: true,
        crls: [],
        revocation: 'if-present',
      }),
    ),
  );
}
