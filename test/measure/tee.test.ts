/**
 * The kernel's tree of reports and the Nitro module, as doubles: the tree makes its files when a directory is made,
 * counts every write in `generation`, and answers `outblob` from the report data that stands in `inblob` then
 * (Documentation/ABI/testing/configfs-tsm-report; drivers/virt/coco/tsm.c).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { fromBase64, toHex } from '../../src/core/bytes.ts';
import { type Cbor, decodeCbor, encodeCbor } from '../../src/evidence/cbor.ts';
import { readTsmReport, TSM_TREE, type TsmTree } from '../../src/measure/tee/configfs.ts';
import { openNsm, readNsmDocument } from '../../src/measure/tee/nsm.ts';
import { readTeeEvidence, type TeeSources } from '../../src/measure/tee/report.ts';

const DATA = new Uint8Array(64).fill(0x42);
const text = (s: string) => new TextEncoder().encode(s);
const random = (n: number) => new Uint8Array(n).fill(7);

interface Double extends TsmTree {
  readonly log: string[];
  readonly dirs: Map<string, { generation: number; inblob?: Uint8Array; privlevel: number }>;
  /** What happens just before the report is read: a neighbour on the same directory. */
  neighbour?: (dir: { generation: number; inblob?: Uint8Array }) => void;
}

function double(
  over: { provider?: string; floor?: string; aux?: Uint8Array | null; prepared?: boolean } = {},
): Double {
  const { provider = 'tdx_guest\n', floor, aux = null } = over;
  const dirs: Double['dirs'] = new Map();
  const fault = (code: string) => Object.assign(new Error(code), { code });
  const log: string[] = [];
  const of = (path: string) => {
    const dir = dirs.get(path.slice(0, path.lastIndexOf('/')));
    if (dir === undefined) throw fault('ENOENT');
    return { dir, name: path.slice(path.lastIndexOf('/') + 1) };
  };
  const tree: Double = {
    log,
    dirs,
    async exists(path) {
      return path === '/tsm' || dirs.has(path);
    },
    async make(path) {
      if (dirs.has(path)) throw fault('EEXIST');
      dirs.set(path, { generation: 0, privlevel: 0 });
      log.push(`mkdir ${path}`);
    },
    async remove(path) {
      dirs.delete(path);
      log.push(`rmdir ${path}`);
    },
    async read(path) {
      const { dir, name } = of(path);
      if (name === 'provider') return text(provider);
      if (name === 'generation') return text(`${dir.generation}\n`);
      if (name === 'privlevel_floor' && floor !== undefined) return text(floor);
      if (name === 'outblob') {
        tree.neighbour?.(dir);
        if (dir.inblob === undefined) throw fault('EINVAL');
        return text(`report(${dir.privlevel},${toHex(dir.inblob)})`);
      }
      if (name === 'auxblob' && aux !== null) return aux;
      throw fault('ENOENT');
    },
    async write(path, data) {
      const { dir, name } = of(path);
      if (name === 'privlevel') dir.privlevel = Number(new TextDecoder().decode(data));
      else if (name === 'inblob' && data.length <= 64) dir.inblob = data;
      else throw fault('EINVAL');
      dir.generation++;
    },
  };
  if (over.prepared) dirs.set('/tsm/attestd', { generation: 12, privlevel: 0 });
  return tree;
}

const report = (level: number, data: Uint8Array = DATA) => `report(${level},${toHex(data)})`;
const asText = (b: Uint8Array | undefined) => new TextDecoder().decode(b);

describe('configfs-tsm', () => {
  test('a directory of our own is made, asked and removed', async () => {
    const tree = double();
    const found = await readTsmReport('/tsm', DATA, random, tree);
    expect(found?.platform).toBe('tdx');
    expect(asText(found?.report)).toBe(report(0));
    expect(found?.auxiliary).toEqual(new Uint8Array());
    expect(tree.log).toEqual(['mkdir /tsm/attestd-0707070707070707', 'rmdir /tsm/attestd-0707070707070707']);
  });
  test('the directory that root prepared is used, and stays', async () => {
    const tree = double({ prepared: true, provider: 'sev_guest\n', aux: Uint8Array.of(1, 2) });
    const found = await readTsmReport('/tsm', DATA, random, tree);
    expect(found).toMatchObject({ platform: 'sev-snp', auxiliary: Uint8Array.of(1, 2) });
    expect(tree.log).toEqual([]);
  });
  test('under a paravisor the lowest level that is allowed is asked for, and both writes are counted', async () => {
    expect(asText((await readTsmReport('/tsm', DATA, random, double({ floor: '2\n' })))?.report)).toBe(
      report(2),
    );
  });
  test('a report that a neighbour wrote between is asked for again', async () => {
    const tree = double({ prepared: true });
    let once = true;
    tree.neighbour = (dir) => {
      if (!once) return;
      once = false;
      dir.inblob = new Uint8Array(64);
      dir.generation++;
    };
    expect(asText((await readTsmReport('/tsm', DATA, random, tree))?.report)).toBe(report(0));
  });
  test('and where that goes on there is none, and the directory is removed', async () => {
    const tree = double();
    tree.neighbour = (dir) => {
      dir.generation++;
    };
    await expect(readTsmReport('/tsm', DATA, random, tree)).rejects.toThrow(/changed under our hands/);
    expect(tree.dirs.size).toBe(0);
  });
  test('a machine of another make is named, and no tree is no machine', async () => {
    await expect(
      readTsmReport('/tsm', DATA, random, double({ provider: 'arm_cca_guest\n' })),
    ).rejects.toThrow(/arm_cca_guest is not known/);
    expect(await readTsmReport('/elsewhere', DATA, random, double())).toBeUndefined();
  });
});

describe('on a file system', () => {
  const dirs: string[] = [];
  afterEach(() => {
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
  });
  const root = (files: Record<string, string>): string => {
    const dir = mkdtempSync(join(tmpdir(), 'attestd-tsm-'));
    dirs.push(dir);
    mkdirSync(join(dir, 'attestd'));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, 'attestd', name), content);
    return dir;
  };
  test('plain files, which count nothing, are never taken for a report', async () => {
    const dir = root({ provider: 'tdx_guest\n', generation: '3\n', inblob: '', outblob: 'old report' });
    await expect(readTsmReport(dir, DATA, random)).rejects.toThrow(/changed under our hands/);
  });
  test('a file is read to its end and written without being made', async () => {
    const dir = root({ outblob: 'x'.repeat(20_000), big: 'x'.repeat(40_000) });
    expect(await TSM_TREE.read(join(dir, 'attestd/outblob'))).toHaveLength(20_000);
    await expect(TSM_TREE.read(join(dir, 'attestd/big'))).rejects.toThrow(/longer than/);
    await expect(TSM_TREE.write(join(dir, 'attestd/inblob'), DATA)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('the Nitro module', () => {
  test('is asked for a document over the user data', () => {
    let asked: Cbor | undefined;
    const document = readNsmDocument((request) => {
      asked = decodeCbor(request, { bytes: 4096, depth: 4, items: 64 });
      return encodeCbor(
        new Map<Cbor, Cbor>([['Attestation', new Map([['document', Uint8Array.of(1, 2, 3)]])]]),
      );
    }, DATA);
    expect(document).toEqual(Uint8Array.of(1, 2, 3));
    const wanted = new Map<Cbor, Cbor>([
      ['nonce', null],
      ['user_data', DATA],
      ['public_key', null],
    ]);
    expect(asked).toEqual(new Map([['Attestation', wanted]]));
  });
  test.each<[string, Cbor, RegExp]>([
    ['an error', new Map([['Error', 'InputTooLarge']]), /InputTooLarge/],
    ['another answer', new Map([['DescribePCR', new Map()]]), /unknown answer/],
    ['no map', 5, /unknown answer/],
  ])('%s is no document', (_, answer, why) => {
    expect(() => readNsmDocument(() => encodeCbor(answer), DATA)).toThrow(why);
  });
  test('bytes that are not CBOR are refused', () => {
    expect(() => readNsmDocument(() => Uint8Array.of(0xff), DATA)).toThrow(/CBOR/);
  });
  test('no device is no module, and a device that is none says so', () => {
    expect(openNsm('/nonexistent/nsm')).toBeUndefined();
    expect(() => openNsm('/dev/null')?.(DATA)).toThrow(/ENOTTY|EINVAL|inappropriate/i);
  });
});

describe('what the boot entry carries', () => {
  const sources = (over: Partial<TeeSources> = {}): TeeSources & { faults: Error[] } => {
    const faults: Error[] = [];
    return {
      path: '/tsm',
      nsm: '/nonexistent/nsm',
      random,
      deadlineMs: 60_000,
      onTrouble: (e) => faults.push(e),
      faults,
      ...over,
    };
  };
  test('a quote of TDX; a report of SEV-SNP with its certificates', async () => {
    const tdx = await readTeeEvidence(DATA, sources({ tree: double({ aux: Uint8Array.of(9) }) }));
    expect(tdx).toEqual({ platform: 'tdx', report: Buffer.from(report(0)).toString('base64') });
    const snp = await readTeeEvidence(
      DATA,
      sources({ tree: double({ provider: 'sev_guest', aux: Uint8Array.of(9) }) }),
    );
    expect(snp).toMatchObject({ platform: 'sev-snp', certificates: 'CQ==' });
  });
  test('certificates that an entry has no room for are left out', async () => {
    const tree = double({ provider: 'sev_guest', aux: new Uint8Array(30_000) });
    const snp = await readTeeEvidence(DATA, sources({ tree }));
    expect(Object.keys(snp as object)).toEqual(['platform', 'report']);
    expect(fromBase64((snp as { report: string }).report).length).toBeGreaterThan(64);
  });
  test('nothing where there is no such machine; unreadable where there is and it does not work', async () => {
    expect(await readTeeEvidence(DATA, sources({ path: '/elsewhere', tree: double() }))).toBeUndefined();
    const broken = sources({ tree: double({ provider: 'arm_cca_guest' }) });
    expect(await readTeeEvidence(DATA, broken)).toBe('unreadable');
    expect(broken.faults[0]?.message).toMatch(/not known/);
    const nsm = sources({ path: '/elsewhere', tree: double(), nsm: '/dev/null' });
    expect(await readTeeEvidence(DATA, nsm)).toBe('unreadable');
  });
  test('a kernel that never answers is given up', async () => {
    const tree = double();
    tree.read = () => new Promise(() => {});
    const slow = sources({ tree, deadlineMs: 20 });
    expect(await readTeeEvidence(DATA, slow)).toBe('unreadable');
    expect(slow.faults[0]?.message).toMatch(/within 20 ms/);
  });
});
