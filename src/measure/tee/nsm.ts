/**
 * Attestation documents from the Nitro Security Module (aws-nitro-enclaves-nsm-api): one request and one response in CBOR
 * over an ioctl of /dev/nsm. The exchange is passed in; the addon has the one with the kernel.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import { type Cbor, decodeCbor, encodeCbor } from '../../evidence/cbor.ts';
import { loadAddon } from '../../native/addon.ts';

/** Where the kernel has it. */
export const NSM_DEVICE = '/dev/nsm';
const LIMITS = { bytes: 0x3000, depth: 4, items: 64 };

/** Sends a request, gives the response. @throws Error with errno */
export type NsmExchange = (request: Uint8Array) => Uint8Array;

/** The exchange with a device; undefined where there is none. It throws where the device may not be opened. */
export function openNsm(path: string = NSM_DEVICE): NsmExchange | undefined {
  if (!existsSync(path)) return undefined;
  return (request) => {
    const fd = openSync(path, 'r+');
    try {
      return loadAddon().nsmExchange(fd, request);
    } finally {
      closeSync(fd);
    }
  };
}

/** A document whose user data is this. @throws Error when the module answers with anything else */
export function readNsmDocument(exchange: NsmExchange, userData: Uint8Array): Uint8Array {
  const wanted = new Map<Cbor, Cbor>([
    ['user_data', userData],
    ['nonce', null],
    ['public_key', null],
  ]);
  const answer = decodeCbor(exchange(encodeCbor(new Map<Cbor, Cbor>([['Attestation', wanted]]))), LIMITS);
  const body = answer instanceof Map ? answer.get('Attestation') : undefined;
  const document = body instanceof Map ? body.get('document') : undefined;
  if (document instanceof Uint8Array) return document.slice();
  const error = answer instanceof Map ? answer.get('Error') : undefined;
  throw new Error(
    `the security module gives no document: ${typeof error === 'string' ? error.slice(0, 64) : 'an unknown answer'}`,
  );
}
