/**
 * The NV counter that shows a rolled back disk or TPM (design §6, Rollback). Its auth is stored before the index is
 * defined, so a crash between the two leaves an index that is still ours; an index that is not ours is never touched.
 */
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { equal, fromBase64, toBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { jcsBytes, parseJson } from '../core/json.ts';
import { ATTEST_NV } from '../evidence/tpm/attest.ts';
import { nvName, parseNvPublic, printNvPublic, readNvAttributes } from '../evidence/tpm/nv.ts';
import type { NvIndex } from '../native/tpm.ts';
import { isRc, RC } from './fault.ts';
import { readSmall, writeDurable } from './file.ts';
import { bytes, freshAuth, type Key, type Random } from './key.ts';
import { listHandles, RANGE } from './property.ts';
import { checkAttest } from './quote.ts';
import { counterPublic, counterTemplate } from './template.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions, Work } from './work.ts';

/** In the owner's part of the NV index space (0x01800000–0x01bfffff), away from what is registered there. */
export const DEFAULT_COUNTER_INDEX = 0x01800200;
const SIZE = 8;
const WRITTEN = 0x20000000;

const CounterFile = Type.Object(
  {
    v: Type.Literal(1),
    nvIndex: Type.Integer({ minimum: 0x01000000, maximum: 0x01ffffff }),
    auth: Type.String({ maxLength: 64 }),
  },
  { additionalProperties: false },
);

export interface CounterCertificate {
  /** TPMS_ATTEST of TPM2_NV_Certify over all 8 bytes. */
  readonly attest: Uint8Array;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
  /** The certified value. */
  readonly value: bigint;
}

export interface Counter {
  readonly nvIndex: number;
  /** TPMS_NV_PUBLIC as it stands in the TPM, and its Name: what genesis and anchors carry. */
  readonly public: Uint8Array;
  readonly name: Uint8Array;
  read(o?: RunOptions): Promise<bigint>;
  /**
   * Adds one, exactly once even when a response is lost on the way.
   * @returns the new value
   */
  increment(o?: RunOptions): Promise<bigint>;
  /** TPM2_NV_Certify by the AK. @param extraData of evidence/binding.ts */
  certify(ak: Key, extraData: Uint8Array, o?: RunOptions): Promise<CounterCertificate>;
}

const fileIn = (dir: string) => join(dir, 'counter.json');

async function readFile(dir: string): Promise<Static<typeof CounterFile> | null> {
  const file = await readSmall(fileIn(dir), 4096);
  if (file === null) return null;
  const json = parseJson(file);
  if (!Value.Check(CounterFile, json)) {
    throw new AttestdError('MALFORMED', `${fileIn(dir)} is not what attestd writes`);
  }
  return json;
}

/**
 * Defines the counter, or finishes a definition that was cut short; increments it once so that it has a value.
 * @param dir where counter.json stands or is to stand
 * @throws EXISTS when the index is taken by something else: it is left alone
 */
export async function defineCounter(
  tpm: Tpm,
  dir: string,
  random: Random,
  nvIndex: number = DEFAULT_COUNTER_INDEX,
  o?: RunOptions,
): Promise<Counter> {
  let stored = await readFile(dir);
  if (stored === null || stored.nvIndex !== nvIndex) {
    if (await isDefined(tpm, nvIndex, o)) throw occupied(nvIndex, 'it was there before');
    stored = { v: 1, nvIndex, auth: toBase64(freshAuth(random)) };
    await writeDurable(fileIn(dir), jcsBytes(stored));
  }
  const auth = fromBase64(stored.auth);
  await tpm.run(async (w) => {
    const input = { hierarchy: 'owner', public: counterTemplate(nvIndex), auth } as const;
    try {
      const session = await w.salted(await w.storage());
      w.keep(await w.ctx.nvDefineSpace(input, { ...w.plain(), auth: session }));
    } catch (e) {
      if (!isRc(e, RC.NV_DEFINED)) throw e;
    }
  }, o);
  const counter = await counterAt(tpm, nvIndex, auth, o);
  await counter.read(o).catch((e: unknown) => {
    if (e instanceof AttestdError && e.facts.rcName?.startsWith('TPM_RC_NV_UNINITIALIZED')) {
      return counter.increment(o);
    }
    throw e;
  });
  return counterAt(tpm, nvIndex, auth, o);
}

/**
 * The counter that counter.json names.
 * @throws NOT_INITIALISED when there is no file, AUDIT_CONTINUITY_LOST when the index is gone or another one
 */
export async function loadCounter(tpm: Tpm, dir: string, o?: RunOptions): Promise<Counter> {
  const stored = await readFile(dir);
  if (stored === null) throw new AttestdError('NOT_INITIALISED', `there is no ${fileIn(dir)}`);
  if (!(await isDefined(tpm, stored.nvIndex, o))) {
    throw new AttestdError('AUDIT_CONTINUITY_LOST', `the NV counter ${hex(stored.nvIndex)} is gone`);
  }
  try {
    const counter = await counterAt(tpm, stored.nvIndex, fromBase64(stored.auth), o);
    await counter.read(o);
    return counter;
  } catch (e) {
    if (!(e instanceof AttestdError) || (e.code !== 'EXISTS' && e.code !== 'TPM_ERROR')) throw e;
    throw new AttestdError('AUDIT_CONTINUITY_LOST', `the NV counter is another one: ${e.message}`, {
      cause: e,
    });
  }
}

const hex = (n: number) => `0x${n.toString(16).padStart(8, '0')}`;
const occupied = (nvIndex: number, why: string) =>
  new AttestdError('EXISTS', `NV index ${hex(nvIndex)} is not ours: ${why}`);

const isDefined = (tpm: Tpm, nvIndex: number, o?: RunOptions) =>
  tpm.run(async (w) => (await listHandles(w, RANGE.nv)).includes(nvIndex), o);

async function counterAt(tpm: Tpm, nvIndex: number, auth: Uint8Array, o?: RunOptions): Promise<Counter> {
  const publicArea = await tpm.run(async (w) => {
    const { handle } = await w.ctx.nvIndex(nvIndex, w.plain());
    return bytes((await w.ctx.nvReadPublic(w.keep(handle), w.plain())).public);
  }, o);
  const ours = counterPublic(nvIndex);
  const stands = parseNvPublic(publicArea);
  const without = readNvAttributes((stands.attributes.raw & ~WRITTEN) >>> 0);
  if (!equal(printNvPublic({ ...stands, attributes: without }), printNvPublic(ours))) {
    throw occupied(nvIndex, 'its public area is another one');
  }
  const open = async (w: Work): Promise<NvIndex> => {
    const { handle } = await w.ctx.nvIndex(nvIndex, w.plain());
    await w.ctx.setAuth(w.keep(handle), auth);
    return handle;
  };
  const readIn = async (w: Work, index: NvIndex): Promise<bigint> => {
    const input = { entity: index, index, size: SIZE, offset: 0 };
    return valueIn(
      await w.ctx.nvRead(input, await w.authorised()).catch((e: unknown) => {
        if (isRc(e, RC.AUTH_FAIL) || isRc(e, RC.BAD_AUTH)) throw occupied(nvIndex, 'its auth is another one');
        throw e;
      }),
    );
  };
  return {
    nvIndex,
    public: publicArea,
    name: nvName(publicArea),
    read: (o2) => tpm.run(async (w) => readIn(w, await open(w)), o2),
    async increment(o2) {
      // The first try's view of the counter, so that a later try can tell whether the TPM had done it.
      let from: bigint | null | undefined;
      return tpm.run(async (w) => {
        const index = await open(w);
        const now = await readIn(w, index).catch((e: unknown) => {
          if (isRc(e, RC.NV_UNINITIALIZED)) return null;
          throw e;
        });
        if (from !== undefined && now !== from && now !== null) return now;
        from = now;
        await w.ctx.nvIncrement({ entity: index, index }, await w.authorised());
        return readIn(w, await open(w));
      }, o2);
    },
    certify: (ak, extraData, o2) =>
      tpm.run(async (w) => {
        const index = await open(w);
        const input = {
          key: await w.key(ak),
          qualifyingData: extraData,
          entity: index,
          index,
          size: SIZE,
          offset: 0,
        };
        const { attest, signature } = await w.ctx.nvCertify(input, await w.authorisedTwice());
        const { attested } = checkAttest(attest, ak, ATTEST_NV, extraData);
        if (
          attested.kind !== 'nv' ||
          attested.offset !== 0 ||
          !equal(attested.indexName, nvName(publicArea))
        ) {
          throw new AttestdError('TPM_ERROR', 'the TPM certified another NV index');
        }
        return { attest: bytes(attest), signature: bytes(signature), value: valueIn(attested.contents) };
      }, o2),
  };
}

function valueIn(b: Uint8Array): bigint {
  if (b.length !== SIZE) throw new AttestdError('TPM_ERROR', 'the NV counter does not have 8 bytes');
  return new DataView(b.buffer, b.byteOffset, SIZE).getBigUint64(0);
}
