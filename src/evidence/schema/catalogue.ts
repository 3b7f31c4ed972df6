/** Every format that others read, as JSON Schema documents (draft 2020-12) ready to be published. */
import type { TSchema } from 'typebox';
import { NS } from '../../core/namespace.ts';
import { PREDICATES } from '../statement.ts';
import { AppraisalSchema, EnvelopeSchema } from './appraisal.ts';
import { BundleSchema, FreshSchema } from './bundle.ts';
import { ApprovalRequest, CompletionRequest, ExecutionRequest, GrantRequest } from './governed.ts';
import { ImportRequest } from './import.ts';
import { RecordRequest } from './request.ts';
import { TrustSchema } from './trust.ts';

/** File name (without `.schema.json`) → document. */
export function schemaCatalogue(): { readonly [name: string]: Record<string, unknown> } {
  const all: Record<string, TSchema> = {
    bundle: BundleSchema,
    fresh: FreshSchema,
    trust: TrustSchema,
    appraisal: AppraisalSchema,
    'appraisal-envelope': EnvelopeSchema,
    'record-request': RecordRequest,
    'grant-request': GrantRequest,
    'execution-request': ExecutionRequest,
    'completion-request': CompletionRequest,
    'approval-request': ApprovalRequest,
    'import-request': ImportRequest,
    ...Object.fromEntries(Object.entries(PREDICATES).map(([kind, s]) => [`predicate-${kind}`, s])),
  };
  return Object.fromEntries(
    Object.entries(all).map(([name, schema]) => [
      name,
      {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        $id: `${NS}/schema/${name}/v1`,
        ...(JSON.parse(JSON.stringify(schema)) as Record<string, unknown>),
      },
    ]),
  );
}
