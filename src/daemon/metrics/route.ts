/** GET /metrics on the admin socket: the operator's, for the counts are of all callers. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { AttestdError } from '../../core/errors.ts';
import { Headers, REFUSALS } from '../openapi.ts';
import { EXPOSITION, type Exposition } from './exposition.ts';

const GET_METRICS = {
  operationId: 'getMetrics',
  summary: 'Metrics in the text format of Prometheus; on the admin socket',
  headers: Headers,
  response: {
    200: { description: 'exposition format 0.0.4', content: { 'text/plain': { schema: Type.String() } } },
    400: REFUSALS[400],
    403: REFUSALS[403],
  },
};

export function addMetrics(app: FastifyInstance, exposition: Exposition): void {
  app.get('/metrics', { schema: GET_METRICS }, async (request, reply) => {
    if (!request.caller.admin) throw new AttestdError('FORBIDDEN', 'metrics are read on the admin socket');
    const text = await exposition();
    return reply.header('content-type', EXPOSITION).send(text);
  });
}
