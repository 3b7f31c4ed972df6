/**
 * Eight callers that record without pause for so many seconds, with the SDK as it is shipped; prints one line of JSON.
 *   node load.mjs SECONDS
 * A caller fails when its record is not there in the end: the daemon's own word to try again is followed, with the
 * idempotency key of the first try, so that no record is made twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '/opt/client/dist/client.js';

const end = performance.now() + Number(process.argv[2]) * 1000;
const counts = { recorded: 0, again: {}, failed: 0, why: {} };
const request = {
  phase: 'completed',
  action: { type: 'test', name: 'load' },
  outcome: { status: 'succeeded', effect: 'confirmed' },
};
const PATIENCE = 60_000;

async function caller(n) {
  const client = connect({ client: 'load/1' });
  for (let i = 0; performance.now() < end; i++) {
    const begun = performance.now();
    for (;;) {
      try {
        await client.record(request, { wait: 'durable', idempotencyKey: `load-${process.pid}-${n}-${i}` });
        counts.recorded++;
        break;
      } catch (e) {
        const passes = ['DAEMON_UNAVAILABLE', 'SHUTTING_DOWN', 'TPM_UNAVAILABLE', 'OVERLOADED'].includes(
          e.code,
        );
        if (!passes || performance.now() - begun > PATIENCE) {
          counts.failed++;
          counts.why[`${e.code}: ${e.message}`] = (counts.why[`${e.code}: ${e.message}`] ?? 0) + 1;
          break;
        }
        counts.again[`${e.code}: ${e.message}`] = (counts.again[`${e.code}: ${e.message}`] ?? 0) + 1;
        await sleep(100);
      }
    }
    await sleep(5);
  }
  client.close();
}

await Promise.all(Array.from({ length: 8 }, (_, n) => caller(n)));
console.log(JSON.stringify(counts));
