/** Text that others chose, on its way to a terminal: control and format characters may try to drive it, or to turn it round. */

const DRIVES = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Without control and format characters. */
export const printable = (s: string): string => s.replace(DRIVES, '\ufffd');

/** A message of lines: the same, but for tabs and the ends of lines. */
export const printableLines = (s: string): string =>
  s.replace(DRIVES, (c) => (c === '\n' || c === '\t' ? c : '\ufffd'));

/** A JSON text that says the same in characters that only stand for themselves. */
export const printableDocument = (json: string): string =>
  json.replace(DRIVES, (c) =>
    c === '\n'
      ? c
      : c
          .split('')
          .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
          .join(''),
  );

/** JSON of a value, in characters that only stand for themselves. */
export const printableJson = (value: unknown, indent = 0): string =>
  printableDocument(JSON.stringify(value, null, indent));
