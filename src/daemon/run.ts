/**
 * A run: the life of the daemon between two boot entries. A seal speaks for the records of its own run only, so what
 * belongs to a run stands together here: where it begins, what the TPM counted then, and the writer of its records.
 */
import { toHex } from '../core/bytes.ts';
import { jcsBytes } from '../core/json.ts';
import { createExecutionWriter, type ExecutionWriter } from '../evidence/execution.ts';
import { type Body, buildEntry, type Frame, framed, newFrame } from '../evidence/record.ts';
import type { PcrValues } from '../evidence/tpm/pcr.ts';
import { readEnvironment } from '../measure/environment.ts';
import { type FirmwareLogFile, takeFirmwareLog } from '../measure/firmware.ts';
import type { Observer } from '../measure/observer/observer.ts';
import type { ClockInfo } from '../tpm/epoch.ts';
import { pcrRead } from '../tpm/pcr.ts';
import { readProperties } from '../tpm/property.ts';
import type { Tpm } from '../tpm/tpm.ts';
import type { Sighting } from '../verify/life.ts';
import type { Selection } from './selection.ts';
import { VERSION } from './version.ts';

/** Owner of the entries that the daemon writes about itself: (uid_t)-1, which no caller can have. */
export const OWN_UID = 0xffffffff;

/** What the TPM counts: a change of either means another life of the TPM. */
export interface TpmLife {
  readonly resetCount: number;
  readonly restartCount: number;
}

export interface Run extends TpmLife {
  /** The TPM when the run began. */
  readonly sighting: Sighting;
  /** Index of its boot entry. */
  readonly bootIndex: number;
  /** Record digest of its boot entry, in hex. */
  readonly boot: string;
  readonly write: ExecutionWriter;
}

/** A boot entry that is built and not yet in the log. */
export interface BuiltBoot extends TpmLife {
  readonly sighting: Sighting;
  readonly entry: Uint8Array;
  readonly id: string;
  readonly boot: string;
  readonly write: ExecutionWriter;
}

/** A boot entry but for the report of a confidential machine. */
export interface BootDraft {
  readonly input: BootInput;
  readonly body: Body<'boot'>;
  readonly frame: Frame;
  /** Its canonical predicate: what the report is over. */
  readonly predicate: Uint8Array;
}

export interface BootInput {
  readonly origin: string;
  readonly timeMs: number;
  readonly random: (n: number) => Uint8Array;
  readonly platform: Platform;
  /** Value of the NV counter before this run's increment; undefined where there is no counter. */
  readonly counter: bigint | undefined;
  /** Entries that were durable and unsealed when the previous run ended: from, to (exclusive). */
  readonly recovered: { readonly from: number; readonly size: number } | undefined;
  /** The register into which the daemon measures itself. */
  readonly register: number | undefined;
}

/** What the platform is at one moment of one life of the TPM. */
export interface Platform {
  readonly clock: ClockInfo;
  readonly pcrs: PcrValues;
  readonly selection: Selection;
  readonly firmwareVersion: string;
  readonly firmwareLog: FirmwareLogFile;
}

/** What a platform is to the epoch table. */
export const sightingOf = ({ clock, firmwareVersion }: Platform): Sighting => ({
  ...clock,
  firmwareVersion: BigInt(firmwareVersion),
});

/** Reads it; again when the TPM was reset in between. @throws what the TPM throws */
export async function readPlatform(
  tpm: Tpm,
  selection: Selection,
  firmwareLogFile: string,
  observer?: Observer,
): Promise<Platform> {
  const firmwareLog = await takeFirmwareLog(firmwareLogFile, observer);
  for (;;) {
    const before = await tpm.readClock();
    const { firmwareVersion } = await readProperties(tpm);
    const pcrs = await pcrRead(tpm, selection);
    const clock = await tpm.readClock();
    if (before.resetCount === clock.resetCount && before.restartCount === clock.restartCount) {
      return { clock, pcrs, selection, firmwareVersion, firmwareLog };
    }
  }
}

/** Drafts the first entry of a run: everything but the report of a confidential machine, which is over the rest. */
export function draftBoot(input: BootInput): BootDraft {
  const { origin, random, counter, recovered, platform, register } = input;
  const { clock, pcrs, selection, firmwareVersion, firmwareLog } = platform;
  const environment = readEnvironment();
  const body = {
    bootId: environment.bootId,
    reset: {
      resetCount: clock.resetCount,
      restartCount: clock.restartCount,
      clock: clock.clock.toString(),
      safe: clock.safe,
    },
    firmwareVersion,
    pcrs: { sha256: { ...pcrs.sha256 } },
    selection: [...selection[0].pcrs],
    ...(counter === undefined ? {} : { counter: counter.toString() }),
    firmwareLog: firmwareLog.named,
    ...(recovered === undefined ? {} : { recovered }),
    daemon: { version: VERSION, node: environment.node },
    ...(register === undefined ? {} : { register }),
  };
  const frame = newFrame({ log: origin }, input.timeMs, random);
  return { input, body, frame, predicate: jcsBytes(framed<'boot'>(body, frame)) };
}

/** The entry of a draft, with the report over it where there is one. */
export function buildBoot({ input, body, frame }: BootDraft, tee?: Body<'boot'>['tee']): BuiltBoot {
  const { origin, random, platform } = input;
  const built = buildEntry('boot', tee === undefined ? body : { ...body, tee }, frame);
  const boot = toHex(built.recordDigest);
  return {
    entry: built.entry,
    id: built.id,
    boot,
    write: createExecutionWriter({ log: origin, boot, random }),
    resetCount: platform.clock.resetCount,
    restartCount: platform.clock.restartCount,
    sighting: sightingOf(platform),
  };
}
