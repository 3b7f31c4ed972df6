/** What a quoted IMA list bears out of the daemon's own word, and all that takes it away. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { verifySignature } from '../../src/evidence/x509/signature.ts';
import { gather } from '../../src/verify/gather.ts';
import { doubtsOf } from '../../src/verify/ima/corroborate.ts';
import { judge } from '../../src/verify/judge.ts';
import { got } from '../../src/verify/outcome.ts';
import { printText } from '../../src/verify/text.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { type Made, made } from '../evidence/kit/imalist.ts';
import { forge } from '../kit/forge.ts';
import type { Hooks } from '../kit/hooks.ts';
import { GOOD_IMA, GOOD_LIST, listBytes, listedWith, measured, packed, violated } from '../kit/imaboot.ts';
import { GOLDEN } from './vectors/appraisal.ts';
import { judgedBy, withIma } from './vectors/ima.ts';

const NODE = '/usr/bin/node';
const hex = (content: string) => createHash('sha256').update(content).digest('hex');

/** Why the file is doubted, where the daemon measured /usr/bin/node and a list like this was quoted. */
async function doubt(hooks: Hooks, path = NODE, content = 'node'): Promise<string | undefined> {
  const { raw, trust } = await forge(hooks);
  // The daemon's measurement stands in an entry; here only its name matters.
  const statement = (entry: Uint8Array) => {
    const read = readStatement(entry);
    if (read.kind !== 'measurement') return read;
    const event = { type: 'code', name: path, sha256: hex(content) };
    return { ...read, predicate: { ...read.predicate, event } } as typeof read;
  };
  const file = parseTrust(utf8(JSON.stringify(trust)));
  const e = await gather(got(raw), file, { verify: verifySignature, readStatement: statement });
  return doubtsOf(e, file)(path, hex(content));
}
const listed = (entries: readonly Made[], policy = withIma()) => judgedBy(listedWith(entries), policy);

test('a file of the list with this content and no other is borne out', async () => {
  expect(await doubt(listed(GOOD_LIST))).toBeUndefined();
  expect(await doubt(listed([...GOOD_LIST, GOOD_LIST[1] as Made]))).toBeUndefined();
});

test('a verdict says so of each file that the daemon measured', async () => {
  const main = '/usr/lib/attestd/dist/daemon/main.js';
  const own = made('ima-ng', main, new Uint8Array(32).fill(0x1d));
  const policy = withIma({
    ...GOOD_IMA,
    files: [...GOOD_IMA.files, { path: main, digests: [`sha256:${'1d'.repeat(32)}`] }],
  });
  const said = async (hooks: Hooks) => {
    const { raw, trust } = await forge(hooks);
    return judge(got(raw), parseTrust(utf8(JSON.stringify(trust))));
  };
  const borne = await said(listed([...GOOD_LIST, own], policy));
  expect(borne.software?.items).toMatchObject([{ name: main, credence: 'IMA-corroborated' }]);
  expect(borne.software?.items[0]?.doubt).toBeUndefined();
  expect(printText(borne)).toContain('1 of them IMA-corroborated');
  const other = await said(listed(GOOD_LIST, policy));
  expect(other.software?.items).toMatchObject([
    { credence: 'self-reported', doubt: 'the IMA list does not name it' },
  ]);
});

const two = withIma({
  ...GOOD_IMA,
  files: GOOD_IMA.files.map((f) =>
    f.path === NODE ? { ...f, digests: [...f.digests, `sha256:${hex('node 2')}`].sort() } : f,
  ),
});
const evil = measured('/usr/bin/evil', 'evil');
test.each<[string, Hooks, RegExp]>([
  ['no list is given', judgedBy({ ...listedWith(GOOD_LIST), raw: (r) => r }), /no IMA list is given/],
  [
    'the list is not that of the quote',
    judgedBy(listedWith([...GOOD_LIST, evil], {}, packed(listBytes(GOOD_LIST)))),
    /not shown to be the one/,
  ],
  [
    'its entry comes after the quote',
    judgedBy(listedWith(GOOD_LIST.slice(0, 1), {}, packed(listBytes(GOOD_LIST)))),
    /does not name it/,
  ],
  ['the list does not name it', listed(GOOD_LIST.slice(0, 1)), /does not name it/],
  [
    'it had another content',
    listed([GOOD_LIST[0] as Made, measured(NODE, 'node 2')], two),
    /another content under its path$/,
  ],
  [
    'it had another content at another time',
    listed([...GOOD_LIST, measured(NODE, 'node 2')], two),
    /another content under its path too/,
  ],
  [
    'there is a violation, of whatever file the list says',
    listed([...GOOD_LIST, violated('/var/log/syslog')], withIma({ ...GOOD_IMA, violations: 'ignore' })),
    /violations, whose names nothing covers/,
  ],
  ['a program ran that nobody knows', listed([...GOOD_LIST, evil]), /files that no policy knows/],
  [
    'nobody says which programs may run',
    judgedBy(listedWith(GOOD_LIST), {
      ...GOLDEN,
      ignore: { ...GOLDEN.ignore, pcrs: [...new Set([...GOLDEN.ignore.pcrs, 10])] },
    }),
    /no policy of the trust file speaks of IMA/,
  ],
])('not where %s', async (_, hooks, why) => {
  expect(await doubt(hooks)).toMatch(why);
});
