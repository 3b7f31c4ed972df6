/**
 * Decides by a set of Cedar policies. What a policy's scope names (a principal, a resource) says for which requests it
 * can matter at all, so a decision looks at those policies and at the entities above caller and operation, not at all
 * that are stored: 1,000 policies cost what 10 do. Sets are parsed once; equal questions are answered once. Stricter
 * than Cedar in one thing: where a policy cannot be evaluated Cedar leaves it out, and this refuses.
 */
import { AttestdError } from '../../core/errors.ts';
import { createNumbers } from './numbers.ts';
import { type Entity, POLICY_SCHEMA, type Question, requestOf } from './vocabulary.ts';

type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs');

/** A file of policies. */
export interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

export interface Verdict {
  readonly permitted: boolean;
  /** Policies that decided, as `file#number`. */
  readonly determining: readonly string[];
  /** One sentence. */
  readonly why: string;
}

export interface Decider {
  /** `cedar-<version>` */
  readonly engine: string;
  readonly policies: number;
  decide(question: Question): Verdict;
}

const invalid = (detail: string) => new AttestdError('CONFIG_INVALID', detail);
/** Preparsed sets and answers that are kept. */
const MAX_SETS = 64;
const MAX_ANSWERS = 4096;
let instances = 0;

let loading: Promise<Cedar> | undefined;
/** The WebAssembly module, loaded when a policy is. */
async function loadCedar(): Promise<Cedar> {
  loading ??= import('@cedar-policy/cedar-wasm/nodejs');
  return loading;
}

/** Loads it at once, so that it is there when the daemon measures what it runs from. */
export async function preloadCedar(): Promise<void> {
  await loadCedar();
}

interface Policy {
  readonly id: string;
  readonly text: string;
  /** Entity that its scope names, as `Type::id`; undefined where it can matter to anybody. */
  readonly key: string | undefined;
}

const keyOf = (uid: { type: string; id: string }): string => `${uid.type}::${uid.id}`;

/** The entity in a constraint of a policy's scope, as Cedar's JSON has it. */
function named(constraint: unknown): string | undefined {
  const c = constraint as { op: string; entity?: unknown; in?: { entity?: unknown } };
  const entity = c.op === '==' || c.op === 'in' ? c.entity : c.op === 'is' ? c.in?.entity : undefined;
  if (entity === undefined) return undefined;
  const e = entity as { __entity?: { type: string; id: string }; type?: string; id?: string };
  return keyOf((e.__entity ?? e) as { type: string; id: string });
}

function readPolicies(cedar: Cedar, files: readonly PolicyFile[]): Policy[] {
  const out: Policy[] = [];
  for (const { name, text } of files) {
    const parts = cedar.policySetTextToParts(text);
    if (parts.type === 'failure') throw invalid(`${name}: ${parts.errors[0]?.message ?? 'does not parse'}`);
    if (parts.policy_templates.length > 0) throw invalid(`${name}: templates are not supported`);
    for (const [i, policy] of parts.policies.entries()) {
      const json = cedar.policyToJson(policy);
      if (json.type === 'failure') throw invalid(`${name}#${i}: ${json.errors[0]?.message ?? 'is wrong'}`);
      const key = named(json.json.principal) ?? named(json.json.resource);
      out.push({ id: `${name}#${i}`, text: policy, key });
    }
  }
  const checked = cedar.validate({
    schema: POLICY_SCHEMA,
    policies: { staticPolicies: Object.fromEntries(out.map((p) => [p.id, p.text])) },
  });
  if (checked.type === 'failure') throw invalid(checked.errors[0]?.message ?? 'the policies do not validate');
  const [wrong] = checked.validationErrors;
  if (wrong !== undefined) throw invalid(`${wrong.policyId}: ${wrong.error.message}`);
  return out;
}

/**
 * Reads policies and entities, and checks them against the schema.
 * @throws CONFIG_INVALID naming the policy that is wrong
 */
export async function createDecider(
  files: readonly PolicyFile[],
  stored: readonly Entity[],
): Promise<Decider> {
  const cedar = await loadCedar();
  const policies = readPolicies(cedar, files);
  const prefix = `attestd-${++instances}`;
  const schemaName = `${prefix}-schema`;
  const parsed = cedar.preparseSchema(schemaName, POLICY_SCHEMA);
  if (parsed.type === 'failure') throw new AttestdError('INTERNAL', parsed.errors[0]?.message ?? 'schema');
  const byKey = new Map<string, Policy[]>();
  const always: Policy[] = [];
  for (const p of policies) {
    if (p.key === undefined) always.push(p);
    else byKey.set(p.key, [...(byKey.get(p.key) ?? []), p]);
  }
  const entities = new Map<string, Entity>();
  for (const e of stored) {
    if (entities.has(keyOf(e.uid))) throw invalid(`entities: ${keyOf(e.uid)} is there twice`);
    entities.set(keyOf(e.uid), e);
  }
  /** Name of the parsed set of these policies; the oldest slot is used again. */
  const slots = new Map<string, string>();
  function setOf(chosen: readonly Policy[]): string {
    const text = chosen.map((p) => p.id).join('\n');
    const known = slots.get(text);
    if (known !== undefined) return known;
    let slot = `${prefix}-${slots.size}`;
    if (slots.size >= MAX_SETS) {
      const [oldest] = slots;
      if (oldest !== undefined) {
        slot = oldest[1];
        slots.delete(oldest[0]);
      }
    }
    const answer = cedar.preparsePolicySet(slot, {
      staticPolicies: Object.fromEntries(chosen.map((p) => [p.id, p.text])),
    });
    if (answer.type === 'failure')
      throw new AttestdError('INTERNAL', answer.errors[0]?.message ?? 'policies');
    slots.set(text, slot);
    return slot;
  }

  /** The request's entities with the stored ones above them. */
  function closure(own: readonly Entity[]): Entity[] {
    const out = new Map<string, Entity>();
    const open = [...own];
    for (let e = open.pop(); e !== undefined; e = open.pop()) {
      const key = keyOf(e.uid);
      if (out.has(key)) continue;
      const more = entities.get(key);
      const whole = more === undefined || more === e ? e : { ...e, parents: [...e.parents, ...more.parents] };
      out.set(key, whole);
      for (const p of whole.parents) {
        const parent = entities.get(keyOf(p));
        if (parent !== undefined && !out.has(keyOf(p))) open.push(parent);
        else if (parent === undefined) out.set(keyOf(p), { uid: p, attrs: {}, parents: [] });
      }
    }
    return [...out.values()];
  }

  const answers = new Map<string, Verdict>();
  const numberOf = createNumbers();
  /** Everything that the answer depends on, to the second; of what is asked, no more than a policy can speak of. */
  function questionText({ observed, environment, now, ask, ...rest }: Question): string {
    const text = JSON.stringify([ask.maxUses, ask.seconds, ask.delegable, rest]);
    return `${numberOf(observed)} ${numberOf(environment)} ${Math.floor(now / 1000)} ${text}`;
  }

  function answer(question: Question): Verdict {
    const { entities: own, ...request } = requestOf(question);
    const all = closure(own);
    const chosen = [...always];
    for (const e of all) chosen.push(...(byKey.get(keyOf(e.uid)) ?? []));
    const result = cedar.statefulIsAuthorized({
      ...request,
      context: request.context as never,
      entities: all as never,
      preparsedPolicySetId: setOf(chosen),
      preparsedSchemaName: schemaName,
      validateRequest: true,
    });
    if (result.type === 'failure') {
      const why = `the policy cannot be asked: ${result.errors[0]?.message ?? 'no reason given'}`;
      return { permitted: false, determining: [], why };
    }
    const { decision, diagnostics } = result.response;
    const [fault] = diagnostics.errors;
    if (fault !== undefined) {
      const why = `the policy ${fault.policyId} cannot be evaluated: ${fault.error.message}`;
      return { permitted: false, determining: [fault.policyId], why };
    }
    const determining = diagnostics.reason.slice(0, 32).sort();
    if (decision === 'allow') return { permitted: true, determining, why: 'the policy permits it' };
    const why = determining.length === 0 ? 'no policy permits it' : `the policy ${determining[0]} forbids it`;
    return { permitted: false, determining, why };
  }

  return {
    engine: `cedar-${cedar.getCedarVersion()}`,
    policies: policies.length,
    decide(question) {
      const text = questionText(question);
      const known = answers.get(text);
      if (known !== undefined) return known;
      const made = answer(question);
      if (answers.size >= MAX_ANSWERS) answers.clear();
      answers.set(text, made);
      return made;
    },
  };
}
