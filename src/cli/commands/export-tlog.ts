/**
 * `attestctl export tlog`: the log as a directory in the C2SP tlog-tiles layout, as a plain web server could serve it:
 * the published checkpoint, every tile and entry bundle below it, the vkey that opens it, and .tlog-proof files.
 * Everything is computed again before it is called written.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chosenSocket, openTransport, type Transport } from '../../client/transport.ts';
import { equal, fromBase64, fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { parseCheckpoint } from '../../log/checkpoint.ts';
import { inclusionProof } from '../../log/inclusion.ts';
import { ECDSA, type NoteKey, printVkey } from '../../log/keys.ts';
import { parseNote } from '../../log/note.ts';
import { parseOrigin } from '../../log/origin.ts';
import { printProof } from '../../log/proof.ts';
import { openNote } from '../../log/signature.ts';
import { rootAt } from '../../log/source.ts';
import { printTilePath, type Tile, tilesBetween } from '../../log/tile.ts';
import { tileSource } from '../../log/tilesource.ts';
import { type Input, list, text } from '../command.ts';
import { createProgress } from '../progress.ts';
import { VERSION } from '../version.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const dir = input.args[0] as string;
  const socket = chosenSocket(text(input, 'socket'), io.environment);
  const transport = openTransport(socket, `attestctl/${VERSION}`);
  try {
    const { origin, key } = await whichLog(transport);
    const base = `/v1/log/${parseOrigin(origin).epoch}`;
    const note = await bytes(transport, `${base}/checkpoint`);
    await openNote(parseNote(note), [key]);
    const { size, root } = parseCheckpoint(parseNote(note).text);
    make(dir);
    const held = new Map<string, Uint8Array>();
    const progress = createProgress(io, 'tiles', undefined);
    let done = 0;
    for (const tile of tilesBetween(0, size)) {
      const path = printTilePath(tile);
      const content = await bytes(transport, `${base}/${path}`);
      if (tile.level !== 'entries') held.set(path, content);
      write(dir, path, content);
      progress.update(++done, done);
    }
    progress.end();
    const source = tileSource(size, (tile: Tile) => held.get(printTilePath(tile)) as Uint8Array);
    if (!equal(await rootAt(size, source), root)) {
      throw new AttestdError('STORE_CORRUPT', 'the tiles do not lead to the root of the checkpoint');
    }
    for (const id of list(input, 'proof')) {
      const { index } = await json<{ index: number }>(transport, `/v1/records/${encodeURIComponent(id)}`);
      if (index >= size)
        throw new AttestdError('SEAL_PENDING', `${id} is not below the published checkpoint yet`);
      const hashes = await inclusionProof(index, size, source);
      write(dir, `${id}.tlog-proof`, printProof({ index, hashes, note }));
    }
    write(dir, 'checkpoint', note);
    write(dir, 'log.vkey', `${printVkey(key)}\n`);
    if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/tlog/v1', dir, origin, size })}\n`);
    else io.note(`${size} entries of ${origin} in ${dir}`);
    return 0;
  } finally {
    transport.close();
  }
}

async function whichLog(transport: Transport): Promise<{ origin: string; key: NoteKey }> {
  const { log } = await json<{ log?: string }>(transport, '/v1/status');
  if (log === undefined) throw new AttestdError('NOT_INITIALISED', 'the daemon has no log in use');
  const { keys } = await json<{ keys: { name: string; spki: string }[] }>(transport, '/v1/keys');
  const record = keys.find((k) => k.name === 'record');
  if (record === undefined) throw new AttestdError('INTERNAL', 'the daemon does not name its record key');
  return { origin: log, key: { name: log, type: ECDSA, key: fromBase64(record.spki) } };
}

const bytes = async (transport: Transport, path: string): Promise<Uint8Array> =>
  (await transport.call({ method: 'GET', path })).body;
const json = async <T>(transport: Transport, path: string): Promise<T> =>
  parseJson(fromUtf8(await bytes(transport, path))) as T;

function make(dir: string): void {
  try {
    mkdirSync(dir);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AttestdError(code === 'EEXIST' ? 'EXISTS' : 'USAGE', `${dir}: ${code}`, { cause });
  }
}

function write(dir: string, name: string, content: Uint8Array | string): void {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
