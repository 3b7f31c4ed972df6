/**
 * A command between its two records, as `attestctl run` and `attestctl ci` have it: `attempted` before, `completed`
 * after. Without the first nothing is started; the command's own end is the end of this program. Stdout is the command's:
 * with --json the receipt is one line of stderr.
 */
import type { Receipt, RecordRequest } from '../client/client.ts';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import { type Input, on, text } from './command.ts';
import type { CommandLine } from './executable.ts';
import { type Ended, endLike, execute } from './execution.ts';
import { writeOutput } from './files.ts';
import { reportFault } from './io.ts';
import { receiptDocument, waitOption, withClient } from './session.ts';
import { statusWriter } from './statusfd.ts';

/** What both records say, so that the evidence of either shows what ran. */
export type Said = Pick<RecordRequest, 'action' | 'inputs' | 'claimed' | 'plain'>;
/** What came out, and the names of what could not be captured. */
export interface Made {
  readonly artefacts?: RecordRequest['artefacts'];
  readonly omitted: readonly string[];
}

/**
 * @param made looks at what the command left behind, once it has ended
 * @returns the exit status of the command
 */
export async function recordedRun(
  input: Input,
  { file, name, args }: CommandLine,
  said: Said,
  made: () => Promise<Made> = async () => ({ omitted: [] }),
): Promise<number> {
  const wait = waitOption(input);
  if (wait === 'durable' && text(input, 'bundle') !== undefined) {
    throw new AttestdError(
      'USAGE',
      'evidence is of what is sealed: --bundle does not go with --wait durable',
      { field: '--bundle' },
    );
  }
  const status = statusWriter(text(input, 'statusFd'), input.io);
  return withClient(input, async (client) => {
    const key = text(input, 'idempotencyKey');
    const record = (request: RecordRequest, phase: string): Promise<Receipt> =>
      client.record(request, {
        // What is durable before the command starts cannot be lost; the seal follows while it runs.
        wait: phase === 'attempted' ? 'durable' : wait,
        ...(key === undefined ? {} : { idempotencyKey: `${key}/${phase}` }),
      });
    const grant = text(input, 'grant');
    const attempt = await (grant === undefined
      ? record({ phase: 'attempted', ...said }, 'attempted')
      : client.begin({ grant, ...said })
    ).catch((fault: unknown) => {
      status({
        started: false,
        ...(isAttestdError(fault) ? { code: fault.code, denial: fault.facts.denial } : {}),
      });
      throw fault;
    });
    const finish = (end: RecordRequest): Promise<Receipt> => {
      if (grant === undefined) return record(end, 'completed');
      const { phase: _phase, action: _action, inputs: _inputs, plain: _plain, parents: _, ...rest } = end;
      const ask = () => client.complete(attempt.id, rest, { wait, idempotencyKey: `${attempt.id}/end` });
      // An answer that was lost is asked for once more: it may be that the end is on record.
      return ask().catch((fault: unknown) => {
        if (!isAttestdError(fault, 'DAEMON_UNAVAILABLE')) throw fault;
        return ask();
      });
    };
    let ended: Ended;
    try {
      ended = await execute({ file, name, args, terminal: on(input, 'tty') });
    } catch (cause) {
      status({ started: false, code: 'USAGE' });
      await finish(completed(attempt, said, { error: (cause as NodeJS.ErrnoException).code ?? 'unknown' }));
      throw new AttestdError('USAGE', `${name} does not start: ${(cause as NodeJS.ErrnoException).code}`, {
        cause,
      });
    }
    try {
      const receipt = await finish(completed(attempt, said, ended, await made()));
      const idFile = text(input, 'idFile');
      if (idFile !== undefined) await writeOutput(idFile, `${receipt.id}\n`, input.io);
      const bundle = text(input, 'bundle');
      if (bundle !== undefined) await writeOutput(bundle, await client.bundle(receipt.id), input.io);
      if (input.io.json) process.stderr.write(`${receiptDocument(receipt)}\n`);
      else if (input.io.stderrIsTerminal || idFile === undefined) {
        input.io.note(
          `recorded ${receipt.id}, ${receipt.strength} as entry ${receipt.index} of ${receipt.log}`,
        );
      }
    } catch (fault) {
      // The command has run; its own exit status stays, and the attempt on record shows that the end is missing.
      reportFault(input.io, fault);
    }
    status({ started: true, attempt: attempt.id, code: ended.code, signal: ended.signal });
    return await endLike(ended);
  });
}

function completed(
  attempt: Receipt,
  said: Said,
  ended: Ended | { readonly error: string },
  made: Made = { omitted: [] },
): RecordRequest {
  const parents = [{ rel: 'completes' as const, digest: attempt.digest }];
  if ('error' in ended) {
    return {
      phase: 'completed',
      ...said,
      parents,
      outputs: { error: ended.error },
      outcome: { status: 'failed', effect: 'unknown' },
    };
  }
  const omitted = [...ended.omitted, ...made.omitted];
  return {
    phase: 'completed',
    ...said,
    parents,
    outputs: {
      ...ended.streams,
      milliseconds: ended.milliseconds,
      ...(ended.signal === null ? { exitCode: ended.code } : { signal: ended.signal }),
    },
    outcome: {
      status: ended.code === 0 ? 'succeeded' : 'failed',
      effect: 'unknown',
      ...(ended.code === null ? {} : { code: ended.code }),
    },
    ...(made.artefacts === undefined ? {} : { artefacts: made.artefacts }),
    capture: { complete: omitted.length === 0, omitted },
  };
}
