/**
 * Has a witness cosign a published checkpoint (C2SP tlog-witness, `add-checkpoint`): sends the note with the consistency
 * proof from what the witness saw last, and believes the cosignature only when it verifies over that very text. Where the
 * witness saw another size than was thought it says so (409), and is asked once more from there.
 */
import { equal, fromUtf8, toBase64, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { keyIdOf, type NoteKey } from '../log/keys.ts';
import { type NoteSignature, parseSignature } from '../log/note.ts';
import { parseDecimal } from '../log/position.ts';
import { cosignatureTime, verifySignature } from '../log/signature.ts';

/** A witness that is asked. */
export interface WitnessConfig {
  readonly name: string;
  /** Submission prefix; `/add-checkpoint` comes after it. */
  readonly url: string;
  readonly key: NoteKey;
  readonly timeoutMs: number;
}

/** A published checkpoint and what a proof of it is made from. */
export interface Checkpointed {
  readonly size: number;
  readonly text: string;
  /** The note as published. */
  readonly note: Uint8Array;
  /** That the log of `size` has that of `from` as its beginning. */
  readonly consistency: (from: number) => Promise<readonly Uint8Array[]>;
}

/** Most bytes of an answer: a few lines. */
const MAX_ANSWER = 16_384;

/**
 * The cosignature.
 * @param seen size that the witness saw last, as far as is known; 0 for a log that is new to it
 * @throws WITNESS_UNAVAILABLE when it cannot be had now, WITNESS_REFUSED when the witness does not sign this log or what
 *   it gives does not verify
 */
export async function askWitness(
  witness: WitnessConfig,
  given: Checkpointed,
  seen: number,
): Promise<NoteSignature> {
  let old = seen;
  for (let tries = 0; ; tries++) {
    const answer = await submit(witness, given, old);
    if (answer.status === 200) return await cosignatureIn(witness, given.text, answer.body);
    const other = answer.status === 409 && tries === 0 ? sizeIn(answer.body) : undefined;
    if (other === undefined || other === old) throw refusal(witness, answer.status, answer.body);
    if (other > given.size) {
      throw new AttestdError(
        'WITNESS_REFUSED',
        `${witness.name} has seen this log with ${other} entries, and it has ${given.size}: it was put back`,
      );
    }
    old = other;
  }
}

async function submit(witness: WitnessConfig, given: Checkpointed, old: number) {
  const proof = old === 0 || old === given.size ? [] : await given.consistency(old);
  const lines = [`old ${old}`, ...proof.map(toBase64)].map((l) => `${l}\n`).join('');
  return post(witness, Buffer.concat([utf8(`${lines}\n`), given.note]));
}

async function cosignatureIn(
  { name, key }: WitnessConfig,
  text: string,
  body: string,
): Promise<NoteSignature> {
  const bad = (why: string) => new AttestdError('WITNESS_REFUSED', `the answer of ${name}: ${why}`);
  if (!body.endsWith('\n')) throw bad('it is no signature line');
  let lines: NoteSignature[];
  try {
    lines = body.slice(0, -1).split('\n').map(parseSignature);
  } catch (e) {
    throw bad((e as Error).message);
  }
  const id = keyIdOf(key);
  const line = lines.find((l) => l.name === key.name && equal(l.keyId, id));
  if (line === undefined) throw bad('it is not by the key of the configuration');
  if (!(await verifySignature(key, text, line))) throw bad('its cosignature does not verify');
  cosignatureTime(line.signature);
  return line;
}

function sizeIn(body: string): number | undefined {
  try {
    return body.endsWith('\n') ? parseDecimal(body.slice(0, -1), 'size') : undefined;
  } catch {
    return undefined;
  }
}

/** What a status says (tlog-witness, add-checkpoint). */
const REFUSALS: Readonly<Record<number, string>> = {
  400: 'finds the request malformed',
  403: 'knows no key that signed this log',
  404: 'does not know this log',
  409: 'has seen another size than it said',
  422: 'finds that the proof does not lead to this checkpoint',
};

function refusal({ name }: WitnessConfig, status: number, body: string): AttestdError {
  const why = REFUSALS[status];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const said = body.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, 200);
  return why === undefined
    ? new AttestdError('WITNESS_UNAVAILABLE', `${name}: HTTP ${status} ${said}`)
    : new AttestdError('WITNESS_REFUSED', `${name} ${why} (HTTP ${status}) ${said}`);
}

async function post(
  { name, url, timeoutMs }: WitnessConfig,
  body: Uint8Array,
): Promise<{ status: number; body: string }> {
  try {
    const response = await fetch(`${url}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: new Uint8Array(body),
      // A witness that sends us elsewhere is not the one that was configured.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MAX_ANSWER) throw new Error(`more than ${MAX_ANSWER} bytes`);
      chunks.push(chunk);
    }
    return { status: response.status, body: fromUtf8(Buffer.concat(chunks)) };
  } catch (e) {
    const { cause } = e as { cause?: { code?: string; message?: string } };
    const why = cause?.code ?? cause?.message ?? (e as Error).message;
    throw new AttestdError('WITNESS_UNAVAILABLE', `${name}: ${why}`, { cause: e });
  }
}
