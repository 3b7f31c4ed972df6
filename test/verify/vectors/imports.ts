/** Imported CERs: one rule of what an import may say broken at a time. */
import { toBase64Url } from '../../../src/core/bytes.ts';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { disclosureDigest, makeDisclosure } from '../../../src/evidence/disclosure.ts';
import { IMPORTED } from '../../../src/evidence/statement.ts';
import { type Change, makeNode, packed, sealed, textOf } from '../../kit/cer.ts';
import type { Hooks } from '../../kit/hooks.ts';
import type { Vector } from './vector.ts';

const node = makeNode();
const cer = sealed();
const other = sealed({ executionId: 'exec-002' });
const salt = new Uint8Array(16).fill(0xc3);

interface Wish {
  readonly signed?: boolean;
  readonly body?: Change;
  /** certificateHash of the subject. */
  readonly subject?: string;
  /** Name and value that the import withholds, instead of the CER. */
  readonly withheld?: readonly [name: string, value: Json];
  readonly undisclosed?: boolean;
  readonly trust?: Hooks['trust'];
}

/** A host that imported a CER. */
export function imported(wish: Wish = {}): Hooks {
  const content = textOf(wish.signed === true ? packed(node, cer) : cer);
  const [name, value] = wish.withheld ?? ['cer', content];
  const opening = makeDisclosure(salt, name, value);
  const held = wish.signed === true ? 'pass' : 'absent';
  const body: JsonObject = {
    format: 'nexart-cer',
    caller: {
      observed: {
        uid: 1000,
        gid: 1000,
        pid: 4242,
        startTicks: 99,
        exe: 'unreadable',
        exeMethod: 'none',
        cgroup: '/user.slice',
        method: 'SO_PEERCRED',
      },
    },
    source: {
      certificateHash: cer.certificateHash as string,
      protocolVersion: '1.2.0',
      executionId: 'exec-001',
      createdAt: cer.createdAt as string,
      uncovered: [],
    },
    checks: { integrity: 'pass', receipt: held, envelope: held, record: 'absent' },
    proved: wish.signed === true ? 'node-signed' : 'integrity-only',
    ...(wish.signed === true ? { assertedBy: asserted() } : {}),
    inputs: { _sd: [toBase64Url(disclosureDigest(opening))] },
  };
  const subject = (wish.subject ?? (cer.certificateHash as string)).slice('sha256:'.length);
  return {
    governed: async (stage) => {
      const artefacts = [{ name: IMPORTED, digest: { sha256: subject } }];
      const built = stage.build('import', wish.body?.(body) ?? body, stage.next, artefacts);
      return { record: stage.put(built), related: [] };
    },
    raw: (r) => ({ ...r, disclosures: wish.undisclosed === true ? [] : [opening] }),
    ...(wish.trust === undefined ? {} : { trust: wish.trust }),
  };
}

const asserted = (): JsonObject => ({
  ...node.key,
  attestationId: '3e0c5d2e-1b7a-4d8e-9a77-6c3c5f0f1a2b',
  attestedAt: '2026-09-17T10:46:21.000Z',
});
const set =
  (change: JsonObject): Change =>
  (b) => ({ ...b, ...change });
const checks =
  (change: JsonObject): Change =>
  (b) => ({ ...b, checks: { ...(b.checks as JsonObject), ...change } });
const vector = (id: string, name: string, wish: Wish, more: Partial<Vector> = {}): Vector => ({
  id,
  name,
  hooks: imported(wish),
  ...more,
});
const CONTENT = 'import-content';

export const IMPORT_VECTORS: readonly Vector[] = [
  vector('import-record', 'a subject that is another CER', { subject: other.certificateHash as string }),
  vector(
    'import-record',
    'a node without its signatures',
    {
      undisclosed: true,
      body: set({ assertedBy: asserted() }),
    },
    { blocked: [CONTENT] },
  ),
  vector(
    'import-record',
    'signatures without their node',
    {
      undisclosed: true,
      body: checks({ receipt: 'pass' }),
    },
    { blocked: [CONTENT] },
  ),
  vector(
    'import-record',
    'an envelope without a receipt',
    {
      undisclosed: true,
      body: checks({ envelope: 'pass' }),
    },
    { blocked: [CONTENT] },
  ),
  vector(
    'import-record',
    'a level above its checks',
    {
      undisclosed: true,
      body: set({ proved: 'node-signed' }),
    },
    { blocked: [CONTENT] },
  ),
  vector('import-record', 'a record that was compared, and is not named', {
    body: checks({ record: 'pass' }),
  }),
  vector('import-record', 'a node whose key the auditor does not have', {
    signed: true,
    trust: (t) => ({ ...t, nodeKeys: [{ ...makeNode('nexart-node-1', 'k1').key }] }),
  }),
  vector(CONTENT, 'another CER is shown', { withheld: ['cer', textOf(other)] }),
  vector(CONTENT, 'what is shown is no CER', { withheld: ['note', 'trust me'] }),
  vector(CONTENT, 'a CER is shown that does not hold', {
    withheld: ['cer', textOf({ ...cer, createdAt: '2026-09-18T10:00:01.000Z' })],
  }),
  vector(CONTENT, 'a CER that nobody signed, said to be signed', {
    signed: true,
    withheld: ['cer', textOf(cer)],
  }),
  vector(CONTENT, 'a node signed it that the import does not name', {
    withheld: ['cer', textOf(packed(node, cer))],
  }),
  vector(CONTENT, 'signed by another key than the import names', {
    signed: true,
    body: set({ assertedBy: { ...asserted(), x: toBase64Url(new Uint8Array(32).fill(7)) } }),
  }),
  vector(CONTENT, 'another time of attestation than in the receipt', {
    signed: true,
    body: set({ assertedBy: { ...asserted(), attestedAt: '2026-09-18T10:46:21.000Z' } }),
  }),
];
