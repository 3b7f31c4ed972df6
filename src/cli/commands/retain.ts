/** `attestctl retain`: the host removes its old records for good, and says in its log that it did. */
import { openTransport, socketPath, type Transport } from '../../client/transport.ts';
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { parseTime } from '../../core/time.ts';
import { type Input, on, text } from '../command.ts';
import { confirmOrRefuse } from '../question.ts';
import { VERSION } from '../version.ts';

const ADMIN_SOCKET = '/run/attestd/admin.sock';

interface Retained {
  readonly before: number;
  readonly removed: number;
  readonly kept: number;
  readonly freed: number;
  readonly tombstone?: string;
}

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const bound = boundOf(text(input, 'before') as string);
  const reason = text(input, 'reason');
  const socket = socketPath(text(input, 'socket') ?? io.environment.ATTESTD_SOCKET ?? ADMIN_SOCKET);
  const transport = openTransport(socket, `attestctl/${VERSION}`);
  try {
    const would = await retain(transport, { ...bound, dryRun: true });
    if (on(input, 'dryRun')) {
      tell(input, would, true);
      return 0;
    }
    const question = `remove ${would.removed} entries below ${would.before} for good? ${would.kept} stay`;
    await confirmOrRefuse(io, question, on(input, 'yes'));
    // By index: the one that was shown, whatever came in meanwhile.
    const asked = { before: would.before, ...(reason === undefined ? {} : { reason }) };
    tell(input, await retain(transport, asked), false);
    return 0;
  } finally {
    transport.close();
  }
}

function tell({ io }: Input, r: Retained, dry: boolean): void {
  if (io.json) {
    io.out(`${JSON.stringify({ schema: 'attestd.dev/retained/v1', dryRun: dry, ...r })}\n`);
    return;
  }
  const verb = dry ? 'would be removed' : 'removed';
  io.out(`${r.removed} entries below ${r.before} ${verb}, ${r.kept} stay\n`);
  if (r.tombstone !== undefined)
    io.note(`${r.freed} bytes given back; the tombstone is record ${r.tombstone}`);
}

async function retain(transport: Transport, body: object): Promise<Retained> {
  const call = { method: 'POST', path: '/v1/retention', body: JSON.stringify(body) } as const;
  const answer = await transport.call({ ...call, headers: { 'content-type': 'application/json' } });
  return parseJson(fromUtf8(answer.body)) as unknown as Retained;
}

/** @throws USAGE */
function boundOf(given: string): { before: number } | { olderThan: string } {
  if (/^(?:0|[1-9][0-9]{0,15})$/.test(given)) return { before: Number(given) };
  const day = /^\d{4}-\d\d-\d\d$/.test(given)
    ? `${given}T00:00:00.000Z`
    : given.replace(/:(\d\d)Z$/, ':$1.000Z');
  try {
    parseTime(day);
    return { olderThan: day };
  } catch {
    throw new AttestdError(
      'USAGE',
      '--before is an index, a day like 2026-01-01 or a UTC time, 2026-01-01T12:00:00Z',
    );
  }
}
