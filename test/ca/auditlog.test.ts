/** The authority's log: what it did can be checked by whoever has its certificate, and every lie is found by its name. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuditLog, logFolder } from '../../src/ca/auditlog.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { issueCrl, revoke } from '../../src/ca/revocation.ts';
import { auditAuthority } from '../../src/cli/audit/authority.ts';
import type { Io } from '../../src/cli/io.ts';
import { concat, toBase64, toHex, ZERO32 } from '../../src/core/bytes.ts';
import {
  authorityOrigin,
  lineDigest,
  parseAuthorityEntry,
  printAuthorityEntry,
} from '../../src/evidence/authoritylog.ts';
import type { AuthorityLine } from '../../src/evidence/schema/authority.ts';
import { ECDSA, ecdsaKeyId } from '../../src/log/keys.ts';
import { AuthorityAudit } from '../../src/verify/audit/authority.ts';
import { runs } from '../fuzz/runs.ts';
import { runPeer } from '../kit/go.ts';
import { type Desk, expectRefused, failure, finish, makeDesks } from './desk.ts';
import { makeHost } from './fakehost.ts';

let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
let lines: readonly AuthorityLine[];
let note: Uint8Array;
const io = { note: () => undefined } as unknown as Io;

beforeAll(async () => {
  desks = await makeDesks();
  desk = await desks.desk();
  const host = await makeHost(desk.vendor);
  await finish(desk, host);
  await expectRefused(desk, finish(desk, await host.again({})), 'ek-has-live-ak');
  await createAuditLog(desk.authority).sign(desk.signer);
  writeFileSync(older(), readFileSync(checkpointFile()));
  await finish(desk, await host.rotated());
  await finish(desk, await makeHost(desk.vendor, { host: 'web-2' }));
  await revoke(desk.authority, desk.signer, 'example/web-2', 'test');
  // More than one tile.
  for (let i = 0; i < 260; i++) await issueCrl(desk.authority, desk.signer);
  await createAuditLog(desk.authority).sign(desk.signer);
  lines = await readRegistry(desk.authority.dir);
  note = readFileSync(join(logFolder(desk.authority.dir), 'checkpoint'));
});
afterAll(() => desks.close());

const checkpointFile = () => join(logFolder(desk.authority.dir), 'checkpoint');
const older = () => join(desk.authority.dir, 'checkpoint.older');
const origin = () => authorityOrigin(desk.authority.certificate.spki);
/** Entries of lines whose chain is put right again, so that one rule is broken and not the chain. */
function chained(changed: readonly AuthorityLine[]): Uint8Array[] {
  let prev = toHex(ZERO32);
  return changed.map((l, index) => {
    const line = { ...l, prev };
    prev = toHex(lineDigest(line));
    return printAuthorityEntry({ log: origin(), index, line });
  });
}
async function found(entries: readonly Uint8Array[], checkpoint?: Uint8Array): Promise<string[]> {
  const audit = new AuthorityAudit(desk.authority.certificate);
  for (const e of entries) audit.entry(e);
  const report = await audit.finish(checkpoint);
  return [...new Set(report.findings.map((f) => f.id))];
}
const at = (event: string, n = 0) => {
  const index = lines.map((l, i) => (l.event === event ? i : -1)).filter((i) => i >= 0)[n];
  if (index === undefined) throw new Error(`no ${event} ${n}`);
  return index;
};
const without = (index: number) => lines.filter((_, i) => i !== index);
const change = (index: number, more: object) =>
  lines.map((l, i) => (i === index ? ({ ...l, ...more } as AuthorityLine) : l));

describe('the log of an authority', () => {
  it('is verified from its folder, every line in it', async () => {
    const report = await auditAuthority(desk.authority.dir, undefined, io);
    expect(report).toMatchObject({ verdict: 'verified', entries: lines.length, signed: lines.length });
    expect(report.events).toMatchObject({ issued: 3, refused: 1, superseded: 1, revoked: 1, crl: 264 });
    expect(await found(chained(lines), note)).toEqual([]);
  });

  it('is opened by Go: the checkpoint under the key of its certificate, every tile and entry, the older checkpoint', () => {
    const { spki } = desk.authority.certificate;
    const vkeyOf = (name: string) =>
      `${name}+${toHex(ecdsaKeyId(spki))}+${toBase64(concat(Uint8Array.of(ECDSA), spki))}`;
    const tiles = ['tiles', vkeyOf(origin()), logFolder(desk.authority.dir), checkpointFile()];
    const facts = { origin: origin(), size: lines.length, older: 1 };
    expect(runPeer([...tiles, older()])).toMatchObject({ ok: true, facts });
    const changed = join(desk.authority.dir, 'checkpoint.changed');
    const text = readFileSync(checkpointFile(), 'utf8');
    writeFileSync(changed, text.replace(`\n${lines.length}\n`, `\n${lines.length - 1}\n`));
    expect(runPeer(['note-open', vkeyOf(origin()), changed]).ok).toBe(false);
    expect(runPeer(['note-open', vkeyOf(`${origin()}0`), checkpointFile()]).ok).toBe(false);
  });

  it('prints back what it parses, and never throws otherwise than as malformed', () => {
    const entries = chained(lines);
    for (const e of entries.slice(0, 12)) {
      expect(toHex(printAuthorityEntry(parseAuthorityEntry(e)))).toBe(toHex(e));
    }
    fc.assert(
      fc.property(fc.nat(11), fc.nat(), fc.integer({ min: 1, max: 255 }), (n, place, xor) => {
        const e = (entries[n] as Uint8Array).slice();
        e[place % e.length] = (e[place % e.length] as number) ^ xor;
        try {
          expect(toHex(printAuthorityEntry(parseAuthorityEntry(e)))).toBe(toHex(e));
        } catch (error) {
          expect(['MALFORMED', 'TOO_LARGE']).toContain((error as { code?: string }).code);
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it.each<[string, string, () => readonly Uint8Array[]]>([
    [
      'an entry of another log',
      'entry-log',
      () =>
        lines.map((line, index) => printAuthorityEntry({ log: index === 3 ? 'x' : origin(), index, line })),
    ],
    [
      'an entry in another place',
      'entry-place',
      () =>
        lines.map((line, index) =>
          printAuthorityEntry({ log: origin(), index: index === 3 ? 4 : index, line }),
        ),
    ],
    [
      'a broken chain',
      'entry-prev',
      () =>
        lines
          .map((line, index) =>
            printAuthorityEntry({
              log: origin(),
              index,
              line: index === 3 ? { ...line, prev: 'f'.repeat(64) } : line,
            }),
          )
          .slice(0, 4),
    ],
    [
      'a time that goes back',
      'time-order',
      () => chained(change(lines.length - 1, { time: '2020-01-01T00:00:00.000Z' })),
    ],
    ['bytes that are no entry', 'entry-form', () => [...chained(lines), new Uint8Array(9)]],
    ['no beginning', 'created-place', () => chained(lines.slice(1)).slice(0, 1)],
    [
      'an EK with two names',
      'ek-two-names',
      () => chained(change(at('issued', 2), { ek: (lines[at('issued')] as { ek: string }).ek })),
    ],
    ['an EK with two live AKs', 'ek-two-aks', () => chained(without(at('superseded')))],
    ['a name with two EKs', 'name-two-eks', () => chained(change(at('issued', 2), { host: 'web-1' }))],
    [
      'a challenge that was made twice',
      'challenge-twice',
      () =>
        chained(
          change(at('challenged', 1), {
            challenge: (lines[at('challenged')] as { challenge: string }).challenge,
          }),
        ),
    ],
    [
      'a challenge that was used twice',
      'challenge-use',
      () =>
        chained(
          change(at('burnt', 1), { challenge: (lines[at('burnt')] as { challenge: string }).challenge }),
        ),
    ],
    ['a CRL number that does not rise', 'crl-number', () => chained(change(at('crl', 3), { number: '1' }))],
    [
      'a certificate of another authority',
      'issued-certificate',
      () => chained(change(at('issued'), { certificate: 'MAA=' })),
    ],
  ])('shows %s', async (_, id, entries) => {
    expect(await found(entries())).toContain(id);
  });

  it.each<[string, string, () => [readonly Uint8Array[], Uint8Array]]>([
    [
      'a checkpoint that another key signed',
      'checkpoint-signature',
      () => [
        chained(lines),
        Uint8Array.from(note, (b, i) => (i === note.length - 6 ? (b === 65 ? 66 : 65) : b)),
      ],
    ],
    [
      'a line that was changed after it was signed',
      'checkpoint-root',
      () => [chained(change(lines.length - 1, { sha256: '0'.repeat(64) })), note],
    ],
    ['a line that was cut off', 'checkpoint-size', () => [chained(lines.slice(0, -1)), note]],
    ['a checkpoint that is none', 'checkpoint-form', () => [chained(lines), new Uint8Array(3)]],
  ])('shows %s, by that rule alone', async (_, id, made) => {
    const [entries, checkpoint] = made();
    expect(await found(entries, checkpoint)).toEqual([id]);
  });

  it('says of a log without a checkpoint that it is not enough', async () => {
    const audit = new AuthorityAudit(desk.authority.certificate);
    for (const e of chained(lines)) audit.entry(e);
    expect((await audit.finish()).verdict).toBe('indeterminate');
  });

  it('is not signed again when the registry lost a signed line', async () => {
    const other = await desks.desk();
    await finish(other, await makeHost(other.vendor));
    await createAuditLog(other.authority).sign(other.signer);
    const file = join(other.authority.dir, 'registry.jsonl');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1));
    const again = createAuditLog(other.authority).sign(other.signer);
    expect((await failure(again)).code).toBe('AUTHORITY_CORRUPT');
  });
});
