import { describe, expect, it } from 'vitest';
import { AttestdError, ERRORS, type ErrorCode, isAttestdError } from '../../src/core/errors.ts';
import { toProblem } from '../../src/core/problem.ts';

describe('the table of errors', () => {
  it.each(Object.entries(ERRORS))('%s has a status, an exit code, a title and a next step', (code, row) => {
    expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
    expect(row.status).toBeGreaterThanOrEqual(400);
    expect(row.status).toBeLessThan(600);
    expect([1, 2, 3, 4, 5, 6, 130]).toContain(row.exit);
    expect(row.title).toMatch(/^[a-zA-Z].*[^.]$/);
    expect(row.hint.length).toBeGreaterThan(5);
  });

  it('gives each fault a title of its own', () => {
    const titles = Object.values(ERRORS).map((r) => r.title);
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe('an error', () => {
  it('becomes problem details that name the field and the TPM response code', () => {
    const e = new AttestdError('TPM_ERROR', 'the quote failed', {
      rcName: 'TPM_RC_LOCKOUT',
      field: '/nonce',
    });
    expect(toProblem(e, 'urn:request:1')).toEqual({
      type: 'urn:attestd:error:TPM_ERROR',
      title: ERRORS.TPM_ERROR.title,
      status: 503,
      detail: 'the quote failed',
      hint: ERRORS.TPM_ERROR.hint,
      field: '/nonce',
      tpm: 'TPM_RC_LOCKOUT',
      instance: 'urn:request:1',
    });
    expect(Object.keys(toProblem(new AttestdError('INTERNAL', 'x')))).toEqual([
      'type',
      'title',
      'status',
      'detail',
      'hint',
    ]);
  });

  it('is told from others by its class and code, and keeps its cause', () => {
    const cause = new Error('disk');
    const e = new AttestdError('STORAGE_UNAVAILABLE', 'no', { cause });
    expect(e.cause).toBe(cause);
    expect(isAttestdError(e)).toBe(true);
    expect(isAttestdError(e, 'STORAGE_UNAVAILABLE')).toBe(true);
    expect(isAttestdError(e, 'MALFORMED' satisfies ErrorCode)).toBe(false);
    expect(isAttestdError({ code: 'MALFORMED' })).toBe(false);
    expect(isAttestdError(undefined)).toBe(false);
  });
});
