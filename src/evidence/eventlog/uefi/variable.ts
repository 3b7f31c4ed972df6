/**
 * UEFI_VARIABLE_DATA: a variable as an event holds it (TCG PC Client Firmware Profile §10.2.6), and what the variables
 * of Secure Boot and of the boot manager say.
 */
import { Cursor, ucs2 } from '../cursor.ts';
import { devicePathText } from './devicepath.ts';
import { readSignatureData, readSignatureLists, type UefiSignature } from './signatures.ts';

const MAX_NAME = 4096;
/** shim writes a few bytes after the data of the variables that it measures. */
const MAX_SPARE = 8;
const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const SECURITY = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f';

export interface UefiVariable {
  /** GUID of its namespace. */
  readonly guid: string;
  readonly name: string;
  readonly data: Uint8Array;
}

/** Reads the event's data, which it fills but for what shim adds. @throws MALFORMED */
export function readVariable(bytes: Uint8Array): UefiVariable {
  const cursor = new Cursor(bytes, 'UEFI variable');
  const guid = cursor.guid();
  const nameLength = cursor.u64();
  const dataLength = cursor.u64();
  if (nameLength > MAX_NAME) throw cursor.fail(`a name of ${nameLength} characters`);
  if (dataLength > cursor.left) throw cursor.fail(`data of ${dataLength} bytes`);
  const name = ucs2(cursor.view(2 * Number(nameLength)));
  const data = cursor.slice(Number(dataLength));
  if (cursor.left > MAX_SPARE) throw cursor.fail(`${cursor.left} bytes too many`);
  return { guid, name, data };
}

/** What a variable says, where it is one of those that are known. */
export type VariableMeaning =
  | { readonly kind: 'switch'; readonly on: boolean }
  | { readonly kind: 'signatures'; readonly signatures: readonly UefiSignature[] }
  | { readonly kind: 'boot-order'; readonly order: readonly number[] }
  | { readonly kind: 'boot-option'; readonly description: string; readonly devicePath: string };

/**
 * The meaning of a variable; absent for one of another name or namespace.
 * @param authority the event says which entry of a signature database was used, and holds that alone
 * @throws MALFORMED when its data are not of its kind
 */
export function variableMeaning(
  { guid, name, data }: UefiVariable,
  authority: boolean,
): VariableMeaning | undefined {
  if (authority) {
    return ['db', 'dbx', 'KEK', 'PK', 'MokList', 'devdb'].includes(name)
      ? { kind: 'signatures', signatures: [readSignatureData(data)] }
      : undefined;
  }
  const global = guid === GLOBAL;
  if (global && ['SecureBoot', 'SetupMode', 'AuditMode', 'DeployedMode'].includes(name)) {
    if (data.length === 0) return undefined;
    return { kind: 'switch', on: data[0] === 1 };
  }
  if (
    (global && (name === 'PK' || name === 'KEK')) ||
    (guid === SECURITY && ['db', 'dbx', 'dbt', 'dbr', 'devdb'].includes(name))
  ) {
    return { kind: 'signatures', signatures: readSignatureLists(data) };
  }
  if (global && name === 'BootOrder') {
    const cursor = new Cursor(data, 'BootOrder');
    const order: number[] = [];
    while (cursor.left > 0) order.push(cursor.u16());
    return { kind: 'boot-order', order };
  }
  if (global && /^(?:Boot|Driver|SysPrep)[0-9A-Fa-f]{4}$/.test(name)) return bootOption(data);
  return undefined;
}

/** EFI_LOAD_OPTION (UEFI 2.10 §3.1.3). */
function bootOption(data: Uint8Array): VariableMeaning {
  const cursor = new Cursor(data, 'boot option');
  cursor.take(4);
  const pathLength = cursor.u16();
  const from = cursor.at;
  while (cursor.u16() !== 0);
  const description = ucs2(data.subarray(from, cursor.at));
  return { kind: 'boot-option', description, devicePath: devicePathText(cursor.view(pathLength)) };
}
