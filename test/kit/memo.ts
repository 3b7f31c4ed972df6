/** The verifier's tools, remembering: a mutation test asks the same questions very often. */
import { createHash } from 'node:crypto';
import { readStatement, type Statement } from '../../src/evidence/statement.ts';
import { verifySignature } from '../../src/evidence/x509/signature.ts';
import type { Tools } from '../../src/verify/gather.ts';

export function createMemo(): Tools {
  const statements = new Map<string, () => Statement>();
  const known = new Map<string, Promise<boolean>>();
  const verify: Tools['verify'] = (key, algorithm, message, signature) => {
    const hash = createHash('sha256').update(JSON.stringify(algorithm));
    for (const part of [key.spki, message, signature]) hash.update(`:${part.length}:`).update(part);
    const id = hash.digest('base64');
    let answer = known.get(id);
    if (answer === undefined) {
      answer = verifySignature(key, algorithm, message, signature);
      known.set(id, answer);
    }
    return answer;
  };

  const read = (entry: Uint8Array): Statement => {
    const id = createHash('sha256').update(entry).digest('base64');
    let answer = statements.get(id);
    if (answer === undefined) {
      try {
        const statement = readStatement(entry);
        answer = () => statement;
      } catch (e) {
        answer = () => {
          throw e;
        };
      }
      statements.set(id, answer);
    }
    return answer();
  };
  return { verify, readStatement: read };
}
