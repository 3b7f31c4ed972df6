/** Runs cases of test/vectors/client/executions.json: through the SDK here, and through the Python client. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, statSync, symlinkSync, unlinkSync } from 'node:fs';
import { connect as connectSocket, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  type Client,
  connect,
  type Execution,
  type ExecutionSpec,
  type Receipt,
  type Spooled,
} from '../../src/client/client.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { ROOT } from '../kit/ctl.ts';

export interface Case {
  readonly name: string;
  readonly action?: { type: string; name: string };
  readonly spec?: Omit<ExecutionSpec, 'action'>;
  readonly work?: {
    readonly outputs?: Record<string, never>;
    readonly plainOutputs?: Record<string, never>;
    readonly artefact?: [string, string];
    readonly effect?: 'dispatched' | 'confirmed' | 'unknown';
    readonly throws?: [string, string];
  };
  readonly spools?: boolean;
  /** Answers that are lost, behind those that pass. */
  readonly loses?: number;
  readonly passes?: number;
  readonly daemon: { readonly begin: boolean; readonly end: boolean };
  readonly raises?: string;
  readonly works?: boolean;
  readonly records: readonly {
    readonly phase: string;
    readonly late: boolean;
    readonly values?: Record<string, unknown>;
    readonly plain?: Record<string, unknown>;
    readonly outcome?: Record<string, unknown>;
    readonly parents?: readonly string[];
    readonly governed?: boolean;
  }[];
}

/** A case at a place: `link` is where the client looks, and leads to `socket` while the daemon is to be there. */
export interface Placed extends Case {
  readonly action: { type: string; name: string };
  readonly socket: string;
  readonly link: string;
  readonly spool: string;
  /** False leaves in the spool what waits. */
  readonly flush?: boolean;
}

export interface Driven {
  readonly raised: string | null;
  readonly worked: boolean;
  readonly attempt: Partial<Receipt>;
  readonly receipt: Partial<Receipt>;
  readonly files: readonly string[];
  readonly flushed?: readonly { key: string; id: string; digest: string }[];
  readonly faults: readonly string[];
}

export type Driver = (placed: Placed) => Promise<Driven>;

export const driveNode: Driver = async (c) => {
  const { link, socket, work = {} } = c;
  const faults: string[] = [];
  const base = { client: 'node-test/1', socket: link, onFault: (f: unknown) => void faults.push(String(f)) };
  const client = (
    c.spools ? connect({ ...base, onUnavailable: 'spool', spool: { directory: c.spool } }) : connect(base)
  ) as Client<Receipt | Spooled>;
  const reach = (there: boolean) => {
    client.close();
    if (lstatSync(link, { throwIfNoEntry: false })) unlinkSync(link);
    if (there) symlinkSync(socket, link);
  };
  let raised: string | null = null;
  let worked = false;
  let execution: Execution<Receipt | Spooled> | undefined;
  reach(c.daemon.begin);
  try {
    await client.withExecution({ action: c.action, ...c.spec }, (run) => {
      worked = true;
      execution = run;
      for (const [name, value] of Object.entries(work.outputs ?? {})) run.output(name, value);
      for (const [name, value] of Object.entries(work.plainOutputs ?? {}))
        run.output(name, value, { plain: true });
      if (work.artefact !== undefined) run.artefact(...work.artefact);
      if (work.effect !== undefined) run.effect(work.effect);
      reach(c.daemon.end);
      if (work.throws !== undefined) {
        const [name, text] = work.throws;
        throw Object.assign(new Error(text), { name });
      }
    });
  } catch (e) {
    raised = isAttestdError(e) ? e.code : (e as Error).name;
  }
  const files = existsSync(c.spool)
    ? readdirSync(c.spool).map((f) => `0o${(statSync(join(c.spool, f)).mode & 0o777).toString(8)}`)
    : [];
  let flushed: Driven['flushed'];
  if (c.flush !== false) {
    reach(true);
    flushed = (await client.flush()).recorded;
  }
  client.close();
  return {
    raised,
    worked,
    attempt: execution?.attempt ?? {},
    receipt: execution?.receipt ?? {},
    files,
    ...(flushed ? { flushed } : {}),
    faults,
  };
};

/** The Python client, in one process for all its cases. */
export function startPython(): { drive: Driver; stop(): Promise<void> } {
  const child: ChildProcess = spawn('python3', ['-W', 'error', join(ROOT, 'test/client/drive.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return {
    async drive(placed) {
      child.stdin?.write(`${JSON.stringify(placed)}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error('the Python client ended');
      return JSON.parse(value as string);
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** A way to the daemon on which answers are lost behind those that `pass`, as long as `left` is not used up. */
export async function startLossy(
  path: string,
  socket: string,
): Promise<{ pass: number; left: number; server: Server }> {
  const lossy = {
    pass: 0,
    left: 0,
    server: createServer((from) => {
      const to = connectSocket(socket);
      from.on('error', () => to.destroy());
      to.on('error', () => from.destroy());
      from.pipe(to);
      to.on('data', (bytes) => {
        if (lossy.pass-- <= 0 && lossy.left-- > 0) {
          from.destroy();
          to.destroy();
        } else from.write(bytes);
      });
      from.on('close', () => to.destroy());
    }),
  };
  await new Promise<void>((resolve) => lossy.server.listen(path, resolve));
  return lossy;
}
