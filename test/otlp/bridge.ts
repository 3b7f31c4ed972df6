/** `attestctl otlp-bridge` before a daemon, as an operator starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../daemon/kit.ts';
import { CTL } from '../kit/ctl.ts';

export interface Bridge {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** @param socket of the daemon @returns when spans are taken */
export async function startBridge(socket: string, port: number): Promise<Bridge> {
  const child: ChildProcess = spawn(process.execPath, [CTL, 'otlp-bridge', '--port', String(port)], {
    env: { ...process.env, ATTESTD_SOCKET: socket },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (b: Buffer) => {
    said += b;
  });
  await until(() => said.includes('spans are taken at'));
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    pid: child.pid as number,
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}
