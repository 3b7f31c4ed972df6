/**
 * Reports of a confidential machine through the kernel's configfs-tsm (Documentation/ABI/testing/configfs-tsm-report):
 * report data goes into `inblob`, and `outblob` is the report over it, with what the host adds in `auxblob`. The
 * `generation` counts the writes of everybody: where it is not what our own writes make of it, the report may be over
 * somebody else's data and is asked for again. Files there are the kernel's own and belong to root, so a directory
 * that root prepared for the daemon is used where there is one (systemd/attestd.service).
 */
import { constants } from 'node:fs';
import { mkdir, open, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../core/bytes.ts';

/** Where the kernel has it. */
export const TSM_REPORTS = '/sys/kernel/config/tsm/report';
/** Directory that root prepares for the daemon. */
export const PREPARED = 'attestd';
/** Longest blob that is read, in bytes. */
const MAX_BLOB = 32_768;
const ATTEMPTS = 3;

const PLATFORMS: Readonly<Record<string, 'sev-snp' | 'tdx'>> = { sev_guest: 'sev-snp', tdx_guest: 'tdx' };

export interface TsmReport {
  readonly platform: 'sev-snp' | 'tdx';
  readonly report: Uint8Array;
  /** What the host adds; empty where it adds nothing. */
  readonly auxiliary: Uint8Array;
}

/** The five things that are done to the tree; a test puts a tree of its own here. */
export interface TsmTree {
  exists(path: string): Promise<boolean>;
  make(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  read(path: string): Promise<Uint8Array>;
  write(path: string, data: Uint8Array): Promise<void>;
}

/** The kernel's tree. */
export const TSM_TREE: TsmTree = {
  exists: (path) =>
    stat(path).then(
      () => true,
      () => false,
    ),
  async make(path) {
    await mkdir(path);
  },
  remove: rmdir,
  read: readWhole,
  // The kernel takes the value when the file is closed; it neither creates nor truncates.
  write: (path, data) => writeFile(path, data, { flag: constants.O_WRONLY }),
};

/** configfs states no sizes, so it is read to the end, in pieces. */
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(MAX_BLOB + 1);
    let size = 0;
    while (size < buffer.length) {
      const { bytesRead } = await file.read(buffer, size, buffer.length - size, null);
      if (bytesRead === 0) return buffer.slice(0, size);
      size += bytesRead;
    }
    throw new Error(`${path} is longer than ${MAX_BLOB} bytes`);
  } finally {
    await file.close();
  }
}

/**
 * A report over 64 bytes; undefined where the kernel has no such thing.
 * @param random names a directory of our own
 * @throws Error when there is one and it gives no report that is surely ours
 */
export async function readTsmReport(
  root: string,
  reportData: Uint8Array,
  random: (n: number) => Uint8Array,
  tree: TsmTree = TSM_TREE,
): Promise<TsmReport | undefined> {
  if (!(await tree.exists(root))) return undefined;
  const prepared = join(root, PREPARED);
  if (await tree.exists(prepared)) return ask(prepared, reportData, tree);
  const own = join(root, `${PREPARED}-${toHex(random(8))}`);
  await tree.make(own);
  try {
    return await ask(own, reportData, tree);
  } finally {
    await tree.remove(own).catch(() => {});
  }
}

async function ask(dir: string, reportData: Uint8Array, tree: TsmTree): Promise<TsmReport> {
  const text = async (name: string) => new TextDecoder().decode(await tree.read(join(dir, name))).trim();
  const provider = await text('provider');
  const platform = PLATFORMS[provider];
  if (platform === undefined) throw new Error(`the provider ${provider.slice(0, 64)} is not known`);
  const floor = await text('privlevel_floor').catch(() => '0');
  for (let attempt = 1; ; attempt++) {
    const before = Number(await text('generation'));
    let writes = 0;
    const write = async (name: string, data: Uint8Array): Promise<void> => {
      await tree.write(join(dir, name), data);
      writes++;
    };
    // Under a paravisor the guest has no right to the highest level, which would be the default.
    if (/^[1-3]$/.test(floor)) await write('privlevel', new TextEncoder().encode(floor));
    await write('inblob', reportData);
    const report = await tree.read(join(dir, 'outblob'));
    const auxiliary = await tree.read(join(dir, 'auxblob')).catch(() => new Uint8Array());
    const after = Number(await text('generation'));
    if (after === before + writes && report.length > 0) return { platform, report, auxiliary };
    if (attempt === ATTEMPTS) throw new Error(`the report changed under our hands ${ATTEMPTS} times`);
  }
}
