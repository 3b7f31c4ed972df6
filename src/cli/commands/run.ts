/**
 * `attestctl run -- cmd`: an `attempted` record before the command, a `completed` one after it. Without the first
 * nothing is started; the command's own end is the end of this program. Stdout is the command's: with --json the
 * receipt is one line of stderr.
 */
import { createHash } from 'node:crypto';
import { createReadStream, writeSync } from 'node:fs';
import { access, constants, realpath, stat } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import type { Receipt, RecordRequest } from '../../client/client.ts';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { type Input, on, text } from '../command.ts';
import { type Ended, endLike, execute } from '../execution.ts';
import { writeOutput } from '../files.ts';
import { reportFault } from '../io.ts';
import { receiptDocument, waitOption, withClient } from '../session.ts';
import { claimedBy } from '../token.ts';

export async function run(input: Input): Promise<number> {
  const [name, ...args] = input.args as [string, ...string[]];
  const wait = waitOption(input);
  if (wait === 'durable' && text(input, 'bundle') !== undefined) {
    throw new AttestdError(
      'USAGE',
      'evidence is of what is sealed: --bundle does not go with --wait durable',
      {
        field: '--bundle',
      },
    );
  }
  const file = await findExecutable(name, input.io.environment.PATH ?? '');
  const path = await realpath(file);
  const action = { type: 'command.run', name: basename(name) };
  const inputs = {
    argv: [name, ...args],
    cwd: process.cwd(),
    environment: Object.keys(input.io.environment).sort(),
    executable: { path, sha256: await digestFile(path) },
  };
  // Both records say it, so that the evidence of either shows what ran.
  const said = { action, inputs, ...(await claimedBy(input)) };
  return withClient(input, async (client) => {
    const key = text(input, 'idempotencyKey');
    const record = (request: RecordRequest, phase: string): Promise<Receipt> =>
      client.record(request, {
        // What is durable before the command starts cannot be lost; the seal follows while it runs.
        wait: phase === 'attempted' ? 'durable' : wait,
        ...(key === undefined ? {} : { idempotencyKey: `${key}/${phase}` }),
      });
    const grant = text(input, 'grant');
    const status = statusWriter(text(input, 'statusFd'));
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
      const { phase: _phase, action: _action, inputs: _inputs, parents: _parents, ...rest } = end;
      return client.complete(attempt.id, rest, { wait });
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
      const receipt = await finish(completed(attempt, said, ended));
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

/**
 * Tells a program above whether the command was started at all: a status of 5 or 6 may be the command's own.
 * @throws USAGE when it is no descriptor
 */
function statusWriter(fd: string | undefined): (what: Record<string, unknown>) => void {
  if (fd === undefined) return () => undefined;
  if (!/^(?:[3-9]|[1-9][0-9]{1,3})$/.test(fd))
    throw new AttestdError('USAGE', `--status-fd is a descriptor from 3 on, not ${fd}`, {
      field: '--status-fd',
    });
  return (what) => {
    writeSync(Number(fd), `${JSON.stringify({ schema: 'attestd.dev/run-status/v1', ...what })}\n`);
  };
}

function completed(
  attempt: Receipt,
  said: Pick<RecordRequest, 'action' | 'inputs' | 'claimed'>,
  ended: Ended | { readonly error: string },
): RecordRequest {
  const parents = [{ rel: 'completes', digest: attempt.digest }];
  if ('error' in ended) {
    return {
      phase: 'completed',
      ...said,
      parents,
      outputs: { error: ended.error },
      outcome: { status: 'failed', effect: 'unknown' },
    };
  }
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
    capture: { complete: ended.omitted.length === 0, omitted: ended.omitted },
  };
}

/** Finds a command as a shell would. @throws USAGE when there is none */
async function findExecutable(name: string, path: string): Promise<string> {
  const places = name.includes('/') ? [name] : path.split(delimiter).map((dir) => join(dir || '.', name));
  for (const place of places) {
    try {
      await access(place, constants.X_OK);
      if ((await stat(place)).isFile()) return place;
    } catch {}
  }
  throw new AttestdError('USAGE', `no such command: ${name}`);
}

async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
