/**
 * What the daemon measures of itself at each start: what is loaded, what it was configured with, and what systemd was
 * told about it. Reading begins when the process does, so that it is done by the time the TPM answers; each file is
 * read once in the life of the process, for what runs does not change when its file does.
 */
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { MeasuredEvent } from '../../evidence/schema/predicates.ts';
import { createFileDigests, hashFile } from '../../measure/file.ts';
import { loadedFiles } from '../../measure/loaded.ts';
import { unitFiles } from '../../measure/unit.ts';
import { MANIFEST_FILE } from '../govern/policies.ts';
import { VERSION } from '../version.ts';

export interface Software {
  /** Events of a start, from `start` to `ready`. */
  events(): Promise<MeasuredEvent[]>;
  /** Events of configuration and policies as they are now; for when they are read again. */
  settings(): Promise<MeasuredEvent[]>;
}

export interface SoftwareInput {
  /** The configuration as it was read: its path and SHA-256 in hex. */
  readonly config: { readonly path: string; readonly sha256: string };
  /** Directory of policies and files of policy keys; empty where there are none. */
  readonly policy: { readonly directory: string; readonly keys: readonly string[] };
  /** Loads what would be loaded later; what is loaded after `ready` is not measured. */
  readonly preload: () => Promise<void>;
}

const EXECUTABLE = '/proc/self/exe';
/** Bytes of a name in an event. */
const MAX_NAME = 1024;

/** Begins to read. */
export function createSoftware(input: SoftwareInput): Software {
  const digests = createFileDigests(new Map([[readlinkSync(EXECUTABLE), EXECUTABLE]]));
  // Nothing waits for these reads; whoever asks later finds them done.
  for (const path of loadedFiles()) void digests.of(path);

  const file = async (type: string, path: string): Promise<MeasuredEvent> => {
    const sha256 = await digests.of(path);
    return { type, name: tame(path), ...(sha256 === undefined ? {} : { sha256 }) };
  };

  /** Read again each time: these change while the daemon runs. */
  const fresh = async (type: string, path: string): Promise<MeasuredEvent> => {
    const sha256 = await hashFile(path);
    return { type, name: tame(path), ...(sha256 === undefined ? {} : { sha256 }) };
  };
  const policies = (): Promise<MeasuredEvent[]> => {
    const { directory, keys } = input.policy;
    // The signed manifest names every policy by its digest.
    const paths = directory === '' ? [] : [join(directory, MANIFEST_FILE), ...keys];
    return Promise.all(paths.map((path) => fresh('policy', path)));
  };

  return {
    settings: async () => [await fresh('config', input.config.path), ...(await policies())],
    async events() {
      await input.preload();
      const { config } = input;
      return [
        { type: 'start', name: `attestd ${VERSION}, node ${process.version}` },
        ...(await Promise.all(loadedFiles().map((path) => file('code', path)))),
        { type: 'config', name: tame(config.path), sha256: config.sha256 },
        ...(await policies()),
        ...(await Promise.all(unitFiles().map((path) => file('unit', path)))),
        { type: 'ready', name: 'attestd' },
      ];
    },
  };
}

/** A path as an event can hold it. */
function tame(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return path.replace(/[\x00-\x1f\x7f]/g, '?').slice(-MAX_NAME);
}
