/** What a seal quotes: is there a SHA-256 bank, and did the firmware measure anything into it? */
import { ALG_SHA256, hashName } from '../../evidence/tpm/algorithm.ts';
import { pcrRead } from '../../tpm/pcr.ts';
import { readBanks } from '../../tpm/property.ts';
import { CannotTell, type Check, ok, unknown, wrong } from './check.ts';
import type { Patient } from './patient.ts';

/** PCRs that a firmware extends at every boot (TCG PC Client Platform Firmware Profile §3.3.4). */
const FIRMWARE = [0, 1, 2, 3, 4, 5, 6, 7];

async function bankOf(p: Patient): Promise<{ readonly names: string[]; readonly pcrs: readonly number[] }> {
  const banks = (await readBanks(await p.tpm())).filter((b) => b.pcrs.length > 0);
  return {
    names: banks.map((b) => hashName(b.hash)),
    pcrs: banks.find((b) => b.hash === ALG_SHA256)?.pcrs ?? [],
  };
}

const bank: Check = {
  id: 'pcr-bank',
  title: 'PCR banks',
  async run(p) {
    const { names, pcrs } = await bankOf(p);
    const missing = p.config().tpm.pcrs.filter((i) => !pcrs.includes(i));
    if (missing.length > 0)
      return wrong(
        `The sha256 bank lacks PCR ${missing.join(', ')}; banks: ${names.join(', ') || 'none'}.`,
        'choose the SHA-256 bank in the firmware setup, or tpm2_pcrallocate sha256:all, and restart the machine',
      );
    return ok(`${names.join(', ')}; sha256 has every PCR that is quoted.`);
  },
};

const zero: Check = {
  id: 'pcr-zero',
  title: 'firmware measurements',
  async run(p) {
    const { pcrs } = await bankOf(p);
    const wanted = FIRMWARE.filter((i) => p.config().tpm.pcrs.includes(i));
    if (wanted.length === 0) return unknown('No PCR of the firmware is quoted.', 'leave 0 to 7 in tpm.pcrs');
    if (wanted.some((i) => !pcrs.includes(i)))
      throw new CannotTell('There is no whole sha256 bank: see pcr-bank.');
    const { sha256 = {} } = await pcrRead(await p.tpm(), [{ hash: ALG_SHA256, pcrs: wanted }]);
    const zeros = wanted.filter((i) => /^0+$/.test(sha256[String(i)] ?? ''));
    if (zeros.length === wanted.length)
      return wrong(
        `PCR ${zeros.join(', ')} are zero: nothing measured this boot, and verifiers refuse every seal of it.`,
        'turn measured boot on in the firmware setup; a virtual machine needs firmware with TPM support (OVMF with TPM2)',
      );
    if (zeros.includes(0))
      return wrong(
        'PCR 0 is zero: the firmware did not measure itself.',
        'update the firmware, and turn measured boot on',
      );
    return ok(
      zeros.length === 0
        ? 'None of PCR 0–7 is zero.'
        : `PCR ${zeros.join(', ')} are zero, as some firmware leaves them.`,
    );
  },
};

export const PCR_CHECKS: readonly Check[] = [bank, zero];
