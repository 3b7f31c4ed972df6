/** The report of a confidential machine over boot entries, where the configuration asks for one. */
import { teeReportData } from '../evidence/binding.ts';
import { publicName } from '../evidence/tpm/public.ts';
import { readTeeEvidence } from '../measure/tee/report.ts';
import type { EngineInput } from './engineinput.ts';
import type { RunsInput } from './runs.ts';

/** Milliseconds after which a run begins without the report. */
const DEADLINE = 20_000;

/** @param ak public area of the key that the report names: the one in force at that boot entry */
export function attestor(
  { config, random, journal, observer }: Pick<EngineInput, 'config' | 'random' | 'journal' | 'observer'>,
  ak: () => Uint8Array,
): Pick<RunsInput, 'attest'> {
  if (config.tee.report === 'none') return {};
  const onTrouble = (error: Error) =>
    journal.warn('the report of the confidential machine was not made', { error });
  return {
    attest: (predicate) =>
      readTeeEvidence(teeReportData(publicName(ak()), predicate), {
        ...config.tee,
        observer,
        random,
        deadlineMs: DEADLINE,
        onTrouble,
      }),
  };
}
