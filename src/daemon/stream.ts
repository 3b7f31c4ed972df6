/**
 * A stream of records in, a stream of answers out: application/x-ndjson of any length, one answer line for each
 * line, in order. A line that is refused gets an error line with its number and the stream goes on. Reading stops
 * while the caller's share is used up or while the caller does not take its answers, and so does its sending. What a
 * line takes of the share is given back when its answer has left: answers that nobody reads are memory as well.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AttestdError } from '../core/errors.ts';
import { toProblem } from '../core/problem.ts';
import type { Crumbs } from './crumbs.ts';
import type { Limits } from './limits.ts';
import { createLineReader, type Line } from './lines.ts';
import type { LineTurns } from './lineturns.ts';
import { asAttestdError } from './problem.ts';
import type { Wait } from './recorder.ts';

/** Records one line; calls back once, now or later, with the JSON text of a receipt (an object) or an error. */
export type RecordLine = (bytes: Buffer, done: (e: AttestdError | null, receipt: string) => void) => void;

export interface StreamInput {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly uid: number;
  readonly limits: Limits;
  readonly turns: LineTurns;
  readonly crumbs: Pick<Crumbs, 'came'>;
  readonly maxLineBytes: number;
  readonly wait: Wait;
  readonly record: RecordLine;
  readonly instance: string;
}

/**
 * Answers that may wait for an earlier one, or for the caller to take them. Durable ones wait for a sync of the disk,
 * which a few hundred fill; more would only be carried about in memory. Sealed ones wait for the TPM.
 */
const WINDOW: Readonly<Record<Wait, number>> = { durable: 512, sealed: 8192 };
/** How soon a stream that found no room looks again, in milliseconds. */
const LOOK_AGAIN_MS = 20;

/** Serves one stream to its end. */
export function serveStream(input: StreamInput): void {
  const { request, response, uid, limits, turns } = input;
  const window = WINDOW[input.wait];
  const lines = createLineReader(input.maxLineBytes);
  /** Answers by line, from `first` on; undefined while a record is not done. */
  const slots: (string | undefined)[] = [];
  /** Bytes that each of them took of the caller's share; undefined where it took nothing. */
  const costs: (number | undefined)[] = [];
  /** Of answers that are there and have not left. */
  const owed = { records: 0, bytes: 0 };
  let head = 0;
  let count = 0;
  let ended = false;
  let blocked = false;
  let gone = false;
  let writing = false;
  let again: NodeJS.Timeout | undefined;
  let queued = false;

  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();

  const answer = (slot: number, text: string): void => {
    slots[slot - base] = text;
    if (!writing && !gone) {
      writing = true;
      setImmediate(write);
    }
  };
  let base = 0;

  function write(): void {
    writing = false;
    if (gone) return;
    const from = head;
    while (head < slots.length && slots[head] !== undefined) head++;
    if (head > from) {
      const out = `${slots.slice(from, head).join('\n')}\n`;
      let records = 0;
      let bytes = 0;
      for (let i = from; i < head; i++) {
        const cost = costs[i];
        if (cost === undefined) continue;
        bytes += cost;
        records++;
      }
      if (head >= 1024 || head === slots.length) {
        slots.splice(0, head);
        costs.splice(0, head);
        base += head;
        head = 0;
      }
      if (!response.write(out, () => left(records, bytes))) blocked = true;
    }
    if (ended && slots.length === head && lines.held === 0) response.end();
    else pump();
  }

  /** Answers have left, or never will. */
  function left(records: number, bytes: number): void {
    if (gone) return;
    owed.records -= records;
    owed.bytes -= bytes;
    if (records > 0) limits.give(uid, bytes, records);
    if (again !== undefined) lookAgain();
  }

  function inTurn(): void {
    queued = false;
    pump();
  }

  function lookAgain(): void {
    clearTimeout(again);
    again = undefined;
    pump();
  }

  function fail(slot: number, line: number, e: AttestdError): void {
    answer(slot, JSON.stringify({ line, error: toProblem(e, input.instance) }));
  }

  function one(line: Line): void {
    const slot = base + slots.length;
    const number = ++count;
    slots.push(undefined);
    costs.push(undefined);
    if (line.kind === 'long') {
      fail(slot, number, new AttestdError('TOO_LARGE', `a line of more than ${input.maxLineBytes} bytes`));
      return;
    }
    const { bytes } = line;
    try {
      limits.take(uid, bytes.length);
    } catch (e) {
      fail(slot, number, asAttestdError(e));
      return;
    }
    costs[slot - base] = bytes.length;
    input.record(bytes, (e, receipt) => {
      if (gone) {
        limits.give(uid, bytes.length);
        return;
      }
      owed.records++;
      owed.bytes += bytes.length;
      if (e !== null) fail(slot, number, e);
      else answer(slot, `{"line":${number},${receipt.slice(1)}`);
    });
  }

  /** Takes lines as long as there is room for what they cost; otherwise the sender waits. */
  function pump(): void {
    if (again !== undefined || queued || gone) return;
    while (!blocked && slots.length - head < window) {
      const line = lines.next() ?? (ended ? lines.rest() : undefined);
      if (line === undefined) {
        if (ended) {
          if (slots.length === head) response.end();
        } else if (request.isPaused()) request.resume();
        return;
      }
      if (line.kind === 'line' && !limits.room(uid, line.bytes.length)) {
        lines.back();
        again = setTimeout(lookAgain, LOOK_AGAIN_MS);
        break;
      }
      if (!turns.take()) {
        lines.back();
        queued = true;
        turns.later(uid, inTurn);
        break;
      }
      one(line);
    }
    request.pause();
  }

  response.on('drain', () => {
    blocked = false;
    pump();
  });
  request.on('data', (chunk: Buffer) => {
    if (!input.crumbs.came(request, chunk.length)) return;
    lines.push(chunk);
    pump();
  });
  request.on('end', () => {
    ended = true;
    pump();
  });
  // Half a line of a sender that went away is no record.
  response.on('close', () => {
    gone = true;
    clearTimeout(again);
    if (owed.records > 0) limits.give(uid, owed.bytes, owed.records);
  });
  request.on('error', () => response.destroy());
}
