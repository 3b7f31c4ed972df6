/** Where the TPM is: the device or socket that the TCTI names. */
import { type Account, mayUse } from './account.ts';
import type { Surroundings } from './surroundings.ts';

export interface Place {
  readonly kind: 'device' | 'socket' | 'other';
  readonly path: string;
}

export function placeOf(tcti: string): Place {
  const device = /^device:(.*)$/.exec(tcti);
  if (device !== null) return { kind: 'device', path: device[1] as string };
  const socket = /^swtpm:(?:.*,)?path=([^,]+)/.exec(tcti);
  if (socket !== null) return { kind: 'socket', path: socket[1] as string };
  return { kind: 'other', path: tcti };
}

/** Whether it is worth a try: opening what is not there waits as long as a TPM may take to come up. */
export function isUsable(
  { stat }: Surroundings,
  account: Pick<Account, 'uid' | 'groups'>,
  { kind, path }: Place,
): boolean {
  if (kind === 'other') return true;
  const s = stat(path);
  return s !== undefined && (kind === 'device' ? s.isCharacterDevice() : s.isSocket()) && mayUse(account, s);
}
