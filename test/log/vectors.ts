/** Reads the vectors of this topic. */
import { readFileSync } from 'node:fs';

const path = (name: string) => new URL(`../vectors/log/${name}`, import.meta.url);

export const readVector = (name: string): Uint8Array => new Uint8Array(readFileSync(path(name)));
export const readVectors = <T>(name: string): T => JSON.parse(readFileSync(path(name), 'utf8')) as T;

/** Base64 as the vectors have it, tampered lengths included. */
export const b64 = (s: string | null): Uint8Array => new Uint8Array(Buffer.from(s ?? '', 'base64'));
