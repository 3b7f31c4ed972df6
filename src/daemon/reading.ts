/**
 * What can be read: records and their bundles, each by its owner, everything by the admin socket; an auditor's fresh
 * quote; and the log itself in the C2SP layout. All but the quote are read while nothing can be recorded, too. Entry
 * bundles hold other callers' records, so they are for the admin socket alone; checkpoints and hashes are for all.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { fromBase64Url, fromUtf8, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { BUNDLE_MEDIA_TYPE, FRESH_MEDIA_TYPE } from '../core/namespace.ts';
import { parseEntry, recordDigest } from '../evidence/dsse.ts';
import { leafHash } from '../log/merkle.ts';
import { printProof } from '../log/proof.ts';
import { parseTilePath } from '../log/tile.ts';
import type { Store } from '../store/store.ts';
import { disclosuresOf, makeBundle } from './bundle.ts';
import type { Certificates } from './certificate.ts';
import type { Cosigs } from './cosigs.ts';
import { makeFresh } from './fresh.ts';
import type { Gate } from './gate.ts';
import { epochOf } from './layout.ts';
import type { Limits } from './limits.ts';
import { addAttachments, mayReadList } from './machine/attachments.ts';
import {
  GET_BUNDLE,
  GET_CHECKPOINT,
  GET_RECORD,
  GET_SEALS,
  GET_TILE,
  POST_FORGET,
  POST_QUOTES,
} from './openapi.ts';
import {
  type BundleQuery,
  compileSchema,
  ForgetBody,
  QuoteBody,
  type RecordPath,
  type SealsQuery,
} from './request.ts';
import type { Stamps } from './stamps.ts';

export interface ReadingInput {
  readonly gate: Gate;
  readonly limits: Limits;
  readonly certificates: Certificates;
  readonly stamps: Stamps;
  readonly cosigs: Cosigs;
  /** The open log; the gate is passed before it is asked for. */
  readonly store: () => Store;
}

/** Seals in one answer. */
const PAGE = 256;

/** The record that this caller may see. @throws NOT_FOUND alike for what is not there and what is another's */
export function findRecord(request: FastifyRequest, log: Store): { index: number; uid: number } {
  const { id } = request.params as RecordPath;
  const found = log.lookup(id);
  if (found === undefined || !(request.caller.admin || found.uid === request.caller.uid)) {
    throw new AttestdError('NOT_FOUND', `there is no record ${id} of yours`);
  }
  return found;
}

export function addReading(app: FastifyInstance, input: ReadingInput): void {
  const { gate, certificates, limits, stamps, cosigs } = input;
  addAttachments(app, gate);
  const checkQuote = compileSchema(QuoteBody);
  const checkForget = compileSchema(ForgetBody);

  app.get('/v1/records/:id', { schema: GET_RECORD }, async (request, reply) => {
    await gate.look();
    const log = input.store();
    const { index } = findRecord(request, log);
    const entry = log.entry(index);
    const seal = log.sealCovering(index);
    const own = seal !== undefined && seal.bootIndex <= index;
    const answer = {
      id: (request.params as RecordPath).id,
      digest: toHex(recordDigest(entry)),
      index,
      log: log.origin,
      strength: own ? 'sealed' : 'durable',
      ...(seal !== undefined && !own ? { recovered: true } : {}),
      entry: toBase64(entry),
      statement: parseEntry(entry).json,
      disclosures: disclosuresOf(log, index),
      ...(seal === undefined || !own
        ? {}
        : {
            leaf: toHex(leafHash(entry)),
            proof: fromUtf8(
              printProof({ index, hashes: log.inclusionProof(index, seal.size), note: seal.note }),
            ),
          }),
    };
    return reply.header('content-type', 'application/json').send(JSON.stringify(answer));
  });

  app.get('/v1/records/:id/bundle', { schema: GET_BUNDLE }, async (request, reply) => {
    const archive = await gate.look();
    const log = input.store();
    const { index } = findRecord(request, log);
    const { uid, admin } = request.caller;
    const query = request.query as BundleQuery;
    const lineage = query.lineage === 'full';
    const ima = query.ima === 'list';
    if (ima) mayReadList(request);
    const { pcrs, places, shelf, hostKeys: keys } = archive;
    const reader = { uid, admin };
    const bytes = await makeBundle({
      log,
      certificates,
      keys,
      pcrs,
      shelf,
      places,
      stamps,
      cosigs,
      index,
      reader,
      lineage,
      ima,
    });
    return reply.header('content-type', BUNDLE_MEDIA_TYPE).send(Buffer.from(bytes));
  });

  app.post('/v1/records/:id/forget', { schema: POST_FORGET }, async (request, reply) => {
    const engine = await gate.enter();
    const { index } = findRecord(request, input.store());
    const fault = checkForget(request.body);
    if (fault !== undefined) throw fault;
    const receipt = await engine.forget(index, request.caller.uid, (request.body as ForgetBody).reason);
    return reply.code(201).header('content-type', 'application/json; charset=utf-8').send(receipt);
  });

  app.post('/v1/quotes', { schema: POST_QUOTES }, async (request, reply) => {
    const engine = await gate.enter();
    const fault = checkQuote(request.body);
    if (fault !== undefined) throw fault;
    const body = request.body as QuoteBody;
    const nonce = nonceOf(body.nonce);
    const ima = body.ima === 'list';
    if (ima) mayReadList(request);
    const certificate = certificates.read();
    limits.takeQuote(request.caller.uid);
    const bytes = await makeFresh(engine, input.store(), certificate, stamps, nonce, ima);
    return reply.header('content-type', FRESH_MEDIA_TYPE).send(Buffer.from(bytes));
  });

  app.get('/v1/log/:epoch/checkpoint', { schema: GET_CHECKPOINT }, async (request, reply) => {
    const { origin, published } = await gate.look();
    checkEpoch(request, origin);
    const { note } = published;
    if (note === undefined)
      throw new AttestdError('NOT_FOUND', 'no checkpoint is published yet', { retryAfter: 1 });
    return reply.header('content-type', 'text/plain; charset=utf-8').send(Buffer.from(note));
  });

  app.get('/v1/log/:epoch/tile/*', { schema: GET_TILE }, async (request, reply) => {
    const { origin } = await gate.look();
    checkEpoch(request, origin);
    const path = (request.params as { '*': string })['*'];
    const tile = tileOf(path);
    if (tile.level === 'entries' && !request.caller.admin) {
      throw new AttestdError('FORBIDDEN', "entry bundles hold other callers' records");
    }
    const bytes = input.store().tile(tile);
    return reply.header('content-type', 'application/octet-stream').send(Buffer.from(bytes));
  });

  app.get('/v1/log/:epoch/seals', { schema: GET_SEALS }, async (request, reply) => {
    const { origin } = await gate.look();
    checkEpoch(request, origin);
    if (!request.caller.admin) throw new AttestdError('FORBIDDEN', 'seals are listed on the admin socket');
    const page = pageOfSeals(input.store(), request.query as SealsQuery);
    return reply.header('content-type', 'application/json').send(JSON.stringify(page));
  });
}

/** A page of seals. Several may have one size, so a page ends at a size and a seq. */
function pageOfSeals(log: Store, { from = '0', after = '0' }: SealsQuery) {
  const seals: { size: number; note: string }[] = [];
  for (const { size, seq, note } of log.seals(Number(from))) {
    if (seq <= Number(after)) continue;
    if (seals.length === PAGE) {
      const last = seals.at(-1) as { size: number };
      return { seals, next: { from: last.size, after: seq - 1 } };
    }
    seals.push({ size, note: fromUtf8(note) });
  }
  return { seals };
}

function nonceOf(text: string): Uint8Array {
  const bad = () =>
    new AttestdError('INVALID_REQUEST', '/nonce is not base64url of 16 to 64 bytes', { field: '/nonce' });
  let nonce: Uint8Array;
  try {
    nonce = fromBase64Url(text);
  } catch {
    throw bad();
  }
  if (nonce.length < 16 || nonce.length > 64) throw bad();
  return nonce;
}

function tileOf(path: string) {
  try {
    return parseTilePath(`tile/${path}`);
  } catch {
    throw new AttestdError('NOT_FOUND', 'this is no path of a tile');
  }
}

function checkEpoch(request: FastifyRequest, origin: string): void {
  if ((request.params as { epoch: string }).epoch !== epochOf(origin)) {
    throw new AttestdError('NOT_FOUND', `the log in use is ${origin}`);
  }
}
