/** What is new in the log of a running daemon, read as its operator can. */

import { type Client, connect } from '../../src/client/client.ts';
import { openTransport } from '../../src/client/transport.ts';
import { toHex } from '../../src/core/bytes.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { parseEntries } from '../../src/log/entries.ts';
import { printTilePath } from '../../src/log/tile.ts';

export interface Watched {
  readonly id: string;
  readonly digest: string;
  readonly kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: predicates are read in many shapes
  readonly predicate: any;
  // biome-ignore lint/suspicious/noExplicitAny: predicates are read in many shapes
  readonly artefacts: any;
  /** Disclosed values by name. */
  // biome-ignore lint/suspicious/noExplicitAny: values are read in many shapes
  readonly values: any;
}

export interface Watch {
  /** What came since the last look. @param kinds of record; executions when absent */
  look(kinds?: readonly string[]): Promise<Watched[]>;
  close(): void;
}

/** @param admin path of the admin socket */
export async function watchLog(admin: string): Promise<Watch> {
  const client: Client = connect({ socket: admin, client: 'watch/1' });
  const transport = openTransport(admin, 'watch/1');
  const now = async () => {
    const { log, entries } = await client.status();
    return { size: entries as number, origin: log as string };
  };
  let seen = (await now()).size;
  async function entry(index: number, size: number, epoch: string): Promise<Uint8Array> {
    const n = Math.floor(index / 256);
    const width = Math.min(256, size - n * 256);
    const path = `/v1/log/${epoch}/${printTilePath({ level: 'entries', n, width })}`;
    const { body } = await transport.call({ method: 'GET', path });
    return parseEntries(body, width)[index % 256] as Uint8Array;
  }
  return {
    async look(kinds = ['execution']) {
      const { size, origin } = await now();
      const found: Watched[] = [];
      for (; seen < size; seen++) {
        const bytes = await entry(seen, size, origin.split('/')[2] as string);
        const { kind, predicate, artefacts } = readStatement(bytes) as never as Watched;
        if (!kinds.includes(kind)) continue;
        const { id } = predicate;
        const { disclosures = [] } = (await client.get(id)) as { disclosures?: string[] };
        const opened = disclosures.map(
          (d) => JSON.parse(Buffer.from(fromBase64Url(d)).toString()) as unknown[],
        );
        const values = Object.fromEntries(opened.map(([, name, value]) => [name, value]));
        found.push({ id, digest: toHex(recordDigest(bytes)), kind, predicate, artefacts, values });
      }
      return found;
    },
    close() {
      client.close();
      transport.close();
    },
  };
}
const fromBase64Url = (text: string): Buffer => Buffer.from(text, 'base64url');
