/** A manual page in man(7) macros, written from data; nothing here knows any command. */

/** Text as roff takes it: no word of it is an escape or a request. */
export function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replace(/^\./gm, '\\&.')
    .replaceAll('→', '->')
    .replaceAll('–', '\\(en');
}

export interface Page {
  readonly name: string;
  readonly section: 1 | 5 | 8;
  /** One line, as whatis(1) shows it. */
  readonly summary: string;
  readonly parts: readonly Part[];
  readonly seeAlso: readonly string[];
}

export interface Part {
  readonly title: string;
  readonly body: readonly string[];
}

/** Paragraph. */
export const para = (text: string): string => `.PP\n${roff(text)}`;
/** Heading of the second order. */
export const sub = (title: string): string => `.SS ${roff(title)}`;
/** Term and what it means. */
export const item = (term: string, text: string): string => `.TP\n\\fB${roff(term)}\\fR\n${roff(text)}`;
/** Lines as they are typed. */
export const shown = (lines: readonly string[]): string =>
  ['.PP', '.RS 4', '.nf', ...lines.map(roff), '.fi', '.RE'].join('\n');

/** The page; the version is the only thing that tells two builds apart. */
export function printPage(page: Page, version: string): string {
  const { name, section } = page;
  const lines = [
    `.TH ${name.toUpperCase()} ${section} "" "attestd ${version}" attestd`,
    '.nh',
    '.ad l',
    '.SH NAME',
    `${roff(name)} \\- ${roff(page.summary)}`,
    ...page.parts.flatMap((p) => [`.SH ${p.title}`, ...p.body]),
    '.SH SEE ALSO',
    page.seeAlso.map((s) => `.BR ${roff(s).replace(/\((\d)\)$/, ' ($1)')}`).join(' ,\n'),
  ];
  return `${lines.join('\n')}\n`;
}
