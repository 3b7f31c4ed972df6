/** The agent whose spans the SDKs send (test/peers/otel/agent.py, and its twin in otlp.test): what it is on record. */
import { expect } from 'vitest';
import type { Watch } from '../kit/watch.ts';
import type { Bridge } from './bridge.ts';

type Found = Awaited<ReturnType<Watch['look']>>;

/** What a SDK says of itself and of the spans that it sent. */
export interface Sent {
  readonly claimed: Readonly<Record<string, string>>;
  readonly traceparent: string;
  /** Span id of the agent. */
  readonly agent: string;
}

/** Holds what was recorded against the five spans: four are records, the one that nobody chose is none. */
export function expectRecords(found: Found, bridge: Pick<Bridge, 'pid'>, sent: Sent) {
  expect(
    found.map((r) => [r.predicate.action.type, r.predicate.action.name, r.predicate.outcome.status]).sort(),
  ).toEqual([
    ['gen_ai.chat', 'm-1', 'succeeded'],
    ['gen_ai.execute_tool', 'refund', 'failed'],
    ['gen_ai.invoke_agent', 'refunds', 'succeeded'],
    ['span', 'deploy', 'succeeded'],
  ]);
  const named = (name: string) => found.find((r) => r.predicate.action.name === name);
  const agent = named('refunds');
  expect(agent?.predicate).toMatchObject({
    phase: 'completed',
    authorization: 'ungoverned',
    action: { target: 'acme' },
    caller: {
      observed: { pid: bridge.pid },
      claimed: { ...sent.claimed, 'service.name': 'refund-bot', via: 'otlp-bridge' },
    },
    trace: { traceparent: sent.traceparent },
    parameters: { conventions: 'gen_ai/1.37.0' },
    capture: { complete: false },
  });
  expect(agent?.predicate.caller.claimed['host.name']).toBeUndefined();
  for (const r of found.filter((f) => f !== agent)) {
    expect(r.predicate.parents).toEqual([{ rel: 'calledBy', digest: agent?.digest }]);
    expect(r.predicate.parameters.parentSpanId).toBe(sent.agent);
  }
  const [chat, tool] = [named('m-1'), named('refund')];
  expect(chat?.values.span.attributes).toMatchObject({ 'gen_ai.request.stop_sequences': ['a', 'ü'] });
  expect(tool?.values.span).toMatchObject({
    status: { code: 2, message: 'too slow' },
    events: [{ name: 'retry', attributes: { n: 1 } }],
  });
  return { agent, chat, tool };
}
