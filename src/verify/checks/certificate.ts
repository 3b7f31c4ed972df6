/**
 * The certificate of the AK: `ak-certificate-encoding`, `-path`, `-validity`, `-usage`, `-policies`, `-host`. Profile:
 * TCG TPM 2.0 Keys for Device Identity and Attestation §8; RFC 5280.
 */
import {
  EKU_AK,
  hostUri,
  POLICY_TPM_FIXED,
  POLICY_TPM_RESIDENCY,
  POLICY_TPM_RESTRICTED,
} from '../../evidence/akprofile.ts';
import { isCritical } from '../../evidence/x509/certificate.ts';
import { OID } from '../../evidence/x509/extension.ts';
import { isValidAt } from '../../evidence/x509/path.ts';
import { parseOrigin } from '../../log/origin.ts';
import { leafOf } from '../evidence.ts';
import {
  attempt,
  because,
  blocked,
  type CheckDefinition,
  fail,
  pass,
  together,
  unknown,
} from '../outcome.ts';

export const certificateEncoding: CheckDefinition = {
  id: 'ak-certificate-encoding',
  level: 1,
  run: (e) => {
    const both = [e.certificates, e.crls];
    for (const part of both) {
      if (part.ok) continue;
      if (!e.format.ok) return blocked(e.format);
      return fail(`A certificate or revocation list cannot be read: ${part.why}.`);
    }
    const all = both.flatMap((p) => (p.ok ? [...p.value] : []));
    const odd = all.find((c) => c.deviations.length > 0);
    return odd === undefined
      ? pass('Certificates and revocation lists are in the one encoding that DER allows.')
      : fail(`A certificate or revocation list is not DER: ${odd.deviations[0]}.`);
  },
};

export const certificatePath: CheckDefinition = {
  id: 'ak-certificate-path',
  level: 1,
  run: (e) => {
    if (!e.certificates.ok) return blocked(e.certificates);
    if (!e.path.ok) {
      const outcome = fail(`The certificate leads to no root of the trust file: ${e.path.why}.`);
      return because(e.pathFault ?? 'no-path', outcome);
    }
    const { path, root } = e.path.value;
    const unused = e.certificates.value.filter(
      (c) => !path.some((p) => p.der.length === c.der.length && p.der.every((x, i) => x === c.der[i])),
    );
    if (unused.length > 0) {
      return because('spare-certificate', fail('The bundle has a certificate that is not on the path.'));
    }
    return pass(
      `The certificate leads over ${path.length - 2} intermediates to the root ${root.name ?? 'given'}.`,
    );
  },
};

export const certificateValidity: CheckDefinition = {
  id: 'ak-certificate-validity',
  level: 1,
  run: (e) => {
    const parts = together({ path: e.path, time: e.time });
    if (!parts.ok) return blocked(parts);
    const { path, time } = parts.value;
    const when = new Date(time.ms).toISOString();
    const out = path.path.find((c) => !isValidAt(c, time.ms));
    const how =
      time.source === 'host'
        ? `at ${when}, by the clock of the host, which the trust file accepts`
        : time.source === 'witness'
          ? `at ${when}, when witnesses had seen the sealed log`
          : `at ${when}, which is proven to be after the seal was made`;
    return out === undefined
      ? pass(`Every certificate on the path was valid ${how}.`)
      : because(
          time.ms < out.notBefore ? 'not-yet-valid' : 'expired',
          fail(
            'A certificate on the path was not valid when the seal was made.',
            `${new Date(out.notBefore).toISOString()} to ${new Date(out.notAfter).toISOString()}`,
            when,
          ),
        );
  },
};

export const certificateUsage: CheckDefinition = {
  id: 'ak-certificate-usage',
  level: 1,
  run: (e) => {
    const leaf = leafOf(e);
    if (!leaf.ok) return blocked(leaf);
    const c = leaf.value;
    if (c.extendedKeyUsage?.length !== 1 || c.extendedKeyUsage[0] !== EKU_AK) {
      return because(
        'extended-key-usage',
        fail(
          'The certificate is not for an attestation key alone.',
          EKU_AK,
          (c.extendedKeyUsage ?? []).join(' '),
        ),
      );
    }
    if (c.keyUsage?.join() !== 'digitalSignature' || !isCritical(c, OID.keyUsage)) {
      return because(
        'key-usage',
        fail(
          'The key usage is not digitalSignature alone and critical.',
          'digitalSignature',
          c.keyUsage?.join(' '),
        ),
      );
    }
    if (c.basicConstraints?.ca !== false || !isCritical(c, OID.basicConstraints)) {
      return because(
        'basic-constraints',
        fail('The certificate does not say, as critical, that it is no CA.'),
      );
    }
    const empty = c.subjectAttributes.length === 0;
    if (empty && !isCritical(c, OID.alternativeName)) {
      return because(
        'names-not-critical',
        fail('The subject is empty, but the alternative names are not critical.'),
      );
    }
    return pass('The certificate is for an attestation key and for nothing else.');
  },
};

export const certificatePolicies: CheckDefinition = {
  id: 'ak-certificate-policies',
  level: 2,
  run: (e) => {
    const leaf = leafOf(e);
    if (!leaf.ok) return blocked(leaf);
    const policies = leaf.value.policies ?? [];
    const wanted = [POLICY_TPM_RESIDENCY, POLICY_TPM_FIXED, POLICY_TPM_RESTRICTED];
    const missing = wanted.filter((p) => !policies.includes(p));
    return missing.length === 0
      ? pass('The authority verified that the key lives in a TPM, fixed to it and restricted.')
      : unknown(
          `The authority does not say that the key lives in a TPM: policy ${missing.join(', ')} is missing.`,
        );
  },
};

export const certificateHost: CheckDefinition = {
  id: 'ak-certificate-host',
  level: 1,
  run: (e, trust) => {
    const leaf = leafOf(e);
    const parts = together({ leaf, checkpoint: e.checkpoint });
    if (!parts.ok) return blocked(parts);
    const origin = attempt(() => parseOrigin(parts.value.checkpoint.origin));
    if (!origin.ok) return blocked(origin);
    const wanted = hostUri(origin.value.fleet, origin.value.host);
    const uris = (parts.value.leaf.alternativeNames?.uris ?? []).filter((u) => u.startsWith('attestd:'));
    if (uris.length !== 1 || uris[0] !== wanted) {
      return because(
        'another-host',
        fail('The certificate is not that of the host in the origin.', wanted, uris.join(' ')),
      );
    }
    if (trust.hosts !== undefined && !trust.hosts.includes(wanted)) {
      return because(
        'host-not-trusted',
        fail('The host is not one that the trust file names.', trust.hosts.slice(0, 8).join(' '), wanted),
      );
    }
    return pass(`The certificate names the host ${wanted}.`);
  },
};
