import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import type { HashName } from '../../src/evidence/eventlog/hashes.ts';
import { aggregateWay } from '../../src/evidence/eventlog/ima/aggregate.ts';
import type { ImaEntry } from '../../src/evidence/eventlog/ima/entry.ts';
import { createImaReader, readImaList } from '../../src/evidence/eventlog/ima/reader.ts';
import { createImaReplay, recordedHashHolds, templateHash } from '../../src/evidence/eventlog/ima/replay.ts';
import { sm3 } from '../../src/evidence/eventlog/sm3.ts';
import { asAscii, asBinary, hashed, labelled, type Made, made, nul } from './kit/imalist.ts';

const DIR = new URL('../vectors/ima/', import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, DIR)));
const text = (name: string) => readFileSync(new URL(name, DIR), 'utf8');
const runs = Number(process.env.FUZZ_RUNS ?? '400');

interface Expected {
  computed_pcr10?: Partial<Record<HashName, string>>;
  origin_states?: { records?: [string, string][] };
  records?: number;
  template_digest_mismatches?: number;
  templates?: Record<string, number>;
  violations?: number;
}
const expected = JSON.parse(text('expected.json')) as Record<string, Expected>;

function replay(entries: readonly ImaEntry[], bank: HashName, target?: Uint8Array) {
  const r = createImaReplay(target === undefined ? { bank } : { bank, target });
  for (const entry of entries) r.add(entry);
  return r;
}

/** The entries that a list hands on before it fails, and how it fails. */
function upToFault(bytes: Uint8Array): { entries: ImaEntry[]; fault: string } {
  const entries: ImaEntry[] = [];
  const reader = createImaReader((entry) => entries.push(entry));
  try {
    reader.push(bytes);
    reader.end();
  } catch (e) {
    expect(isAttestdError(e, 'MALFORMED')).toBe(true);
    return { entries, fault: (e as Error).message };
  }
  return { entries, fault: '' };
}

describe('IMA lists of real machines', () => {
  const broken = ['rust-keylime_invalid_ima_log.txt', 'tss_sml-ima-ng-sha1.bin'];
  const names = Object.keys(expected).filter((name) => !broken.includes(name));

  it.each(names)('%s replays to the recorded values in every bank', (name) => {
    const entries = readImaList(read(name));
    const { computed_pcr10, records, templates, violations, template_digest_mismatches } = expected[
      name
    ] as Expected;
    expect(entries.length).toBe(records);
    const counted: Record<string, number> = {};
    for (const { template } of entries) counted[template] = (counted[template] ?? 0) + 1;
    expect(counted).toEqual(templates);
    expect(entries.filter((e) => recordedHashHolds(e) !== true).length).toBe(template_digest_mismatches);
    const banks = Object.entries(computed_pcr10 ?? {}) as [HashName, string][];
    expect(banks.length).toBeGreaterThan(0);
    for (const [bank, value] of banks) {
      const r = replay(entries, bank, fromHex(value));
      expect(toHex(r.value)).toBe(value);
      expect(r.violations).toBe(violations);
      expect(r.matchedAt).toBe(entries.length);
    }
  });

  it('reads the names and hashes that the origin states', () => {
    const entries = readImaList(read('tss_sml-ima-ng-sha1.trimmed.bin'));
    const found = entries.map((e) => [toHex(e.recordedHash), e.path]);
    expect(found).toEqual(expected['tss_sml-ima-ng-sha1.trimmed.bin']?.origin_states?.records);
  });

  it('says of a stray byte at the end that an entry is cut off, after handing on those before', () => {
    const { entries, fault } = upToFault(read('tss_sml-ima-ng-sha1.bin'));
    expect(entries.length).toBe(6);
    expect(fault).toBe('IMA list: entry 6 is cut off after 1 bytes');
  });

  it('refuses what is no list', () => {
    expect(upToFault(read('rust-keylime_invalid_ima_log.txt')).fault).toMatch(
      /no entry stands at its beginning/,
    );
  });

  const invalid = JSON.parse(text('keylime_ast_invalid.json')) as Record<string, string>;
  it.each([
    ['invalid-mode', /the template "not-ima" is not known/],
    ['invalid-digest', /the field d-ng is not hexadecimal/],
  ])('refuses the record %s', (name, why) => {
    expect(upToFault(utf8(`${invalid[name]}\n`)).fault).toMatch(why);
  });

  it.each(['keylime_ima-log-sha1', 'keylime_ima-log-sha384', 'keylime_ima-log-sm3_256'])(
    'reads %s, whose file hashes are of another function',
    (name) => {
      const entries = readImaList(read(name));
      expect(entries.map((e) => [e.path, e.violation])).toEqual([
        ['boot_aggregate', true],
        ['/data', false],
      ]);
      expect(entries[1]?.digest?.algorithm).toBe(name.slice('keylime_ima-log-'.length));
      expect(recordedHashHolds(entries[1] as ImaEntry)).toBe(true);
    },
  );
});

describe('the forms of an IMA list', () => {
  const value = Uint8Array.from({ length: 32 }, (_, i) => i);
  const uid = (n: number) => Uint8Array.of(n & 255, n >> 8, 0, 0);
  const xattrs: Made = {
    template: 'evm-sig',
    fields: [
      labelled('sha256', value),
      nul('/bin/x'),
      Uint8Array.of(3, 2),
      nul('security.ima|user.a'),
      uid(5),
      Uint8Array.of(1, 2, 3),
      uid(1000),
      uid(0),
      Uint8Array.of(0xed, 0x81),
    ],
    shown: [
      `sha256:${toHex(value)}`,
      '/bin/x',
      '0302',
      'security.ima|user.a',
      '05000000',
      '010203',
      '1000',
      '0',
      '33261',
    ],
  };
  const all: Made[] = [
    made('ima-ng', 'boot_aggregate', value),
    made('ima-sig', '/bin/signed', value, [Uint8Array.of(3, 2, 4)]),
    made('ima-sig', '/bin/unsigned', value, [Uint8Array.of()]),
    made('ima-ngv2', '/bin/v2', value, [], 'verity:sha256'),
    made('ima-sigv2', '/bin/sigv2', value, [Uint8Array.of(3)], 'ima:sha256'),
    made('ima-buf', 'kexec-cmdline', value, [new Uint8Array(Buffer.from('quiet ro'))]),
    made('d-ng|n-ng|sig', '/custom', value, [Uint8Array.of(9)]),
    { ...made('ima-ng', '/var/log/open', new Uint8Array(32)), violation: true },
    { ...made('ima-ng', '/other/register', value), pcr: 9 },
    {
      template: 'ima',
      fields: [value.subarray(0, 20), nul('/bin/old name')],
      shown: [toHex(value.subarray(0, 20)), '/bin/old name'],
    },
    {
      template: 'ima-modsig',
      fields: [
        labelled('sha256', value),
        nul('/lib/m.ko'),
        Uint8Array.of(),
        labelled('sha256', value),
        Uint8Array.of(48),
      ],
      shown: [`sha256:${toHex(value)}`, '/lib/m.ko', '', `sha256:${toHex(value)}`, '30'],
    },
    xattrs,
  ];
  const plain = (e: ImaEntry) => ({
    ...{ pcr: e.pcr, template: e.template, violation: e.violation, path: e.path },
    data: toHex(e.data),
    recorded: toHex(e.recordedHash),
    digest: e.digest === undefined ? undefined : { ...e.digest, value: toHex(e.digest.value) },
    signature: e.signature === undefined ? undefined : toHex(e.signature),
    buffer: e.buffer === undefined ? undefined : toHex(e.buffer),
  });

  it.each(['sha1', 'sha256', 'sha384', 'sha512'])('are read alike where the list is kept by %s', (hash) => {
    const binary = readImaList(Buffer.concat(all.map((m) => asBinary(m, { hash }))));
    const ascii = readImaList(Buffer.concat(all.map((m) => asAscii(m, { hash }))));
    expect(ascii.map(plain)).toEqual(binary.map(plain));
    expect(binary.map((e) => toHex(e.data))).toEqual(all.map((m) => toHex(hashed(m))));
    expect(binary.every((e) => recordedHashHolds(e) === true)).toBe(true);
    expect(binary.map((e) => e.index)).toEqual(all.map((_, i) => i));
  });

  it('give up what each template holds', () => {
    const entries = readImaList(Buffer.concat(all.map((m) => asBinary(m)))).map(plain);
    const by = (path: string) => entries.find((e) => e.path === path);
    expect(by('/bin/signed')).toMatchObject({ signature: '030204', digest: { algorithm: 'sha256' } });
    expect(by('/bin/unsigned')?.signature).toBeUndefined();
    expect(by('/bin/v2')?.digest).toEqual({ algorithm: 'sha256', type: 'verity', value: toHex(value) });
    expect(by('kexec-cmdline')?.buffer).toBe(toHex(utf8('quiet ro')));
    expect(by('/bin/old name')?.digest).toEqual({
      algorithm: 'sha1',
      value: toHex(value.subarray(0, 20)),
    });
    expect(by('/var/log/open')?.violation).toBe(true);
    expect(by('/bin/x')?.signature).toBe('0302');
    expect(by('/other/register')?.pcr).toBe(9);
  });

  it('are told apart by the order of their bytes too', () => {
    const entry = made('ima-ng', '/bin/sh', value);
    const [binary] = readImaList(asBinary(entry, { big: true }));
    expect(toHex(binary?.data ?? value)).toBe(toHex(hashed(entry, { big: true })));
    const [ascii] = readImaList(asAscii(entry, { big: true }), { bigEndian: true });
    expect(plain(ascii as ImaEntry)).toEqual(plain(binary as ImaEntry));
    const [wrong] = readImaList(asAscii(entry, { big: true }));
    expect(recordedHashHolds(wrong as ImaEntry)).toBe(false);
  });

  it('keep an unknown template of a binary list and replay it', () => {
    const entry: Made = { ...made('ima-later', '/x', value), fields: [value], shown: ['?'] };
    const [found] = readImaList(asBinary(entry));
    expect(found).toMatchObject({ known: false, template: 'ima-later', digest: undefined, path: undefined });
    expect(toHex(templateHash(found as ImaEntry, 'sha256'))).toBe(
      createHash('sha256').update(hashed(entry)).digest('hex'),
    );
  });

  it('take a name that holds spaces, and one that is not text', () => {
    const spaced = [
      made('ima-ng', '/a file (deleted)', value),
      made('ima-sig', '/b c', value, [Uint8Array.of()]),
    ];
    const names = readImaList(Buffer.concat(spaced.map((m) => asAscii(m)))).map((e) => e.path);
    expect(names).toEqual(['/a file (deleted)', '/b c']);
    const odd = made('ima-ng', '/x', value);
    const raw: Made = { ...odd, fields: [odd.fields[0] as Uint8Array, Uint8Array.of(0x2f, 0xff, 0)] };
    const [entry] = readImaList(asBinary(raw));
    expect(entry?.path).toBeUndefined();
    expect(entry?.name).toEqual(Uint8Array.of(0x2f, 0xff));
  });

  it('take a name that holds newlines, which the kernel writes as they are', () => {
    const names = ['/a\nb', '/\n', '/tail\n', '/\n\n1', '/x\n10 no hash', '/written to\nmeanwhile'];
    const list = names.map((name) => made('ima-ng', name, value));
    const last = list.pop() as Made;
    const all = [...list, { ...last, violation: true }, made('ima-sig', '/n\n', value, [Uint8Array.of()])];
    const bytes = Buffer.concat(all.map((m) => asAscii(m)));
    const wanted = readImaList(Buffer.concat(all.map((m) => asBinary(m)))).map(plain);
    expect(wanted.map((e) => e.path)).toEqual([...names, '/n\n']);
    expect(readImaList(bytes).map(plain)).toEqual(wanted);
    for (const size of [1, 3, 50]) {
      const entries: ImaEntry[] = [];
      const reader = createImaReader((entry) => entries.push(entry));
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
      reader.end();
      expect(entries.map(plain)).toEqual(wanted);
    }
    // What follows no such name is rubbish, and the entries before it stand.
    const { entries, fault } = upToFault(Buffer.concat([asAscii(made('ima-ng', '/a', value)), utf8('b\n')]));
    expect(entries.map((e) => e.path)).toEqual(['/a']);
    expect(fault).toMatch(/entry 1: /);
  });

  it('are read the same in pieces of any size', () => {
    for (const bytes of [
      Buffer.concat(all.map((m) => asBinary(m))),
      Buffer.concat(all.map((m) => asAscii(m))),
    ]) {
      const whole = readImaList(bytes).map(plain);
      for (const size of [1, 2, 7, 64, 333, 1000]) {
        const entries: ImaEntry[] = [];
        const reader = createImaReader((entry) => entries.push(entry));
        const piece = new Uint8Array(size);
        for (let at = 0; at < bytes.length; at += size) {
          const part = bytes.subarray(at, at + size);
          piece.set(part);
          reader.push(piece.subarray(0, part.length));
          piece.fill(0x41);
        }
        reader.end();
        expect(entries.map(plain)).toEqual(whole);
      }
    }
  });

  it('cut off anywhere hand on what is whole, and say so', () => {
    for (const write of [asBinary, asAscii]) {
      const parts = all.map((m) => write(m));
      const bytes = Buffer.concat(parts);
      const ends = new Set<number>([0]);
      for (const part of parts) ends.add(Math.max(...ends) + part.length);
      for (let n = 0; n < bytes.length; n++) {
        const { entries, fault } = upToFault(bytes.subarray(0, n));
        const whole = [...ends].filter((end) => end > 0 && end <= n).length;
        // Only the newline is missing, or an empty column before it: the recorded hash shows that the line is whole.
        const near = ends.has(n + 1) || (ends.has(n + 2) && all[whole]?.shown.at(-1) === '');
        const line = write === asAscii && near && all[whole]?.violation !== true;
        expect(entries.length).toBe(whole + (line ? 1 : 0));
        if (ends.has(n) || line) expect(fault).toBe('');
        else expect(fault).toMatch(/cut off|no entry stands/);
      }
    }
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['a register beyond 23', utf8(`24 ${'1'.repeat(40)} ima-ng sha1:${'1'.repeat(40)} /x\n`), /no register/],
    ['a short template hash', utf8('10 11 ima-ng sha1:11 /x\n'), /template hash of 2 characters/],
    ['capital digits', utf8(`10 ${'A'.repeat(40)} ima-ng sha1:${'1'.repeat(40)} /x\n`), /not hexadecimal/],
    [
      'a digest of another length',
      utf8(`10 ${'1'.repeat(40)} ima-ng sha256:11 /x\n`),
      /has 1 bytes of sha256/,
    ],
    [
      'a digest without its hash',
      utf8(`10 ${'1'.repeat(40)} ima-ng ${'1'.repeat(40)} /x\n`),
      /names no hash/,
    ],
    [
      'a line without a name',
      utf8(`10 ${'1'.repeat(40)} ima-ng sha1:${'1'.repeat(40)}\n`),
      /too few columns/,
    ],
    [
      'an empty line',
      utf8(`10 ${'1'.repeat(40)} ima-ng sha1:${'1'.repeat(40)} /x\n\n`),
      /entry 1: the line has too few/,
    ],
    ['a NUL in a name', utf8(`10 ${'1'.repeat(40)} ima-ng sha1:${'1'.repeat(40)} /x\0y\n`), /not one text/],
    ['data beyond the bound', bigData(), /template data of 1048577 bytes/],
    [
      'fields that do not fill the data',
      spoilt((b) => Buffer.concat([b, Buffer.alloc(4)]), 4),
      /after the last field/,
    ],
    ['a field longer than the data', spoilt((b) => b.subarray(0, -1), -1), /does not fit/],
  ])('refuse %s', (_what, bytes, why) => {
    expect(upToFault(bytes).fault).toMatch(why);
  });

  function bigData(): Uint8Array {
    const bytes = Buffer.from(asBinary(made('ima-ng', '/x', value)));
    bytes.writeUInt32LE(1024 * 1024 + 1, 4 + 20 + 4 + 6);
    return Buffer.concat([bytes, Buffer.alloc(400)]);
  }

  /** An entry whose data was changed and whose length says the change. */
  function spoilt(change: (b: Buffer) => Buffer, by: number): Uint8Array {
    const bytes = Buffer.from(asBinary(made('ima-ng', '/x', value)));
    const at = 4 + 20 + 4 + 6;
    bytes.writeUInt32LE(bytes.readUInt32LE(at) + by, at);
    return change(bytes);
  }

  it('hold a bounded part of a list without end', () => {
    const lines = Buffer.concat(
      Array.from({ length: 1000 }, (_, i) => asAscii(made('ima-ng', `/f${i}`, value))),
    );
    let peak = 0;
    let last: ImaEntry | undefined;
    const reader = createImaReader((entry) => {
      last = entry;
    });
    for (let i = 0; i < 1000; i++) {
      reader.push(lines);
      if (i % 10 === 0) peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    }
    reader.end();
    expect(reader.entries).toBe(1_000_000);
    expect(last?.path).toBe('/f999');
    expect(lines.length * 1000).toBeGreaterThan(100e6);
    expect(peak).toBeLessThan(80e6);
  });

  it('refuse a line without end before it is held whole', () => {
    const reader = createImaReader(() => {});
    reader.push(utf8(`10 ${'1'.repeat(40)} ima-ng sha1:${'1'.repeat(40)} /`));
    const more = new Uint8Array(64 * 1024).fill(0x61);
    expect(() => {
      for (let i = 0; i < 64; i++) reader.push(more);
    }).toThrow(/has a line of more than/);
  });

  it('made of any bytes fail in no other way', () => {
    const binary = Buffer.concat(all.map((m) => asBinary(m)));
    const ascii = Buffer.concat(all.map((m) => asAscii(m)));
    fc.assert(
      fc.property(
        fc.constantFrom(binary, ascii),
        fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 4 }),
        fc.uint8Array({ maxLength: 40 }),
        fc.boolean(),
        (seed, changes, tail, noise) => {
          const bytes = noise ? tail : new Uint8Array([...seed, ...tail]);
          for (const [at, to] of changes) if (bytes.length > 0) bytes[at % bytes.length] = to;
          const { entries } = upToFault(bytes);
          for (const entry of entries) plain(entry);
        },
      ),
      { numRuns: runs },
    );
  });
});

describe('the replay of an IMA list', () => {
  const value = new Uint8Array(32).fill(7);
  const paths = ['boot_aggregate', '/init', '/bin/sh', '/bin/ls'];
  const entries = readImaList(Buffer.concat(paths.map((p) => asBinary(made('ima-ng', p, value)))));
  const valueAfter = (n: number, bank: HashName) => replay(entries.slice(0, n), bank).value;

  it.each(['sha1', 'sha256', 'sha384', 'sha512'] as const)(
    'finds the entry after which %s was quoted',
    (bank) => {
      for (let n = 0; n <= entries.length; n++) {
        const r = replay(entries, bank, valueAfter(n, bank));
        expect(r.matchedAt).toBe(n);
        expect(r.entries).toBe(entries.length);
      }
    },
  );

  it('finds nothing where one byte of one entry differs', () => {
    const target = valueAfter(4, 'sha256');
    for (let n = 0; n < 4; n++) {
      const forged = paths.map((p, i) => asBinary(made('ima-ng', i === n ? `${p}x` : p, value)));
      expect(replay(readImaList(Buffer.concat(forged)), 'sha256', target).matchedAt).toBeUndefined();
    }
  });

  it('does not believe the hash that the list states', () => {
    const honest = Buffer.from(asBinary(made('ima-ng', '/bin/sh', value)));
    const target = replay(readImaList(honest), 'sha1').value;
    const forged = Buffer.from(asBinary(made('ima-ng', '/bin/sx', value)));
    honest.copy(forged, 4, 4, 24);
    const list = readImaList(forged);
    expect(replay(list, 'sha1', target).matchedAt).toBeUndefined();
    expect(recordedHashHolds(list[0] as ImaEntry)).toBe(false);
  });

  it('extends all ones for a violation, in every bank', () => {
    const list = readImaList(asAscii({ ...made('ima-ng', '/x', new Uint8Array(32)), violation: true }));
    for (const bank of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
      const size = createHash(bank).digest().length;
      const wanted = createHash(bank)
        .update(Buffer.alloc(size))
        .update(Buffer.alloc(size, 0xff))
        .digest('hex');
      const r = replay(list, bank);
      expect(toHex(r.value)).toBe(wanted);
      expect(r.violations).toBe(1);
    }
  });

  it('leaves out entries of another register, and counts them', () => {
    const list = readImaList(
      Buffer.concat([
        asBinary({ ...made('ima-ng', '/a', value), pcr: 11 }),
        asBinary(made('ima-ng', '/b', value)),
      ]),
    );
    const only = replay(list.slice(1), 'sha256').value;
    expect(replay(list, 'sha256', only).matchedAt).toBe(2);
    const other = createImaReplay({ bank: 'sha256', pcr: 11 });
    for (const entry of list) other.add(entry);
    expect(toHex(other.value)).toBe(
      toHex(replay([{ ...list[0], pcr: 10, data: list[0]?.data } as ImaEntry], 'sha256').value),
    );
  });

  it('knows what kernels before 5.8 extended other banks with', () => {
    const r = createImaReplay({ bank: 'sha256', rule: 'padded-sha1' });
    let wanted = Buffer.alloc(32);
    for (const entry of entries) {
      r.add(entry);
      const padded = Buffer.concat([createHash('sha1').update(entry.data).digest(), Buffer.alloc(12)]);
      wanted = createHash('sha256').update(wanted).update(padded).digest();
    }
    // Their ima_add_template_entry fills the twenty bytes of SHA-1 with ones, whatever the bank.
    const violation = asAscii({ ...made('ima-ng', '/x', new Uint8Array(32)), violation: true });
    for (const entry of readImaList(violation)) r.add(entry);
    const ones = Buffer.concat([Buffer.alloc(20, 0xff), Buffer.alloc(12)]);
    wanted = createHash('sha256').update(wanted).update(ones).digest();
    r.add(entries[0] as ImaEntry);
    const padded = Buffer.concat([
      createHash('sha1')
        .update(entries[0]?.data ?? value)
        .digest(),
      Buffer.alloc(12),
    ]);
    wanted = createHash('sha256').update(wanted).update(padded).digest();
    expect(toHex(r.value)).toBe(wanted.toString('hex'));
  });

  it.each([
    ['sm3_256', 'sm3'],
    ['sha3_256', 'sha3-256'],
    ['sha3_384', 'sha3-384'],
    ['sha3_512', 'sha3-512'],
  ] as const)('knows the bank %s, and a list that is kept by that hash', (bank, hash) => {
    const list = readImaList(Buffer.concat(paths.map((p) => asBinary(made('ima-ng', p, value), { hash }))));
    const empty = createHash(hash).digest();
    let wanted = Buffer.alloc(empty.length);
    for (const entry of list) {
      expect(recordedHashHolds(entry)).toBe(true);
      wanted = createHash(hash).update(wanted).update(createHash(hash).update(entry.data).digest()).digest();
    }
    expect(toHex(replay(list, bank).value)).toBe(wanted.toString('hex'));
    const [aggregate] = readImaList(
      asBinary(
        made(
          'ima-ng',
          'boot_aggregate',
          createHash(hash)
            .update(Buffer.alloc(10 * empty.length))
            .digest(),
          [],
          hash,
        ),
      ),
    );
    const registers = new Map(Array.from({ length: 10 }, (_, i) => [i, new Uint8Array(empty.length)]));
    expect(aggregateWay(aggregate as ImaEntry, { [bank]: registers })).toEqual({ bank, hash, last: 9 });
  });

  it('takes a violation that leaves room for a digest of another size, as kernels have', () => {
    const old = made('ima-sig', '/x', new Uint8Array(20), [Uint8Array.of()], 'sha256');
    expect(upToFault(asBinary(old)).fault).toMatch(/has 20 bytes of sha256/);
    for (const write of [asBinary, asAscii]) {
      expect(readImaList(write({ ...old, violation: true }))).toMatchObject([
        { violation: true, path: '/x' },
      ]);
    }
  });
});

describe('SM3', () => {
  it('is what OpenSSL computes, at every length around a block', () => {
    for (let n = 0; n < 200; n++) {
      const data = new Uint8Array(n).fill(n);
      expect(toHex(sm3(data))).toBe(createHash('sm3').update(data).digest('hex'));
    }
    // GB/T 32905-2016, A.1
    expect(toHex(sm3(utf8('abc')))).toBe('66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0');
  });
});

describe('boot_aggregate', () => {
  const registers = (size: number, upTo = 9) =>
    new Map(Array.from({ length: upTo + 1 }, (_, i) => [i, new Uint8Array(size).fill(i + 1)]));
  const over = (hash: string, size: number, last: number) =>
    createHash(hash)
      .update(Buffer.concat([...registers(size).values()].slice(0, last + 1)))
      .digest();
  const entryOf = (hash: string, digest: Uint8Array, path = 'boot_aggregate') =>
    readImaList(asBinary(made('ima-ng', path, digest, [], hash)))[0] as ImaEntry;
  const values = { sha1: registers(20), sha256: registers(32), sha384: registers(48) };

  it.each([
    ['sha1', 'sha1', 20, 7],
    ['sha1', 'sha1', 20, 9],
    ['sha256', 'sha256', 32, 9],
    ['sha256', 'sha256', 32, 7],
    ['sha384', 'sha384', 48, 9],
    ['sha256', 'sha1', 20, 7],
  ] as const)('by %s over the %s bank (%i bytes), registers 0 to %i', (hash, bank, size, last) => {
    expect(aggregateWay(entryOf(hash, over(hash, size, last)), values)).toEqual({ bank, hash, last });
  });

  it('of zeros says that there was no TPM', () => {
    expect(aggregateWay(entryOf('sha1', new Uint8Array(20)), values)).toMatchObject({ bank: 'none' });
  });

  it('of other registers, of another name or with registers missing has no way', () => {
    expect(aggregateWay(entryOf('sha256', new Uint8Array(32).fill(1)), values)).toBeUndefined();
    expect(aggregateWay(entryOf('sha256', over('sha256', 32, 9), '/x'), values)).toBeUndefined();
    const few = { sha256: registers(32, 7) };
    expect(aggregateWay(entryOf('sha256', over('sha256', 32, 9)), few)).toBeUndefined();
    expect(aggregateWay(entryOf('sha256', over('sha256', 32, 7)), few)).toMatchObject({ last: 7 });
  });
});
