/** `attestctl tail`: the newest records, and with --follow those that come, until it is interrupted. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Listed } from '../../client/listing.ts';
import { type Input, on } from '../command.ts';
import { filtersOf, heading, limitOf, newest, printed } from '../listing.ts';
import { withClient } from '../session.ts';

const EVERY_MS = 500;

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const query = filtersOf(input, Date.now());
  const limit = limitOf(input, 10);
  return withClient(input, async (client) => {
    // Where the log ended before the newest were listed: none between is missed, and none shown twice.
    let after = (await client.list({ limit: 1 })).size - 1;
    const last: Listed[] = [];
    for await (const record of newest(client, { ...query, before: after + 1 }, limit)) last.push(record);
    if (!io.json) io.out(heading(io));
    for (const record of last.reverse()) io.out(printed(io, record));
    while (on(input, 'follow')) {
      const page = await client.list({ ...query, after, limit: 500 });
      for (const record of page.records) io.out(printed(io, record));
      after = page.next?.after ?? page.size - 1;
      if (page.next === undefined) await sleep(EVERY_MS);
    }
    return 0;
  });
}
