/** What the bundle for a browser exports: every log parser, its answer as one text. */
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { describeEvent } from '../../../src/evidence/eventlog/describe.ts';
import { type HashName, isHashName, TPM_ALG } from '../../../src/evidence/eventlog/hashes.ts';
import { createImaReader } from '../../../src/evidence/eventlog/ima/reader.ts';
import { createImaReplay, recordedHashHolds } from '../../../src/evidence/eventlog/ima/replay.ts';
import { parseSystemdLog, replaySystemdLog, textHolds } from '../../../src/evidence/eventlog/systemd.ts';
import { readTcgLog, replayTcgBank } from '../../../src/evidence/eventlog/tcg.ts';

const BANKS = Object.keys(TPM_ALG).filter(isHashName);

/** Everything that a parser makes of a log, or the sentence of its refusal. */
export function answer(kind: string, hex: string): string {
  const bytes = fromHex(hex);
  const lines: string[] = [];
  try {
    if (kind === 'tcg') firmware(bytes, lines);
    else if (kind === 'ima') ima(bytes, lines);
    else systemd(bytes, lines);
  } catch (e) {
    lines.push(`refused: ${(e as Error).message}`);
  }
  return lines.join('\n');
}

function values(bank: HashName, found: ReadonlyMap<number, Uint8Array>, lines: string[]): void {
  for (const [pcr, value] of found) lines.push(`${bank} ${pcr} ${toHex(value)}`);
}

function firmware(bytes: Uint8Array, lines: string[]): void {
  const { log, fault } = readTcgLog(bytes);
  lines.push(`${log.format} ${log.startupLocality} ${log.padding} ${fault?.message}`);
  for (const { kind, detail } of log.defects) lines.push(`${kind}: ${detail}`);
  for (const event of log.events) {
    const { type, kind, name, bound } = describeEvent(event);
    lines.push(`${event.pcr} ${type} ${kind} ${bound} ${name}`);
  }
  for (const bank of BANKS) {
    if (!log.banks.some(({ algorithm }) => algorithm === TPM_ALG[bank])) continue;
    const { values: found, lacking } = replayTcgBank(log, bank);
    values(bank, found, lines);
    lines.push(`${bank} lacking ${lacking.join()}`);
  }
}

function ima(bytes: Uint8Array, lines: string[]): void {
  const replays = BANKS.map((bank) => ({ bank, replay: createImaReplay({ bank }) }));
  const reader = createImaReader((entry) => {
    const { pcr, template, path, violation, digest } = entry;
    const value = digest === undefined ? '' : `${digest.algorithm} ${toHex(digest.value)}`;
    lines.push(`${pcr} ${template} ${path} ${violation} ${value} ${recordedHashHolds(entry)}`);
    for (const { replay } of replays) replay.add(entry);
  });
  try {
    reader.push(bytes);
    reader.end();
  } finally {
    for (const { bank, replay } of replays) lines.push(`${bank} ${toHex(replay.value)}`);
  }
}

function systemd(bytes: Uint8Array, lines: string[]): void {
  const { records, cutOff } = parseSystemdLog(bytes);
  for (const record of records) lines.push(`${record.pcr} ${record.text} holds ${textHolds(record)}`);
  values('sha256', replaySystemdLog(records, 'sha256'), lines);
  lines.push(`cut off ${cutOff}`);
}
