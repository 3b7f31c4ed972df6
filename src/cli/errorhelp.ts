/** `attestctl help CODE`: what an error code means and what to do, of the one table of errors. */
import { ERRORS, type ErrorCode } from '../core/errors.ts';

/**
 * @param topic as a fault printed it: `TPM_UNAVAILABLE`, `[TPM_UNAVAILABLE]`, `ATTESTD_E_TPM_UNAVAILABLE`
 * @returns undefined where it is no error code
 */
export function errorHelp(topic: string): string | undefined {
  const code = /^\[?(?:ATTESTD_E_)?([A-Z_]+)\]?$/.exec(topic)?.[1];
  if (code === undefined || !Object.hasOwn(ERRORS, code)) return undefined;
  const { title, hint, exit, status } = ERRORS[code as ErrorCode];
  return `${code}: ${title}\n  what to do: ${hint}\n  exit status ${exit}, over HTTP ${status}\n`;
}
