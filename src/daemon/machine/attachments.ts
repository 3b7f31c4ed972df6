/** What a bundle names by its digest and does not hold: a long IMA list, on the admin socket. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AttestdError } from '../../core/errors.ts';
import type { Gate } from '../gate.ts';
import { Bytes, Headers, REFUSALS } from '../openapi.ts';
import { AttachmentPath } from '../request.ts';

const GET_ATTACHMENT = {
  operationId: 'getAttachment',
  summary: 'What a bundle made lately names by its digest: a long IMA list, compressed. On the admin socket',
  headers: Headers,
  params: AttachmentPath,
  response: { 200: { description: 'the bytes', ...Bytes('application/octet-stream') }, ...REFUSALS },
};

/** The list names every file that ran here, whoever ran it. @throws FORBIDDEN */
export function mayReadList(request: FastifyRequest): void {
  if (!request.caller.admin) throw new AttestdError('FORBIDDEN', 'the IMA list is for the admin socket');
}

export function addAttachments(app: FastifyInstance, gate: Gate): void {
  app.get('/v1/attachments/:sha256', { schema: GET_ATTACHMENT }, async (request, reply) => {
    const { shelf } = await gate.look();
    mayReadList(request);
    const found = shelf.attachment((request.params as AttachmentPath).sha256);
    if (found === undefined) throw new AttestdError('NOT_FOUND', 'no bundle was made lately that names this');
    const head = { 'content-type': 'application/octet-stream', 'content-length': found.size };
    return reply.headers(head).send(Readable.from(found.pieces()));
  });
}
