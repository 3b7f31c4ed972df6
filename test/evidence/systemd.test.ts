import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import {
  parseSystemdLog,
  replaySystemdLog,
  type SystemdRecord,
  textHolds,
} from '../../src/evidence/eventlog/systemd.ts';

const BOOT = '189c18dd7ba245f38cf49d9ac154b525';
const runs = Number(process.env.FUZZ_RUNS ?? '1000');
const hex = (hash: string, text: string) => createHash(hash).update(text).digest('hex');
const seq = (...records: unknown[]) =>
  new Uint8Array(
    Buffer.from(records.map((r) => `\x1e${typeof r === 'string' ? r : JSON.stringify(r)}\n`).join('')),
  );

/** A record as systemd 258 writes it. */
function written(pcr: number, text: string, eventType: string, banks: readonly string[] = ['sha256']) {
  return {
    pcr,
    digests: banks.map((hashAlg) => ({ hashAlg, digest: hex(hashAlg, text) })),
    content_type: 'systemd',
    content: { string: text, bootId: BOOT, timestamp: 1515761, eventType },
  };
}
const only = (record: unknown) => parseSystemdLog(seq(record)).records[0] as SystemdRecord;
const without = (record: Record<string, unknown>, name: string) =>
  Object.fromEntries(Object.entries(record).filter(([n]) => n !== name));

describe("systemd's log", () => {
  it('reads what systemd writes', () => {
    expect(only(written(11, 'enter-initrd', 'phase'))).toEqual({
      sequence: 0,
      pcr: 11,
      digests: new Map([['sha256', fromHex(hex('sha256', 'enter-initrd'))]]),
      contentType: 'systemd',
      content: { string: 'enter-initrd', bootId: BOOT, timestamp: 1515761, eventType: 'phase' },
      text: 'enter-initrd',
      eventType: 'phase',
      bootId: BOOT,
      timestamp: 1515761,
    });
  });

  it('knows the digests that systemd states for its phase words', () => {
    // From the pcrlock components that systemd ships for these words.
    const stated = {
      'enter-initrd': '51e6b92f405d1f98d96e3de343d61d420ad6923b25de21d766f9298192f14fed',
      'os-separator': 'ff5b9d73dad709633ae76adf444012b57e913a12ed7403c3931145862f35f841',
    };
    for (const [word, digest] of Object.entries(stated)) {
      const record = only({
        ...written(7, word, 'phase'),
        digests: [{ hashAlg: 'sha256', digest }],
      });
      expect(textHolds(record)).toBe(true);
    }
  });

  it('replays from what a register held before, in every bank that the records have', () => {
    const banks = ['sha1', 'sha256', 'sha384', 'sha512'] as const;
    const words = ['enter-initrd', 'leave-initrd', 'sysinit'];
    const { records } = parseSystemdLog(seq(...words.map((w) => written(11, w, 'phase', banks))));
    for (const bank of banks) {
      let value = createHash(bank).update('stub').digest();
      const start = new Map([[11, new Uint8Array(value)]]);
      for (const word of words) {
        value = createHash(bank).update(value).update(createHash(bank).update(word).digest()).digest();
      }
      expect(toHex(replaySystemdLog(records, bank, start).get(11) ?? value.subarray(1))).toBe(
        value.toString('hex'),
      );
    }
  });

  it('extends a register of its own only, and from zeros where no start is given', () => {
    const { records } = parseSystemdLog(
      seq(
        written(15, 'machine-id:x', 'machine-id'),
        without({ ...written(9, 'y', 'nvpcr-init'), nv_index: 0x1d10200 }, 'pcr'),
      ),
    );
    const values = replaySystemdLog(records, 'sha256');
    expect([...values.keys()]).toEqual([15]);
    expect(toHex(values.get(15) ?? new Uint8Array())).toBe(
      createHash('sha256')
        .update(Buffer.alloc(32))
        .update(hex('sha256', 'machine-id:x'), 'hex')
        .digest('hex'),
    );
    expect(records[1]).toMatchObject({ nvIndex: 0x1d10200 });
    const later = only(without({ ...written(9, 'z', 'login'), nvpcr: 'login' }, 'pcr'));
    expect(later).toMatchObject({ text: 'z' });
    expect(replaySystemdLog([later], 'sha256').size).toBe(0);
    // What systemd writes of a TDX guest.
    const rtmr = only({ ...without(written(11, 'x', 'phase', ['sha384']), 'pcr'), rtmr: 2, mapped_pcr: 11 });
    expect(rtmr).toMatchObject({ rtmr: 2, text: 'x' });
    expect(replaySystemdLog([rtmr], 'sha256').size).toBe(0);
    expect(records[1]?.pcr).toBeUndefined();
  });

  it('refuses to replay a bank that a record lacks', () => {
    const { records } = parseSystemdLog(
      seq(written(11, 'a', 'phase', ['sha1', 'sha256']), written(11, 'b', 'phase')),
    );
    expect(() => replaySystemdLog(records, 'sha1')).toThrow(/record 1 has no sha1 digest/);
  });

  it('keeps a record of another content type, or of none, and replays it', () => {
    const opaque = {
      ...written(11, 'x', 'phase'),
      content_type: 'cel-other',
      content: { string: 7, more: [1] },
    };
    const words = { ...written(11, 'x', 'phase'), content_type: 'ima_template', content: 'any words' };
    expect(only(words)).toMatchObject({ contentType: 'ima_template', content: 'any words' });
    expect(textHolds(only(words))).toBeUndefined();
    const bare = without(without(written(11, 'x', 'phase'), 'content'), 'content_type');
    const old = { ...written(11, 'x', 'phase'), content: { string: 'x' } };
    const { records } = parseSystemdLog(seq(opaque, bare, old));
    expect(records[0]).toMatchObject({ contentType: 'cel-other', content: { string: 7, more: [1] } });
    expect(records.map((r) => r.text)).toEqual([undefined, undefined, 'x']);
    expect(records.map(textHolds)).toEqual([undefined, undefined, true]);
    expect(replaySystemdLog(records, 'sha256').size).toBe(1);
  });

  it('does not hold a text to be measured whose digest is another', () => {
    const forged = written(11, 'leave-initrd', 'phase', ['sha1', 'sha256']);
    const [first, second] = forged.digests;
    const record = only({ ...forged, digests: [first, { ...second, digest: hex('sha256', 'other') }] });
    expect(textHolds(record)).toBe(false);
    const key = written(15, 'cryptsetup:root:', 'volume-key');
    const digest = createHmac('sha256', 'key').update('cryptsetup:root:').digest('hex');
    expect(textHolds(only({ ...key, digests: [{ hashAlg: 'sha256', digest }] }))).toBeUndefined();
    const unknown = { ...key, digests: [{ hashAlg: 'streebog256', digest }] };
    expect(textHolds(only({ ...unknown, content: { string: 'x' } }))).toBeUndefined();
  });

  it('says how much of a last record was cut off, wherever that is', () => {
    const first = seq(written(11, 'a', 'phase'));
    const bytes = seq(written(11, 'a', 'phase'), written(11, 'b', 'phase'));
    for (let n = first.length; n < bytes.length; n++) {
      expect(parseSystemdLog(bytes.subarray(0, n))).toMatchObject({
        records: [{ text: 'a' }],
        cutOff: n - first.length,
      });
    }
    expect(parseSystemdLog(new Uint8Array())).toEqual({ records: [], cutOff: 0 });
  });

  const good = written(11, 'a', 'phase');
  it.each<[string, Uint8Array, RegExp]>([
    ['bytes before the first record', utf8('{}'), /record 0 does not begin with a record separator/],
    [
      'lines instead of a sequence',
      utf8(`\x1e${JSON.stringify(good)}\n${JSON.stringify(good)}\n`),
      /record 0 is not read/,
    ],
    [
      'a record cut off within the log',
      utf8(`\x1e{"pcr":11\x1e{}\n`),
      /record 0 does not end with a newline/,
    ],
    ['what is no object', seq('[]'), /is no JSON object/],
    ['a name that stands twice', seq('{"pcr":1,"pcr":2}'), /stands twice/],
    ['a register and an index', seq({ ...good, nv_index: 1 }), /more than one of pcr, nv_index and rtmr/],
    ['a register beyond 23', seq({ ...good, pcr: 24 }), /a pcr that is no number up to 23/],
    ['no digests', seq({ ...good, digests: [] }), /no list of 1 to 16 digests/],
    [
      'two digests of one hash',
      seq({ ...good, digests: [...good.digests, ...good.digests] }),
      /two digests of sha256/,
    ],
    ['a short digest', seq({ ...good, digests: [{ hashAlg: 'sha256', digest: '00' }] }), /sha256 of 1 bytes/],
    ['capital digits', seq({ ...good, digests: [{ hashAlg: 'sha256', digest: 'AA' }] }), /not hexadecimal/],
    ['a content of systemd that is no object', seq({ ...good, content: 'x' }), /content that is no object/],
    ['a text that is none', seq({ ...good, content: { string: 1 } }), /a string that is no text/],
    ['a record without end', utf8(`\x1e"${'a'.repeat(300_000)}"\n`), /at most 262144 allowed/],
  ])('refuses %s', (_what, bytes, why) => {
    expect(() => parseSystemdLog(bytes)).toThrow(why);
  });

  it('made of any bytes fails in no other way', () => {
    const seed = seq(good, written(15, 'machine-id:1', 'machine-id'));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.uint8Array({ maxLength: 30 }),
        (changes, tail) => {
          const bytes = new Uint8Array([...seed, ...tail]);
          for (const [at, to] of changes) bytes[at] = to;
          try {
            for (const record of parseSystemdLog(bytes).records) textHolds(record);
          } catch (e) {
            expect(isAttestdError(e, 'MALFORMED')).toBe(true);
          }
        },
      ),
      { numRuns: runs },
    );
  });
});
