/** What SIGHUP does, and the watchdog, told to a real notification socket (python3 holds it). */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { completeConfig } from '../../src/daemon/config.ts';
import { createPulse } from '../../src/daemon/pulse.ts';
import { RELOADED, takeConfig } from '../../src/daemon/reload.ts';
import { makeProcessHost, type ProcessHost, until } from '../kit/host.ts';

let host: ProcessHost | undefined;
let receiver: ChildProcess | undefined;
afterEach(async () => {
  receiver?.kill('SIGKILL');
  await host?.remove();
  host = undefined;
});

/** Everything that arrives at a notification socket. */
async function listen(path: string): Promise<string[]> {
  const script = `
import socket, sys, json
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('"bound"', flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)
`;
  const heard: string[] = [];
  let rest = '';
  receiver = spawn('python3', ['-c', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  receiver.stdout?.on('data', (chunk: Buffer) => {
    rest += chunk.toString();
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) heard.push(JSON.parse(line));
  });
  await until('the socket to be bound', () => heard[0] === 'bound');
  return heard;
}

describe('a reload', () => {
  const least = { fleet: 'f', host: 'h' };

  it('takes the keys that it names and says which others wait', () => {
    const config = completeConfig(least);
    const fresh = completeConfig({
      ...least,
      host: 'other',
      limits: { burst: 5, body_bytes: 2048 },
      log: { level: 'debug' },
    });
    expect(takeConfig(config, fresh)).toEqual({
      changed: ['limits.burst', 'log.level'],
      waiting: ['host', 'limits.body_bytes'],
    });
    expect([config.limits.burst, config.log.level, config.host]).toEqual([5, 'debug', 'h']);
    expect(
      takeConfig(config, completeConfig({ ...least, limits: { burst: 5 }, log: { level: 'debug' } })),
    ).toEqual({
      changed: [],
      waiting: [],
    });
  });

  it('names keys that there are', () => {
    const config = completeConfig(least) as unknown as Record<string, Record<string, unknown>>;
    for (const name of RELOADED) {
      const [section, key] = name.split('.') as [string, string];
      expect(Object.keys(config[section] ?? {})).toContain(key);
    }
  });

  it('is told to systemd, and a broken file leaves in force what is', async () => {
    host = await makeProcessHost();
    const path = join(host.dir, 'notify');
    const heard = await listen(path);
    const file = join(host.dir, 'attestd.toml');
    const before = readFileSync(file, 'utf8');
    const daemon = host.start(['env', `NOTIFY_SOCKET=${path}`]);
    await daemon.ready();
    expect(heard.some((h) => h.startsWith('READY=1\nSTATUS='))).toBe(true);

    for (const [text, answer] of [
      [
        `${before}\n[nonsense]\n`,
        /^READY=1\nSTATUS=the configuration is not taken: the key nonsense is not known/,
      ],
      [`${before}\n[limits]\nburst = 7\n`, /^READY=1\nSTATUS=\d+ entries/],
    ] as const) {
      writeFileSync(file, text);
      heard.length = 0;
      process.kill(daemon.pid, 'SIGHUP');
      await until('the answer', () => heard.some((h) => answer.test(h)));
      expect(heard.findIndex((h) => h.startsWith('RELOADING=1\nMONOTONIC_USEC='))).toBeGreaterThanOrEqual(0);
    }
    expect(daemon.running).toBe(true);
    expect(daemon.output()).toContain('the configuration is not taken; the one in force stays');
    expect(daemon.output()).toContain('"changed":["limits.burst"]');
    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
    expect(heard.some((h) => h === 'STOPPING=1')).toBe(true);
  });
});

describe('the self-check', () => {
  const never = () => new Promise<Uint8Array>(() => undefined);
  const settle = () => new Promise((r) => setImmediate(r));
  /** `look` once a second of a clock that the test turns. */
  function pulse(service: { tpm?: unknown; store?: unknown }, late = 0) {
    let t = 0;
    const p = createPulse(service as never, 1000, 3000, () => t);
    return async () => {
      t += 1000 + late;
      const wrong = p.look();
      await settle();
      return wrong;
    };
  }

  it('finds nothing where the TPM answers, refuses, or is not there yet', async () => {
    for (const tpm of [
      undefined,
      { hung: false, random: async () => new Uint8Array(8) },
      { hung: false, random: () => Promise.reject(new Error('away')) },
    ]) {
      const look = pulse({ tpm });
      for (let i = 0; i < 6; i++) expect(await look()).toBeUndefined();
    }
  });

  it('finds a TPM that swallows what it is asked, a log that failed, and a late event loop', async () => {
    const look = pulse({ tpm: { hung: false, random: never } });
    const seen = [await look(), await look(), await look(), await look()];
    expect(seen).toEqual([undefined, undefined, undefined, 'the TPM does not answer']);
    expect(await pulse({ tpm: { hung: true } })()).toBe('a command of the TPM does not come back');
    expect(await pulse({ store: { failed: new Error('x') } })()).toBe('the log cannot be written');
    expect(await pulse({}, 6000)()).toBe('the event loop was 6000 ms late');
  });
});
