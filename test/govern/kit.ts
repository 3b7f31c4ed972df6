/** A host that governs: a policy key, a signed directory of policies, and requests in short. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toBase64 } from '../../src/core/bytes.ts';
import { POLICY_PAYLOAD_TYPE } from '../../src/core/namespace.ts';
import { manifestOf, readFiles, SignedManifest } from '../../src/daemon/govern/policies.ts';
import { pae } from '../../src/evidence/dsse.ts';
import { printFile } from '../../src/evidence/jsonfile.ts';
import { type Answer, ask } from '../daemon/kit.ts';

export interface PolicyFolder {
  readonly directory: string;
  readonly publicKey: string;
  readonly privateKey: KeyObject;
  /** Writes policies and signs them. @param key another key than the operator's */
  write(policies: string, id?: string, key?: KeyObject): void;
}

export function makePolicies(policies: string): PolicyFolder {
  const directory = mkdtempSync(join(tmpdir(), 'attestd-policies-'));
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const file = join(directory, 'operator.pem');
  writeFileSync(file, publicKey.export({ format: 'pem', type: 'spki' }));
  const folder: PolicyFolder = {
    directory,
    publicKey: file,
    privateKey,
    write(text, id = 'test@1', key = privateKey) {
      writeFileSync(join(directory, 'test.cedar'), text);
      const manifest = manifestOf(id, readFiles(directory));
      const signature = sign('sha256', pae(POLICY_PAYLOAD_TYPE, manifest), key);
      const envelope = {
        payloadType: POLICY_PAYLOAD_TYPE,
        payload: toBase64(manifest),
        signatures: [{ sig: toBase64(new Uint8Array(signature)) }],
      };
      writeFileSync(
        join(directory, 'policy.json'),
        printFile('policy manifest', SignedManifest, envelope as never),
      );
    },
  };
  folder.write(policies);
  return folder;
}

/** Everybody may ask for tool calls on the CRM; `danger` needs two pairs of eyes; uid 1234 may approve. */
export const POLICIES = `
permit(principal, action in [Action::"execute", Action::"delegate"], resource in Kind::"tool.call")
  unless { resource.name like "danger*" };
permit(principal, action == Action::"execute", resource in Kind::"tool.call")
  when { resource.name like "danger*" && context.approvals >= 1 };
permit(principal, action == Action::"approve", resource);
forbid(principal, action, resource in Target::"crm:closed");
`;

export const SCOPE = [
  { type: 'tool.call', name: 'refund.*', target: 'crm:*', parameters: { amount: { max: 100 } } },
];
export const ACT = {
  action: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
  plain: { parameters: { amount: 40 } },
};

export const post = (socket: string, path: string, value: unknown): Promise<Answer> =>
  ask(socket, path, { body: JSON.stringify(value) });
export const request = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  scope: SCOPE,
  maxUses: 1,
  seconds: 600,
  ...more,
});
/** The code of a refusal. */
export const code = (a: Answer): string => String(a.json?.type).replace('urn:attestd:error:', '');
