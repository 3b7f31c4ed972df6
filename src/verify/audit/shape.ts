/** The schema of a predicate, checked at the speed of a whole log: compiled once for each kind. */
import { Compile, type Validator } from 'typebox/compile';
import type { JsonObject } from '../../core/json.ts';
import { parseTime } from '../../core/time.ts';
import { type Kind, PREDICATES } from '../../evidence/statement.ts';

const compiled = new Map<string, Validator>();

/** Why a predicate is not one of its kind; undefined when it is. */
export function shapeFault(kind: string, predicate: JsonObject): string | undefined {
  if (!Object.hasOwn(PREDICATES, kind)) return `the kind ${kind} is not known`;
  let validator = compiled.get(kind);
  if (validator === undefined) {
    validator = Compile(PREDICATES[kind as Kind]) as unknown as Validator;
    compiled.set(kind, validator);
  }
  if (!validator.Check(predicate)) {
    const first = validator.Errors(predicate)[0];
    return `${kind} predicate, ${first?.instancePath || 'whole'}: ${first?.message ?? 'wrong'}`;
  }
  try {
    parseTime(predicate.time as string);
  } catch (e) {
    return (e as Error).message;
  }
  return undefined;
}
