/**
 * Entry 0 of an epoch: which AK, record key and storage primary speak for this log, the counter with an anchor over
 * the empty tree, and, after a recovery, the log that went before. It is made once and stands for itself: everything
 * in it is certified by the AK.
 */
import { toBase64, ZERO32 } from '../core/bytes.ts';
import { anchorExtraData, KEY_ROLES, keyExtraData } from '../evidence/binding.ts';
import { type Body, type BuiltRecord, buildEntry, newFrame } from '../evidence/record.ts';
import { printCheckpoint } from '../log/checkpoint.ts';
import { EMPTY_ROOT } from '../log/merkle.ts';
import { certifyKey } from '../tpm/certify.ts';
import type { Counter } from '../tpm/counter.ts';
import type { Identity } from '../tpm/keys.ts';
import type { Tpm } from '../tpm/tpm.ts';

export interface GenesisInput {
  readonly tpm: Tpm;
  readonly identity: Identity;
  /** Undefined where the host has no counter. */
  readonly counter: Counter | undefined;
  readonly origin: string;
  readonly epoch: string;
  readonly assurance: 'tpm' | 'software';
  readonly previous: Body<'genesis'>['previous'];
  readonly timeMs: number;
  readonly random: (n: number) => Uint8Array;
}

/** Certifies and builds. @throws what the TPM throws */
export async function buildGenesis(input: GenesisInput): Promise<BuiltRecord> {
  const { tpm, identity, counter, origin } = input;
  const { ak, recordKey, storage } = identity;
  const certified = await certifyKey(tpm, ak, recordKey, keyExtraData(KEY_ROLES.record, origin));
  const empty = printCheckpoint({ origin, size: 0, root: EMPTY_ROOT });
  const anchor = await counter?.certify(ak, anchorExtraData(ZERO32, empty));
  return buildEntry(
    'genesis',
    {
      epoch: input.epoch,
      assurance: input.assurance,
      ak: { public: toBase64(ak.public) },
      recordKey: {
        public: toBase64(recordKey.public),
        attest: toBase64(certified.attest),
        signature: toBase64(certified.signature),
      },
      storage: { public: toBase64(storage.public) },
      ...(counter === undefined || anchor === undefined
        ? {}
        : {
            counter: {
              public: toBase64(counter.public),
              value: anchor.value.toString(),
              attest: toBase64(anchor.attest),
              signature: toBase64(anchor.signature),
            },
          }),
      ...(input.previous === undefined ? {} : { previous: input.previous }),
    },
    newFrame({ log: origin }, input.timeMs, input.random),
  );
}
