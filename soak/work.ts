/**
 * What callers do meanwhile, beside plain records: governed executions, fresh quotes, and evidence that is taken out and
 * verified as an auditor would. Everything goes on for ever; what is refused is counted by its code.
 */
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Receipt } from '../src/client/client.ts';
import { jcsBytes } from '../src/core/json.ts';
import type { Trust } from '../src/verify/trust.ts';
import { verifyBundle } from '../src/verify/verify.ts';
import { type Acked, type Answer, ask, newBody } from '../test/crash/load.ts';
import type { Account } from './account.ts';

export interface Work {
  /** Governed executions that were completed, quotes, and bundles that were judged. */
  readonly done: { flows: number; quotes: number; bundles: number };
  readonly refused: ReadonlyMap<string, number>;
  /** Evidence that did not verify, and answers that name a fault of the daemon. */
  readonly wrong: readonly string[];
  stop(): Promise<void>;
}

export interface WorkInput {
  readonly socket: string;
  readonly account: Account;
  /** The auditor's trust file, once there is a reference for it. */
  readonly trust: () => Trust | undefined;
}

const ACTION = { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' };
const PAUSE_MS = 25;

export function startWork({ socket, account, trust }: WorkInput): Work {
  const done = { flows: 0, quotes: 0, bundles: 0 };
  const refused = new Map<string, number>();
  const wrong: string[] = [];
  const agent = new Agent({ keepAlive: true });
  let stopped = false;

  /** The answer, where it is a success; a refusal is counted and nothing. */
  const said = async (path: string, body?: unknown): Promise<Answer['json'] | undefined> => {
    const text = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const { status, json } = await ask(socket, path, { ...text, agent });
    if (status < 300) return json;
    const code = String(json.type).replace('urn:attestd:error:', '');
    refused.set(code, (refused.get(code) ?? 0) + 1);
    if (code === 'INTERNAL') wrong.push(`${path} answered INTERNAL: ${json.detail}`);
    return undefined;
  };
  const acked = (receipt: Receipt): Acked => ({ receipt });

  async function flow(): Promise<void> {
    const granted = await said('/v1/grants?wait=durable', { scope: [ACTION], maxUses: 1, seconds: 600 });
    if (granted === undefined) return;
    account.add([acked(granted)]);
    const begun = await said('/v1/executions?wait=durable', { grant: granted.id, action: ACTION });
    if (begun === undefined) return;
    account.add([acked(begun)]);
    const outcome = { status: 'succeeded', effect: 'confirmed' };
    const ended = await said(`/v1/executions/${begun.id}/complete?wait=sealed`, { outcome });
    if (ended === undefined) return;
    account.add([acked(ended)]);
    done.flows++;
  }

  async function quote(): Promise<void> {
    const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
    if ((await said('/v1/quotes', { nonce })) !== undefined) done.quotes++;
    await sleep(400);
  }

  async function bundle(): Promise<void> {
    const receipt = await said('/v1/records?wait=sealed', newBody());
    if (receipt === undefined) return;
    account.add([acked(receipt)]);
    // Its run ended before it was sealed: it says so itself, and no more than level 2 can come of it.
    if (receipt.recovered === true) return;
    const evidence = await said(`/v1/records/${receipt.id}/bundle`);
    const judge = trust();
    if (evidence === undefined || judge === undefined) return;
    const { verdict, checks } = await verifyBundle(jcsBytes(evidence), judge);
    done.bundles++;
    if (verdict !== 'verified') {
      const not = checks.filter((c) => c.status === 'fail' || (c.required && c.status !== 'pass'));
      const why = not.map((c) => `${c.id}: ${c.sentence} ${c.actual ?? ''}`);
      wrong.push(`record ${receipt.id} is ${verdict}: ${why.join('; ')}`);
    }
    await sleep(300);
  }

  const repeat = async (what: () => Promise<void>): Promise<void> => {
    while (!stopped) {
      // The daemon is not there yet, or no more.
      await what().catch(() => undefined);
      await sleep(PAUSE_MS);
    }
  };
  const loops = [repeat(flow), repeat(flow), repeat(quote), repeat(bundle)];
  return {
    done,
    refused,
    wrong,
    async stop() {
      stopped = true;
      await Promise.all(loops);
      agent.destroy();
    },
  };
}
