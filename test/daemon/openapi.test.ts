/** The committed OpenAPI document is what the routes give. */
import { readFileSync } from 'node:fs';
import swagger from '@fastify/swagger';
import { describe, expect, it } from 'vitest';
import { DOCUMENT, documentedApp } from '../../src/daemon/document.ts';
import { VERSION } from '../../src/daemon/version.ts';

describe('openapi.json', () => {
  it('is what scripts/openapi.mjs writes', async () => {
    const app = await documentedApp(async (a) => {
      await a.register(swagger, DOCUMENT);
    });
    const made = JSON.parse(JSON.stringify((app as unknown as { swagger(): unknown }).swagger()));
    expect(JSON.parse(readFileSync('openapi.json', 'utf8'))).toEqual(made);
    expect(made.openapi).toBe('3.1.0');
    const operations = Object.entries(made.paths as Record<string, Record<string, { operationId: string }>>)
      .flatMap(([path, methods]) => Object.entries(methods).map(([m, o]) => `${m} ${path} ${o.operationId}`))
      .sort();
    expect(operations).toEqual([
      'delete /v1/grants/{id} revokeGrant',
      'get /metrics getMetrics',
      'get /v1/attachments/{sha256} getAttachment',
      'get /v1/grants/{id} getGrant',
      'get /v1/health getHealth',
      'get /v1/keys listKeys',
      'get /v1/keys/{name}/request getKeyRequest',
      'get /v1/log/{epoch}/checkpoint getCheckpoint',
      'get /v1/log/{epoch}/remains/{n} getRemains',
      'get /v1/log/{epoch}/seals getSeals',
      'get /v1/log/{epoch}/tile/{*} getTile',
      'get /v1/records listRecords',
      'get /v1/records/{id} getRecord',
      'get /v1/records/{id}/bundle getBundle',
      'get /v1/records/{id}/cose getCose',
      'get /v1/records/{id}/envelope getEnvelope',
      'get /v1/records/{id}/provenance getProvenance',
      'get /v1/status getStatus',
      'post /v1/approvals approve',
      'post /v1/executions begin',
      'post /v1/executions/{id}/complete complete',
      'post /v1/grants requestGrant',
      'post /v1/imports importRecord',
      'post /v1/keys createKey',
      'post /v1/keys/{name}/sign sign',
      'post /v1/keys/{name}/withdraw withdrawKey',
      'post /v1/measurements measure',
      'post /v1/otlp/v1/traces exportTraces',
      'post /v1/quotes quote',
      'post /v1/records record',
      'post /v1/records/{id}/forget forget',
      'post /v1/retention retain',
    ]);
  });

  it('carries the version of the package', () => {
    expect(JSON.parse(readFileSync('package.json', 'utf8')).version).toBe(VERSION);
  });
});
