/** Names of response codes: the TPM's own, for every format (TPM 2.0 Part 2 §6.6), and those of the TSS layers. */
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';

const { describeRc } = loadAddon();

const table: [number, string, string, string][] = [
  [0x000, 'tpm', 'TPM_RC_SUCCESS', 'TPM_RC_SUCCESS'],
  [0x01e, 'tpm', 'TPM_RC_BAD_TAG', 'TPM_RC_BAD_TAG'],
  [0x100, 'tpm', 'TPM_RC_INITIALIZE', 'TPM_RC_INITIALIZE'],
  [0x101, 'tpm', 'TPM_RC_FAILURE', 'TPM_RC_FAILURE'],
  [0x14c, 'tpm', 'TPM_RC_NV_DEFINED', 'TPM_RC_NV_DEFINED'],
  [0x12a, 'tpm', 'TPM_RC_PARMS', 'TPM_RC_PARMS'],
  [0x921, 'tpm', 'TPM_RC_LOCKOUT', 'TPM_RC_LOCKOUT'],
  [0x922, 'tpm', 'TPM_RC_RETRY', 'TPM_RC_RETRY'],
  [0x908, 'tpm', 'TPM_RC_YIELDED', 'TPM_RC_YIELDED'],
  [0x90a, 'tpm', 'TPM_RC_TESTING', 'TPM_RC_TESTING'],
  [0x920, 'tpm', 'TPM_RC_NV_RATE', 'TPM_RC_NV_RATE'],
  [0x902, 'tpm', 'TPM_RC_OBJECT_MEMORY', 'TPM_RC_OBJECT_MEMORY'],
  [0x903, 'tpm', 'TPM_RC_SESSION_MEMORY', 'TPM_RC_SESSION_MEMORY'],
  [0x905, 'tpm', 'TPM_RC_SESSION_HANDLES', 'TPM_RC_SESSION_HANDLES'],
  [0x901, 'tpm', 'TPM_RC_CONTEXT_GAP', 'TPM_RC_CONTEXT_GAP'],
  [0x910, 'tpm', 'TPM_RC_REFERENCE_H0', 'TPM_RC_REFERENCE_H0'],
  [0x91e, 'tpm', 'TPM_RC_REFERENCE_S6', 'TPM_RC_REFERENCE_S6'],
  [0x084, 'tpm', 'TPM_RC_VALUE', 'TPM_RC_VALUE'],
  [0x18b, 'tpm', 'TPM_RC_HANDLE (handle 1)', 'TPM_RC_HANDLE'],
  [0x28b, 'tpm', 'TPM_RC_HANDLE (handle 2)', 'TPM_RC_HANDLE'],
  [0x1df, 'tpm', 'TPM_RC_INTEGRITY (parameter 1)', 'TPM_RC_INTEGRITY'],
  [0xfc4, 'tpm', 'TPM_RC_VALUE (parameter 15)', 'TPM_RC_VALUE'],
  [0x98e, 'tpm', 'TPM_RC_AUTH_FAIL (session 1)', 'TPM_RC_AUTH_FAIL'],
  [0x9a2, 'tpm', 'TPM_RC_BAD_AUTH (session 1)', 'TPM_RC_BAD_AUTH'],
  [0xa8e, 'tpm', 'TPM_RC_AUTH_FAIL (session 2)', 'TPM_RC_AUTH_FAIL'],
  [0x3e0, 'tpm', 'TPM_RC_TICKET (parameter 3)', 'TPM_RC_TICKET'],
  [0x99d, 'tpm', 'TPM_RC_POLICY_FAIL (session 1)', 'TPM_RC_POLICY_FAIL'],
  [0x510, 'tpm', 'TPM_RC_VENDOR_0x510', 'TPM_RC_VENDOR_0x510'],
  [0x97e, 'tpm', 'TPM_RC_0x97E', 'TPM_RC_0x97E'],
  [0x70007, 'esys', 'TSS2_ESYS_RC_BAD_SEQUENCE', 'TSS2_ESYS_RC_BAD_SEQUENCE'],
  [0x80011, 'sys', 'TSS2_SYS_RC_MALFORMED_RESPONSE', 'TSS2_SYS_RC_MALFORMED_RESPONSE'],
  [0x90010, 'mu', 'TSS2_MU_RC_BAD_SIZE', 'TSS2_MU_RC_BAD_SIZE'],
  [0xa000a, 'tcti', 'TSS2_TCTI_RC_IO_ERROR', 'TSS2_TCTI_RC_IO_ERROR'],
  [0xa0008, 'tcti', 'TSS2_TCTI_RC_NO_CONNECTION', 'TSS2_TCTI_RC_NO_CONNECTION'],
  [0x60001, 'fapi', 'TSS2_FAPI_RC_GENERAL_FAILURE', 'TSS2_FAPI_RC_GENERAL_FAILURE'],
  // The kernel's resource manager refuses a command; its layer number differs between headers.
  [0xb0143, 'rmt', 'TPM_RC_COMMAND_CODE', 'TPM_RC_COMMAND_CODE'],
  [0xc0143, 'rmt', 'TPM_RC_COMMAND_CODE', 'TPM_RC_COMMAND_CODE'],
  [0xb0902, 'rmt', 'TPM_RC_OBJECT_MEMORY', 'TPM_RC_OBJECT_MEMORY'],
  [0xb0017, 'rm', 'TSS2_RESMGR_RC_MEMORY', 'TSS2_RESMGR_RC_MEMORY'],
  [0xff0001, 'unknown', 'TSS2_RC_0xFF0001', 'TSS2_RC_0xFF0001'],
];

describe('response codes', () => {
  it('have the names that people search for', () => {
    expect(table.map(([rc]) => [rc, ...Object.values(describeRc(rc))])).toEqual(table);
  });

  it('always have some name, whatever the number', () => {
    for (let rc = 0; rc <= 0xffff; rc++) {
      const { name, base } = describeRc(rc);
      expect(
        name.startsWith(base) && /^TPM_RC_[A-Z0-9_x]+( \((parameter|handle|session) \d+\))?$/.test(name),
      ).toBe(true);
    }
  });
});
