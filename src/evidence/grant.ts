/**
 * The writers of what a governed flow adds to plain records, made for speed as the writer of executions is: grants, and what
 * an execution says of the grant that it uses. Their bytes are those of the plain way (property tests hold them equal).
 */
import { toBase64Url } from '../core/bytes.ts';
import { assertJson, type Json } from '../core/json.ts';
import { createTimeWriter } from '../core/time.ts';
import { ulid } from '../core/ulid.ts';
import { canonical, member, quoted } from './canonical.ts';
import { SALT_BYTES } from './disclosure.ts';
import { recordDigest } from './dsse.ts';
import { createEntryWriter } from './entrywriter.ts';
import type { ExecutionWriterOptions } from './execution.ts';
import { createRandomPool } from './pool.ts';
import type { Body, BuiltRecord } from './record.ts';
import type { Authorization } from './schema/execution.ts';
import type { Ref } from './schema/field.ts';

/**
 * Writes one grant.
 * @param body checked by the request schema, or made by the daemon
 * @param observedCanonicalJson `caller.observed` of the body in RFC 8785 form (made once per connection)
 */
export type GrantWriter = (body: Body<'grant'>, observedCanonicalJson: string, timeMs: number) => BuiltRecord;

/**
 * A writer for the grants of one run. What stands in `policy` is canonicalised once for each object that it is given.
 * It throws RECORD_TOO_LARGE over 65,535 bytes, and MALFORMED for a lone surrogate.
 */
export function createGrantWriter(options: ExecutionWriterOptions): GrantWriter {
  const random = createRandomPool(options.random);
  const time = createTimeWriter();
  const entryOf = createEntryWriter('grant');
  const policies = new WeakMap<object, string>();
  const boot = `"boot":${JSON.stringify(options.boot)}`;
  const log = `,"log":${JSON.stringify(options.log)},"maxUses":`;

  function policyOf(policy: Body<'grant'>['policy']): string {
    if (policy === undefined) return '';
    let text = policies.get(policy);
    if (text === undefined) {
      text = member('policy', policy);
      policies.set(policy, text);
    }
    return text;
  }

  return (body, observed, timeMs) => {
    const { approvals, caller, breakGlass, scope, parents, trace } = body;
    const id = ulid(timeMs, random(10));
    const salt = toBase64Url(random(SALT_BYTES));
    let text = approvals === undefined ? '{' : `{"approvals":${canonical(approvals)},`;
    text += `${boot}${member('breakGlass', breakGlass)},"caller":{`;
    if (caller.claimed !== undefined) text += `"claimed":${canonical(caller.claimed as Json)},`;
    text += `"observed":${observed}}${member('delegable', body.delegable)}${member('delegation', body.delegation)}`;
    text += `${member('environment', body.environment)}${member('holder', body.holder)},"id":"${id}"${log}`;
    text += `${body.maxUses},"notAfter":"${body.notAfter}","notBefore":"${body.notBefore}"`;
    text += `${member('parameters', body.parameters)}${member('parents', parents)}${policyOf(body.policy)}`;
    text += `,"salt":"${salt}"${member('scope', scope)},"seconds":${body.seconds}`;
    text += `,"time":"${time(timeMs)}"${member('trace', trace)},"v":1}`;
    if (text.includes('\\ud')) assertJson(body);
    const entry = entryOf(id, text);
    return { id, entry, recordDigest: recordDigest(entry) };
  };
}

const reference = ({ digest, id }: Ref): string => `{"digest":"${digest}","id":"${id}"}`;

/** The RFC 8785 text of an execution's authorization. */
export function authorizationText({ checkedAt, grant, policy, use }: Authorization): string {
  const by =
    policy === undefined
      ? ''
      : `,"policy":{"engine":${quoted(policy.engine)},"id":${quoted(policy.id)},"sha256":"${policy.sha256}"}`;
  return `{"checkedAt":"${checkedAt}","grant":${reference(grant)}${by},"use":{"n":${use.n},"prev":${reference(use.prev)}}}`;
}
