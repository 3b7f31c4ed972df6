/** `attestctl list` and `search`: records newest first, as a table or as one JSON document. */
import type { Listed } from '../../client/listing.ts';
import { AttestdError } from '../../core/errors.ts';
import { printableJson } from '../../core/printable.ts';
import type { Input } from '../command.ts';
import { filtersOf, heading, limitOf, newest, row } from '../listing.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const text = input.args[0];
  if (text === '') throw new AttestdError('USAGE', 'there is nothing to search for', { field: '<text>' });
  const query = { ...filtersOf(input, Date.now()), ...(text === undefined ? {} : { text }) };
  const limit = limitOf(input, 50);
  let count = 0;
  await withClient(input, async (client) => {
    const all: Listed[] = [];
    let told = Date.now();
    const looked = (left: number) => {
      if (Date.now() - told < 1000) return;
      told = Date.now();
      io.note(`${left} entries left to look at, ${count} found`);
    };
    for await (const record of newest(client, query, limit, looked)) {
      if (io.json) all.push(record);
      else {
        if (count === 0) io.out(heading(io));
        io.out(row(io, record));
      }
      count++;
    }
    if (io.json) io.out(`${printableJson({ schema: 'attestd.dev/list/v1', records: all })}\n`);
  });
  if (!io.json && count === 0) io.note('no record matches');
  if (!io.json && count === limit) io.note(`the newest ${limit}; --limit shows more`);
  return 0;
}
