/** A row of the table of errors. */

export interface Row {
  /** HTTP status on the socket (RFC 9110 §15). */
  readonly status: number;
  /** Exit status of attestctl (design: 1 rejected, 2 usage, 3 malformed, 4 indeterminate, 5 unavailable, 6 denied). */
  readonly exit: number;
  /** One sentence without the particulars. */
  readonly title: string;
  /** The next step for whoever reads it. */
  readonly hint: string;
}

/** Makes one. */
export const row = (status: number, exit: number, title: string, hint: string): Row => ({
  status,
  exit,
  title,
  hint,
});
