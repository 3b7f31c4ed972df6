/**
 * Makes the OpenAPI document from the routes themselves, so that it cannot say anything else than what is checked.
 * Only the generator script and its test call this; the daemon loads no documentation plugin.
 */
import type { FastifyInstance } from 'fastify';
import { AttestdError } from '../core/errors.ts';
import { createApp } from './app.ts';
import { completeConfig } from './config.ts';
import { addExporting } from './exporting.ts';
import { createGate } from './gate.ts';
import { addGoverned } from './govern/routes.ts';
import { addImporting } from './importing.ts';
import { addKeyRoutes } from './keyroutes.ts';
import { createLimits } from './limits.ts';
import { addListing } from './listing.ts';
import { addMeasuring } from './measured/routes.ts';
import { addMetrics } from './metrics/route.ts';
import { addOtlp } from './otlp.ts';
import { addPosting } from './posting.ts';
import { addReading } from './reading.ts';
import { addRetention } from './retaining/routes.ts';
import { addStatus } from './status.ts';
import { VERSION } from './version.ts';

/** What @fastify/swagger is registered with. */
export const DOCUMENT = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'attestd',
      version: VERSION,
      description:
        'HTTP/1.1 on a Unix socket. Every request carries the header attestd-client: name/version. A request is never rewritten: unknown fields, wrong types and duplicate names are refused.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://localhost', description: 'unix:/run/attestd/attestd.sock' }],
  },
};

/**
 * The application with all routes and nothing behind them.
 * @param register adds the documentation plugin before the routes
 */
export async function documentedApp(
  register: (app: FastifyInstance) => Promise<void>,
): Promise<FastifyInstance> {
  const config = completeConfig({ fleet: 'example', host: 'host-1' });
  const gate = createGate(0);
  const limits = createLimits(config.limits, () => 0);
  const nobody = () => {
    throw new AttestdError('INTERNAL', 'there is no daemon behind this document');
  };
  const certificates = { read: nobody, of: nobody };
  const bodies = { maxBytes: config.limits.body_bytes, read: nobody, close: () => undefined };
  const app = createApp({
    callers: { accept: nobody, of: nobody, close: () => undefined },
    limits,
    bodies,
    onRefusal: () => undefined,
    onFault: () => undefined,
  });
  await register(app);
  app.after(() => {
    addPosting(app, { gate, limits, crumbs: { came: nobody }, settings: config.limits });
    addOtlp(app, { gate, limits, bodies });
    const late = { keep: nobody, waiting: nobody, clear: nobody, setAside: nobody, onKept: nobody };
    addGoverned(app, { gate, late, now: () => 0 });
    addListing(app, { gate, store: nobody });
    addReading(app, {
      gate,
      limits,
      certificates,
      stamps: { find: nobody },
      cosigs: { find: nobody, newest: nobody },
      store: nobody,
    });
    addRetention(app, { gate, cosigs: { find: nobody, newest: nobody }, store: nobody });
    addExporting(app, { gate, limits, store: nobody });
    addImporting(app, { gate, store: nobody, random: nobody });
    addMeasuring(app, { gate, limits, settings: config.measure });
    addKeyRoutes(app, { gate, limits, tpm: nobody });
    addStatus(
      app,
      {
        gate,
        limits,
        certificates,
        store: () => undefined,
        tpm: () => undefined,
        refusals: new Map(),
        assurance: 'tpm',
        maxUnsealedMs: 0,
      },
      () => 0,
    );
    addMetrics(app, nobody);
  });
  await app.ready();
  return app;
}
