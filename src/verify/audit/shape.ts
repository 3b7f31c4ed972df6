/** The schema of a predicate, checked at the speed of a whole log: compiled once for each kind. */
import { Compile, type Validator } from 'typebox/compile';
import type { JsonObject } from '../../core/json.ts';
import { parseTime } from '../../core/time.ts';
import { type Kind, PREDICATES } from '../../evidence/statement.ts';

const compiled = new Map<string, Validator>();
/** Records of one millisecond carry the same time: the last that was read is not read again. */
let lastTime = '';

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
  const time = predicate.time as string;
  if (time === lastTime) return undefined;
  try {
    parseTime(time);
  } catch (e) {
    return (e as Error).message;
  }
  lastTime = time;
  return undefined;
}
