/** A forged log for audits: three entries and a seal, three more and a seal, another run and a seal; any layer may be altered. */
import { toBase64, toHex, ZERO32 } from '../../src/core/bytes.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { anchorExtraData, keyExtraData, sealExtraData } from '../../src/evidence/binding.ts';
import { encodeSeal, type SealHeader, sealDigest, sealKeyId } from '../../src/evidence/seal.ts';
import { ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import { ATTEST_CERTIFY, ATTEST_NV, ATTEST_QUOTE, type Attest } from '../../src/evidence/tpm/attest.ts';
import { pcrDigest } from '../../src/evidence/tpm/pcr.ts';
import { printSignature } from '../../src/evidence/tpm/signature.ts';
import { printCheckpoint } from '../../src/log/checkpoint.ts';
import { printNote } from '../../src/log/note.ts';
import { Audit } from '../../src/verify/audit/audit.ts';
import type { AuditReport } from '../../src/verify/audit/finding.ts';
import type { Keys } from '../kit/authority.ts';
import { createForgedLog } from '../kit/forgedlog.ts';
import { forgeRotation } from '../kit/forgedrotation.ts';
import { createForgedTpm } from '../kit/forgedtpm.ts';
import {
  EPOCH,
  FLEET,
  HOST,
  type Hooks,
  PCRS,
  pcrValue,
  type Rotation,
  T0,
  type World,
  world,
} from '../kit/hooks.ts';

export interface AuditHooks {
  /** The frame of an entry: log, timeMs, boot. */
  readonly frame?: Hooks['frame'];
  readonly entry?: Hooks['entry'];
  /** The body of the entry at this index. */
  readonly body?: (b: JsonObject, at: number) => JsonObject;
  /** The kind of the entry at this index. */
  readonly kind?: (k: string, at: number) => string;
  /** Value and head of an anchor before it is certified. */
  readonly anchor?: (a: Claim, at: number) => Claim;
  readonly anchorAttest?: (a: Attest, at: number) => Attest;
  readonly genesisAttest?: (a: Attest) => Attest;
  /** `n` counts from 1. */
  readonly header?: (h: SealHeader, n: number) => SealHeader;
  readonly quote?: (a: Attest, n: number) => Attest;
  /** Who signs a seal. */
  readonly sealKey?: (w: World, n: number) => Keys | undefined;
  readonly head?: (h: Head, n: number) => Head;
  readonly note?: (note: Uint8Array, n: number) => Uint8Array;
  /** Keys that are replaced: at the start of the second run, or in the middle of it. */
  readonly rotation?: Rotation & { readonly late?: boolean };
  /** Steps in another order, or fewer of them. */
  readonly steps?: (steps: Step[]) => Step[];
}
interface Head {
  readonly size: number;
  readonly root: Uint8Array;
}
interface Claim extends Head {
  readonly value: bigint;
  readonly prev: Uint8Array;
}
export type Step =
  | { readonly entry: Uint8Array; readonly seal?: never }
  | { readonly seal: Uint8Array; readonly entry?: never };

const EXECUTION: JsonObject = {
  phase: 'completed',
  action: { type: 'exec', name: 'make' },
  caller: {
    observed: {
      uid: 1000,
      gid: 1000,
      pid: 4242,
      startTicks: 99,
      exe: 'unreadable',
      exeMethod: 'proc',
      cgroup: 'unreadable',
      method: 'SO_PEERCRED',
    },
  },
  authorization: 'ungoverned',
  outcome: { status: 'succeeded', code: 0, effect: 'confirmed', observedBy: 'caller' },
};
const ORIGIN = `${FLEET}/${HOST}/${EPOCH}`;

/** The log in the order in which it became durable. */
export async function forgeLog(hooks: AuditHooks = {}): Promise<Step[]> {
  const w = await world();
  const tpm = createForgedTpm({}, w);
  const { frame, entry } = hooks;
  const log = createForgedLog({ ...(frame ? { frame } : {}), ...(entry ? { entry } : {}) }, ORIGIN);
  const steps: Step[] = [];
  let resetCount = 3;
  let clock = 1000n;
  const now = (a: Attest): Attest => ({ ...a, clockInfo: { ...a.clockInfo, resetCount } });
  const add = (kind: string, body: JsonObject, boot?: Uint8Array) => {
    const at = log.entries.length;
    const changed = hooks.body?.(body, at) ?? body;
    log.add((hooks.kind?.(kind, at) ?? kind) as 'gap', changed, boot);
    steps.push({ entry: log.entries[at] as Uint8Array });
  };
  const empty = printCheckpoint({ origin: ORIGIN, size: 0, root: log.range.root() });
  const { recordName: name, recordQn } = tpm;
  const certify = tpm.attestOf(
    ATTEST_CERTIFY,
    keyExtraData(1, ORIGIN),
    { kind: 'certify', name, qualifiedName: recordQn },
    500n,
  );
  const zero = tpm.attestOf(ATTEST_NV, anchorExtraData(ZERO32, empty), tpm.nv(EPOCH), 600n);
  add('genesis', {
    epoch: EPOCH.toString(),
    assurance: 'tpm',
    ak: { public: toBase64(tpm.akPublic) },
    storage: { public: toBase64(tpm.storagePublic) },
    recordKey: { public: toBase64(tpm.recordPublic), ...(await tpm.certified(certify)) },
    counter: {
      public: toBase64(tpm.nvPublic),
      value: EPOCH.toString(),
      ...(await tpm.certified(hooks.genesisAttest?.(zero) ?? zero)),
    },
  });
  let boot = ZERO32;
  let bootIndex = 0;
  let anchors = EPOCH;
  let anchorDigest = log.digests[0] as Uint8Array;
  const begin = () => {
    bootIndex = log.entries.length;
    add('boot', {
      bootId: '6e3a1c1e-6a0b-4b7e-9a54-1d2f3c4b5a69',
      reset: { resetCount, restartCount: 1, clock: '1000', safe: true },
      firmwareVersion: '538513443',
      pcrs: { sha256: Object.fromEntries(PCRS.map((i) => [String(i), pcrValue(i)])) },
      selection: PCRS,
      counter: anchors.toString(),
      firmwareLog: 'absent',
      daemon: { version: '0.1.0', node: 'v20.20.2' },
    });
    boot = log.digests[bootIndex] as Uint8Array;
  };
  const anchor = async () => {
    const at = log.entries.length;
    anchors++;
    const usual = { value: anchors, prev: anchorDigest, size: log.range.size, root: log.range.root() };
    const { value, prev, size, root } = hooks.anchor?.(usual, at) ?? usual;
    const text = printCheckpoint({ origin: ORIGIN, size, root });
    const attest = now(tpm.attestOf(ATTEST_NV, anchorExtraData(prev, text), tpm.nv(value), clock++));
    const body = {
      counter: value.toString(),
      prev: toHex(prev),
      checkpoint: { size, root: toBase64(root) },
      reason: 'boot',
      ...(await tpm.certified(hooks.anchorAttest?.(attest, at) ?? attest)),
    };
    add('anchor', body, boot);
    anchorDigest = log.digests[at] as Uint8Array;
  };
  const record = () => add('execution', EXECUTION, boot);
  let seq = 0;
  let prevSeal = ZERO32;
  const seal = async () => {
    const n = ++seq;
    const usual = { size: log.range.size, root: log.range.root() };
    const { size, root } = hooks.head?.(usual, n) ?? usual;
    const text = printCheckpoint({ origin: ORIGIN, size, root });
    const sealed: SealHeader = {
      timeMs: T0 + 60_000 * n,
      seq: n,
      bootIndex,
      anchorCtr: anchors === EPOCH ? 0n : anchors,
      prevSeal,
    };
    const header = hooks.header?.(sealed, n) ?? sealed;
    const selections = [{ hash: ALG_SHA256, pcrs: PCRS }];
    const values = Object.fromEntries(PCRS.map((i) => [String(i), pcrValue(i)]));
    const digest = pcrDigest(selections, { sha256: values }, ALG_SHA256);
    const quoted = { kind: 'quote', selections, pcrDigest: digest } as const;
    clock += 100n;
    const quote = now(tpm.attestOf(ATTEST_QUOTE, sealExtraData(header, text), quoted, clock));
    const { attest, signature } = await tpm.sign(hooks.quote?.(quote, n) ?? quote, hooks.sealKey?.(w, n));
    const line = encodeSeal(header, attest, printSignature(signature));
    prevSeal = sealDigest(line);
    const signatures = [
      {
        name: ORIGIN,
        keyId: sealKeyId(ORIGIN, (hooks.sealKey?.(w, n) ?? tpm.signer.keys).spki),
        signature: line,
      },
    ];
    const note = new TextEncoder().encode(printNote({ text, signatures }));
    steps.push({ seal: hooks.note?.(note, n) ?? note });
  };
  begin();
  await anchor();
  await seal();
  record();
  record();
  await seal();
  record();
  record();
  await seal();
  resetCount = 4;
  begin();
  const rotate = async () => {
    const place = { origin: ORIGIN, boot, log, tpm, w };
    const { changes } = await forgeRotation(hooks.rotation, place);
    for (const at of changes) steps.push({ entry: log.entries[at] as Uint8Array });
  };
  if (hooks.rotation?.late !== true) await rotate();
  await anchor();
  record();
  if (hooks.rotation?.late === true) await rotate();
  await seal();
  return hooks.steps?.(steps) ?? steps;
}

/** Audits these steps; `breaks` saves and restores the audit behind each of them. */
export async function auditOf(steps: readonly Step[], breaks: readonly number[] = []): Promise<AuditReport> {
  let audit = new Audit();
  for (const [i, step] of steps.entries()) {
    if (step.entry !== undefined) audit.entry(step.entry);
    else await audit.seal(step.seal);
    if (breaks.includes(i)) audit = Audit.restore(JSON.parse(JSON.stringify(await audit.save())));
  }
  return audit.finish();
}
