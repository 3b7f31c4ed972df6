/**
 * Quotes with the PCR values they speak of. The signed digest is the judge: values travel only when they hash to it;
 * when the PCRs keep changing, the quote goes without values (design §6), never with wrong ones.
 */
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { ALG_SHA256 } from '../evidence/tpm/algorithm.ts';
import { ATTEST_MAGIC, ATTEST_QUOTE, type Attest, parseAttest } from '../evidence/tpm/attest.ts';
import { type PcrSelection, type PcrValues, pcrDigest, printPcrSelections } from '../evidence/tpm/pcr.ts';
import type { Key } from './key.ts';
import { bytes } from './key.ts';
import { readLoosely, readValues } from './pcr.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions, Work } from './work.ts';

const TRIES = 5;

export interface Quote {
  /** TPMS_ATTEST. */
  readonly attest: Uint8Array;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
  /** Values that hash to the quoted digest; absent when the PCRs kept changing. */
  readonly pcrs?: PcrValues;
  /** The same TPMS_ATTEST, parsed. */
  readonly parsed: Attest;
}

/** Remembers values between quotes: while they hash to the next digest they need not be read again. */
export interface Quoter {
  /**
   * TPM2_Quote by `ak` over `selection`.
   * @param extraData 32 bytes of evidence/binding.ts, never something a caller sent
   */
  take(extraData: Uint8Array, o?: RunOptions): Promise<Quote>;
}

/**
 * Finds values that hash to a quoted digest where a register moves all the time, from the log of who extends it.
 * @param values as they were read, perhaps of several moments
 */
export type SettleValues = (
  values: PcrValues,
  fits: (values: PcrValues) => boolean,
) => Promise<PcrValues | undefined>;

export function createQuoter(
  tpm: Tpm,
  ak: Key,
  selection: readonly PcrSelection[],
  settle?: SettleValues,
): Quoter {
  let known: PcrValues | null = null;
  return {
    take: (extraData, o) =>
      tpm.run(
        async (w) => {
          for (let i = 0; ; i++) {
            const quote = await quoteOnce(w, ak, extraData, selection);
            const { clockInfo, attested } = quote.parsed;
            tpm.observe(clockInfo);
            if (attested.kind !== 'quote') throw new AttestdError('TPM_ERROR', 'the TPM made no quote');
            const fits = (values: PcrValues) =>
              equal(pcrDigest(selection, values, ALG_SHA256), attested.pcrDigest);
            for (const fresh of [false, true]) {
              if (fresh) known = await readValues(w, selection);
              if (known !== null && fits(known)) return { ...quote, pcrs: known };
            }
            const settled = await settle?.(known ?? (await readLoosely(w, selection)), fits);
            if (settled !== undefined && fits(settled)) return { ...quote, pcrs: settled };
            if (i + 1 >= TRIES) return quote;
          }
        },
        { urgency: 'quote', ...o },
      ),
  };
}

/** One quote; see Quoter. */
export function takeQuote(
  tpm: Tpm,
  ak: Key,
  extraData: Uint8Array,
  selection: readonly PcrSelection[],
  o?: RunOptions,
): Promise<Quote> {
  return createQuoter(tpm, ak, selection).take(extraData, o);
}

async function quoteOnce(
  w: Work,
  ak: Key,
  extraData: Uint8Array,
  selection: readonly PcrSelection[],
): Promise<Quote> {
  const input = {
    key: await w.key(ak),
    qualifyingData: extraData,
    selection: printPcrSelections(selection),
  };
  const { attest, signature } = await w.ctx.quote(input, await w.authorised());
  const parsed = checkAttest(attest, ak, ATTEST_QUOTE, extraData);
  if (
    parsed.attested.kind !== 'quote' ||
    !equal(printPcrSelections(parsed.attested.selections), input.selection)
  ) {
    throw new AttestdError('TPM_ERROR', 'the TPM quoted other PCRs than asked for');
  }
  return { attest: bytes(attest), signature: bytes(signature), parsed };
}

/**
 * What the TPM signed must be what was asked for, by the key that was meant: after a reset another key may stand
 * behind an old handle. @throws TPM_ERROR
 */
export function checkAttest(attest: Uint8Array, signer: Key, type: number, extraData: Uint8Array): Attest {
  const parsed = parseAttest(bytes(attest));
  const wrong =
    parsed.magic !== ATTEST_MAGIC || parsed.type !== type
      ? 'its type'
      : !equal(parsed.qualifiedSigner, signer.qualifiedName)
        ? 'its signer'
        : !equal(parsed.extraData, extraData)
          ? 'its extraData'
          : null;
  if (wrong !== null)
    throw new AttestdError('TPM_ERROR', `the TPM attested something else: ${wrong} differs`);
  return parsed;
}
