/** The host of a soak: enrolled and governed, its TPM behind a proxy that breaks it and a resource manager, as on a real one. */

import { setTimeout as sleep } from 'node:timers/promises';
import { jcsBytes } from '../src/core/json.ts';
import type { Trust } from '../src/verify/trust.ts';
import { ask, newBody } from '../test/crash/load.ts';
import { enrol, trustFor } from '../test/daemon/enrol.ts';
import { makePolicies } from '../test/govern/kit.ts';
import { makeProcessHost, type ProcessHost } from '../test/kit/host.ts';
import type { FaultProxy } from '../test/kit/proxy.ts';
import { flushCommand, handlesCommand, handlesIn } from '../test/kit/wire.ts';

export interface SoakHost extends ProcessHost {
  readonly proxy: FaultProxy;
  /** Root of the authority that enrolled it, DER. */
  readonly root: Uint8Array;
}

/** Short deadlines, so that many things happen in little time. */
const SECTIONS = {
  tpm: ['deadline_ms = 3000'],
  anchor: ['interval_s = 5'],
  seal: ['published_ms = 500'],
  limits: ['quotes_per_minute = 6000'],
  policy: ['max_unsealed_ms = 60000'],
  log: ['level = "error"'],
} as const;

export async function makeSoakHost(): Promise<SoakHost> {
  const { directory, publicKey } = makePolicies(
    'permit(principal, action, resource in Kind::"tool.call");\n',
  );
  const policy = [...SECTIONS.policy, `directory = "${directory}"`, `keys = ["${publicKey}"]`];
  const host = await makeProcessHost({ ...SECTIONS, policy }, 'host-1', 'managed');
  const root = await enrol(host);
  const { proxy } = host.tpm;
  if (proxy === null) throw new Error('the TPM of a soak stands behind a proxy');
  return {
    ...host,
    get logDir() {
      return host.logDir;
    },
    proxy,
    root,
  };
}

/** The auditor's trust file: the state in which this host is now, undisturbed, is the accepted one. */
export async function acceptedState(host: SoakHost): Promise<Trust> {
  const { json } = await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() });
  const bundle = await ask(host.socket, `/v1/records/${json.id}/bundle`);
  if (bundle.status !== 200)
    throw new Error(`no bundle from a host that nothing disturbs: ${JSON.stringify(bundle.json)}`);
  return trustFor(host.root, jcsBytes(bundle.json));
}

const RANGES = [0x0200_0000, 0x8000_0000] as const;

/** Sessions and transient objects in the TPM. */
export async function handles({ proxy }: SoakHost): Promise<number[]> {
  const found: number[] = [];
  for (const range of RANGES) {
    const all = handlesIn(await proxy.send(handlesCommand(range)));
    found.push(...all.filter((h) => h >>> 24 === range >>> 24));
  }
  return found;
}

/** What the kernel's resource manager does when a process that had the TPM open has ended. @returns how many there were */
export async function flushAll(host: SoakHost): Promise<number> {
  const found = await handles(host);
  for (const handle of found) await host.proxy.send(flushCommand(handle));
  return found.length;
}

/** Whether a watchdog would find this daemon stuck: the TPM has swallowed a command, or it takes connections and says nothing. */
export async function stuck(host: SoakHost): Promise<boolean> {
  const late = sleep(5000, 'silence' as const, { ref: false });
  // One that takes no connection has not begun, or has ended, which others look after.
  const health = await Promise.race([ask(host.socket, '/v1/health').catch(() => undefined), late]);
  if (health === undefined) return false;
  return health === 'silence' || (health.json.reasons as string[]).includes('TPM: a command hangs');
}
