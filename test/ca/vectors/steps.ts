/**
 * What the authority refuses after more than one step, or by what it knows itself. Each has the one code that must come:
 * the condition of ENROL_REFUSED, or the code of another error.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeChallenge } from '../../../src/ca/challenge.ts';
import type { Condition } from '../../../src/ca/condition.ts';
import { issue } from '../../../src/ca/issue.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { issue as issueTest, makeCrl } from '../../kit/authority.ts';
import { approve, type Desk, finish } from '../desk.ts';
import { makeHost, makeVendor, NOW, type Vendor } from '../fakehost.ts';

export interface Steps {
  readonly what: string;
  readonly code: Condition | ErrorCode;
  /** The kind of root that the authority has; software when absent. */
  readonly root?: 'hardware';
  /** Does what comes before, which must be accepted, and gives what must be refused. */
  readonly prepare: (desk: Desk, vendor: Vendor) => Promise<() => Promise<unknown>>;
}

export const STEPS: readonly Steps[] = [
  {
    what: 'the EK certificate is for another key',
    code: 'ek-certificate-key',
    prepare: async ({ authority }, vendor) => {
      const certificate = (await makeHost(vendor)).ekCertificate ?? new Uint8Array();
      const host = await makeHost(vendor, { request: (r) => ({ ...r, ek: { ...r.ek, certificate } }) });
      return () => makeChallenge(authority, host.request);
    },
  },
  {
    what: 'the chain ends at a root that only the host brings',
    code: 'ek-chain',
    prepare: async ({ authority }) => {
      const stranger = await makeVendor();
      const chain = [stranger.issuer.certificate.der, stranger.root.certificate.der];
      const host = await makeHost(stranger, { chain });
      return () => makeChallenge(authority, host.request);
    },
  },
  {
    what: 'the issuer is not a CA, though everything is signed',
    code: 'ek-chain',
    prepare: async ({ authority }, vendor) => {
      const leaf = await issueTest({ subject: 'No CA', issuer: vendor.issuer });
      const chain = [leaf.certificate.der, vendor.issuer.certificate.der];
      const host = await makeHost({ ...vendor, issuer: leaf }, { chain });
      return () => makeChallenge(authority, host.request);
    },
  },
  {
    what: 'a list that the operator keeps says that the EK certificate is revoked',
    code: 'ek-revoked',
    prepare: async ({ authority }, vendor) => {
      const serial = Uint8Array.of(0x51, 0x52);
      const host = await makeHost(vendor, { ekCertificate: { serial } });
      const folder = join(authority.dir, 'ek-crls');
      mkdirSync(folder);
      writeFileSync(join(folder, 'other.crl'), await makeCrl(vendor.root, []));
      await makeChallenge(authority, host.request);
      writeFileSync(join(folder, 'ca.crl'), await makeCrl(vendor.issuer, [{ serial, at: NOW - 60_000 }]));
      return () => makeChallenge(authority, host.request);
    },
  },
  {
    what: 'a software TPM comes to a hardware root',
    code: 'software-tpm',
    root: 'hardware',
    prepare: async ({ authority }, vendor) => {
      const host = await makeHost(vendor);
      return () => makeChallenge(authority, host.request);
    },
  },
  {
    what: 'the challenge of a response was used already',
    code: 'CHALLENGE_USED',
    prepare: async ({ authority, signer }, vendor) => {
      const host = await makeHost(vendor);
      const response = host.respond((await makeChallenge(authority, host.request)).challenge);
      await issue(authority, response, { signer, approve });
      return () => issue(authority, response, { signer, approve, replace: true });
    },
  },
  {
    what: 'the challenge of a response is out of time',
    code: 'CHALLENGE_EXPIRED',
    prepare: async (desk, vendor) => {
      const { authority, signer } = desk;
      const host = await makeHost(vendor);
      const { challenge } = await makeChallenge(authority, host.request, { lifeMs: 60_000 });
      desk.now += 60_001;
      return () => issue(authority, host.respond(challenge), { signer, approve });
    },
  },
  {
    what: 'the EK has a live AK',
    code: 'ek-has-live-ak',
    prepare: async (desk, vendor) => {
      const host = await makeHost(vendor);
      await finish(desk, host);
      const again = await host.again({});
      return () => finish(desk, again);
    },
  },
  {
    what: 'the EK is that of another host',
    code: 'ek-bound-to-other-host',
    prepare: async (desk, vendor) => {
      const host = await makeHost(vendor);
      await finish(desk, host);
      const other = await host.again({ host: 'web-2' });
      return () => makeChallenge(desk.authority, other.request);
    },
  },
  {
    what: 'the name is that of a host with another EK',
    code: 'name-has-other-ek',
    prepare: async (desk, vendor) => {
      await finish(desk, await makeHost(vendor));
      const other = await makeHost(vendor);
      return () => makeChallenge(desk.authority, other.request);
    },
  },
];
