/** Our reading of every log beside that of `tpm2_eventlog` (tpm2-tools): event by event, and register by register. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { eventTypeName } from '../../src/evidence/eventlog/eventtypes.ts';
import { type HashName, TPM_ALG } from '../../src/evidence/eventlog/hashes.ts';
import { readTcgLog, replayTcgBank, type TcgLog } from '../../src/evidence/eventlog/tcg.ts';
import { MADE_LOGS } from './kit/madelogs.ts';

const DIR = fileURLToPath(new URL('../vectors/tcg/', import.meta.url));
const logs = readdirSync(DIR).filter((name) => !/\.(?:md|json)$/.test(name));

/** Logs of which only one of the two takes all, and why. */
const ONE_SIDED: Readonly<Record<string, { ours: boolean; why: string }>> = {
  'CCEL.bin': {
    ours: false,

    why: 'a table of ACPI, no log; tpm2_eventlog 5.4 ends by SIGSEGV',
  },
  'binary_bios_measurements-bogus': {
    ours: false,

    why: 'text; tpm2_eventlog 5.4 ends by SIGSEGV',
  },
  'binary_bios_measurements-empty': {
    ours: true,

    why: 'nothing was measured: we read a log without events and name that a defect',
  },
  'cos-113-intel-tdx-dupe-separator-unpadded.bin': {
    ours: true,

    why: 'a CC event log, whose header is of register 1; they take a header of PCR 0 only',
  },
  trustee_CCEL_data_ovmf: { ours: true, why: 'the same, and filler after the last event' },
  'ibmtss_ideapad1.bin': {
    ours: true,

    why: 'Windows ends the log with a record of register 0xffffffff, which extends nothing; they refuse the number',
  },
  short_no_action_eventlog: {
    ours: true,

    why: 'one start-up locality in the SHA-1 form; they take any first EV_NO_ACTION for the header of the newer form',
  },
};

/** Logs that both take and read in different ways, with the first difference and the reason. A later tool may be mended. */
const DIFFERENT: Readonly<Record<string, { what: RegExp; why: string }>> = {
  'eventlogwithsp800155.bin': {
    what: /^register sha1:0: /,
    why: 'tpm2_eventlog 5.4 extends PCR 0 with the digests of EV_NO_ACTION events, which extend nothing (§10.4.1)',
  },
  'glinux-alex.bin': {
    what: /^register sha1:0: /,
    why: 'the same, and it starts PCR 0 from zeros although the log says start-up at locality 3',
  },
  'ibmtss_deb2.bin': {
    what: /^event 15: .*"type":"0x0000040e".*Unknown event type/,
    why: 'a vendor type without a name: we show its number',
  },
};

interface Line {
  pcr: number;
  type: string;
  digests: string[];
}

/** What the tool printed: it is YAML of one shape. */
function theirs(text: string): { lines: Line[]; pcrs: Map<string, string> } {
  const lines: Line[] = [];
  const pcrs = new Map<string, string>();
  let algorithm = '';
  let bank = '';
  for (const row of text.split('\n')) {
    const m = /^ *-? *([A-Za-z0-9_]+) *: *(.*)$/.exec(row);
    if (m === null) continue;
    const [, name, value] = m as unknown as [string, string, string];
    const last = lines.at(-1);
    if (/^ {2}s(?:ha|m3_)\w+:/.test(row)) bank = name;
    else if (/^ {4}\d+ *:/.test(row)) pcrs.set(`${bank}:${name}`, value.replace(/^0x/, ''));
    else if (name === 'PCRIndex') lines.push({ pcr: Number(value), type: '', digests: [] });
    else if (name === 'EventType' && last !== undefined) last.type = value;
    else if (name === 'AlgorithmId') algorithm = value;
    else if (name === 'Digest' && last !== undefined) {
      last.digests.push(`${algorithm === '' ? 'sha1' : algorithm}:${value.replaceAll('"', '')}`);
      algorithm = '';
    }
  }
  return { lines, pcrs };
}

const NAMES = new Map(Object.entries(TPM_ALG).map(([name, n]) => [n as number, name]));

function ours(log: TcgLog): { lines: Line[]; pcrs: Map<string, string> } {
  const lines = log.events.map(({ pcr, type, digests }) => ({
    pcr,
    type: eventTypeName(type),
    digests: [...digests].map(([algorithm, digest]) => `${NAMES.get(algorithm)}:${toHex(digest)}`),
  }));
  const pcrs = new Map<string, string>();
  for (const { algorithm } of log.banks) {
    const bank = NAMES.get(algorithm) as HashName;
    for (const [pcr, value] of replayTcgBank(log, bank).values) pcrs.set(`${bank}:${pcr}`, toHex(value));
  }
  return { lines, pcrs };
}

/** The first difference, in words; nothing where both say the same. */
function difference(a: ReturnType<typeof ours>, b: ReturnType<typeof theirs>): string | undefined {
  if (a.lines.length !== b.lines.length) return `${a.lines.length} events, theirs ${b.lines.length}`;
  for (const [i, line] of a.lines.entries()) {
    const [mine, other] = [JSON.stringify(line), JSON.stringify(b.lines[i])];
    if (mine !== other) return `event ${i}: ${mine}, theirs ${other}`;
  }
  for (const [name, value] of a.pcrs) {
    if (b.pcrs.get(name) !== value) return `register ${name}: ${value}, theirs ${b.pcrs.get(name)}`;
  }
  return a.pcrs.size === b.pcrs.size ? undefined : `${a.pcrs.size} registers, theirs ${b.pcrs.size}`;
}

/** The same for the logs that this project made, by their names. */
const MADE: Readonly<Record<string, { theirs: 'refuses' | RegExp; why: string }>> = {
  'SHA-1 alone, locality 3, zeros behind it': {
    theirs: 'refuses',
    why: 'they take any first EV_NO_ACTION for the header of the newer form',
  },
  'SHA-3': { theirs: 'refuses', why: 'they know five banks, and take the size of no other from the header' },
  'a bank of an unknown algorithm': { theirs: 'refuses', why: 'the same' },
  'locality 0': {
    theirs: /^register sha256:0: /,
    why: 'tpm2_eventlog 5.4 extends PCR 0 with the digests of EV_NO_ACTION events, which extend nothing (§10.4.1)',
  },
  'notices between': { theirs: /^register sha256:0: /, why: 'the same' },
  'registers 17 and 20 without a dynamic launch': {
    theirs: /^register sha256:17: /,
    why: 'tpm2_eventlog starts every register from zeros; these hold ones until a D-RTM (Platform TPM Profile §4.6.2)',
  },
  'locality 4': { theirs: /^register sha256:0: /, why: 'tpm2_eventlog 5.4 starts PCR 0 from zeros always' },
  'an H-CRTM with its locality': { theirs: /^register sha256:0: /, why: 'the same' },
  'an H-CRTM alone': {
    theirs: /^register sha256:0: /,
    why: 'the same, and it infers nothing from an H-CRTM',
  },
  '0xFF behind it': { theirs: 'refuses', why: 'they take filler for an event of a register that no TPM has' },
  'rubbish behind 0xFF': { theirs: 'refuses', why: 'the same' },
  'rubbish behind zeros': { theirs: 'refuses', why: 'they read on behind the end' },
};

describe('tpm2_eventlog and this parser', () => {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-logs-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each(MADE_LOGS)(
    'agree on a log with $name, or differ for a reason that stands here',
    ({ name, bytes }) => {
      const file = join(dir, 'log');
      writeFileSync(file, bytes);
      const run = spawnSync('tpm2_eventlog', [file], { encoding: 'utf8', maxBuffer: 64e6 });
      expect(run.error).toBeUndefined();
      const known = MADE[name];
      if (known === undefined) expect([run.status, run.stderr]).toEqual([0, expect.any(String)]);
      if (run.status !== 0) return;
      const mine = ours(readTcgLog(bytes).log);
      const other = theirs(run.stdout);
      // Types newer than the tool have no name there.
      for (const [i, line] of other.lines.entries()) {
        if (line.type === 'Unknown event type') line.type = mine.lines[i]?.type ?? '';
      }
      const found = difference(mine, other);
      if (known === undefined || known.theirs === 'refuses') expect(found).toBeUndefined();
      else if (found !== undefined) expect(found).toMatch(known.theirs);
    },
  );

  it.each(logs)('agree on %s, or differ for a reason that stands here', (name) => {
    const run = spawnSync('tpm2_eventlog', [`${DIR}${name}`], { encoding: 'utf8', maxBuffer: 64e6 });
    expect(run.error).toBeUndefined();
    const { log, fault } = readTcgLog(new Uint8Array(readFileSync(`${DIR}${name}`)));
    const sided = ONE_SIDED[name];
    expect(fault === undefined).toBe(sided?.ours ?? true);
    if (sided === undefined) expect(run.status).toBe(0);
    // A later tool may take what this one refuses; then it must read the same.
    if (fault !== undefined || run.status !== 0) return;
    const found = difference(ours(log), theirs(run.stdout));
    const known = DIFFERENT[name];
    if (known === undefined || found === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(known.what);
  });

  it('were both asked about enough', () => {
    expect(logs.length).toBeGreaterThan(25);
    expect(Object.keys(MADE).filter((name) => !MADE_LOGS.some((l) => l.name === name))).toEqual([]);
    expect(Object.keys({ ...ONE_SIDED, ...DIFFERENT }).filter((name) => !logs.includes(name))).toEqual([]);
  });
});
