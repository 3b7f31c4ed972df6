/**
 * The templates of the kernel's integrity measurement list (Linux security/integrity/ima/ima_template.c and
 * Documentation/security/IMA-templates.rst): which fields an entry has, in which order, and how each is written. An
 * administrator may name a template by its fields, `d-ng|n-ng|sig`; that is understood where every field is known.
 */

/**
 * How a field's bytes are made up: `digest` is bare, `labelled` is `sha256:` NUL digest, `text` ends in NUL, `bytes`
 * is anything and shows as hexadecimal, `number` is an unsigned integer in the host's order.
 */
export type FieldKind = 'digest' | 'labelled' | 'text' | 'bytes' | 'number';

export interface ImaField {
  readonly id: string;
  readonly kind: FieldKind;
  /** Bytes of a `number`, else 0. */
  readonly size: number;
}

export interface ImaTemplate {
  readonly name: string;
  readonly fields: readonly ImaField[];
  /** Where the name of the file is, or -1. */
  readonly nameAt: number;
  /** The first template: no lengths, and the hash covers the name padded to 256 bytes. */
  readonly legacy: boolean;
}

/** Bytes of the digest in the legacy template. */
export const LEGACY_DIGEST = 20;
/** Bytes to which the legacy template pads a name before it is hashed; a name is shorter than that. */
export const LEGACY_NAME = 256;
/** Longest name of a template; longer than all fields together. */
export const MAX_TEMPLATE_NAME = 255;

const FIELDS: ReadonlyMap<string, ImaField> = new Map(
  (
    [
      ['d', 'digest', 0],
      ['d-ng', 'labelled', 0],
      ['d-ngv2', 'labelled', 0],
      ['d-modsig', 'labelled', 0],
      ['n', 'text', 0],
      ['n-ng', 'text', 0],
      ['sig', 'bytes', 0],
      ['modsig', 'bytes', 0],
      ['buf', 'bytes', 0],
      ['evmsig', 'bytes', 0],
      ['xattrnames', 'text', 0],
      ['xattrlengths', 'bytes', 0],
      ['xattrvalues', 'bytes', 0],
      ['iuid', 'number', 4],
      ['igid', 'number', 4],
      ['mntuidmap', 'number', 4],
      ['mntgidmap', 'number', 4],
      ['imode', 'number', 2],
    ] as const
  ).map(([id, kind, size]) => [id, { id, kind, size }]),
);

const NAMED: ReadonlyMap<string, string> = new Map([
  ['ima', 'd|n'],
  ['ima-ng', 'd-ng|n-ng'],
  ['ima-sig', 'd-ng|n-ng|sig'],
  ['ima-ngv2', 'd-ngv2|n-ng'],
  ['ima-sigv2', 'd-ngv2|n-ng|sig'],
  ['ima-buf', 'd-ng|n-ng|buf'],
  ['ima-modsig', 'd-ng|n-ng|sig|d-modsig|modsig'],
  ['evm-sig', 'd-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode'],
]);

/** The template of a name or of a list of fields; absent where a field is unknown. */
export function templateOf(name: string): ImaTemplate | undefined {
  const fields: ImaField[] = [];
  for (const id of (NAMED.get(name) ?? name).split('|')) {
    const field = FIELDS.get(id);
    if (field === undefined) return undefined;
    fields.push(field);
  }
  const nameAt = fields.findIndex(({ id }) => id === 'n-ng' || id === 'n');
  return { name, fields, nameAt, legacy: name === 'ima' };
}
