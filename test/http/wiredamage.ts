/** What can be wrong with a request around its body: line, target, headers, framing, and callers that go away half-way. */
import { deflateSync, gzipSync } from 'node:zlib';
import type { Damage, Dice } from './bodydamage.ts';
import { methodsOf } from './document.ts';
import type { Pair, Request, Wishes } from './request.ts';
import { CLIENT, headersOf, shotOf, targetOf, textOf } from './request.ts';

const one = <T>(dice: Dice, of: readonly T[]): T => of[dice(of.length)] as T;
const without = (headers: readonly Pair[], name: string): Pair[] => headers.filter(([n]) => n !== name);
const withHeaders = (r: Request, change: (all: Pair[]) => Pair[], more: Wishes = {}) =>
  shotOf(r, { ...more, headers: change(headersOf(r, more.body ?? textOf(r))) });

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'HEAD', 'PROPFIND', 'LOCK'];
const MEDIA = [
  ...[
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
  ],
  ...[
    'application/jsonp',
    'json',
    '',
    'application/json, text/plain',
    'application/vnd.api+json',
    '*/*',
    ';',
  ],
];
const CHARSETS = ['utf-16', 'iso-8859-1', 'utf-7', '"latin1"'];
const CLIENTS = ['', 'fuzz', 'fuzz/', '/1', 'Mozilla/5.0 (X11)', 'a/b/c', 'é/1', `${'x'.repeat(65)}/1`];
const SPLIT = ['\r\nx: y', '\nx: y', '\0', '\x7f', '\x01'];
const QUERIES = [
  'x=1',
  'wait',
  'wait=',
  'wait=SEALED',
  '__proto__=1',
  'wait=durable&wait=sealed',
  '%ff=1',
  '&&=&',
];
const TARGETS = [
  ...['%00', '%2e%2e%2fstatus', '..', '%zz', '%', '%ff', '%c0%80', 'x'.repeat(300), 'x'.repeat(9000), '*'],
  ...['%F0%9F%98%80', '%0d%0ax:%20y', '\\', ';a=b', '%2f', ''],
];

/** What is not taken for one of the document's own media types. */
const wrongMedia = (r: Request, dice: Dice) => {
  const media = one(dice, MEDIA);
  const line = media === '' ? [] : [['content-type', media] as const];
  return withHeaders(r, (all) => [...without(all, 'content-type'), ...line], { expect: 'refuse' });
};

function chunked(body: Buffer, dice: Dice): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const n = Math.min(body.length - at, 1 + dice(64));
    parts.push(Buffer.from(`${n.toString(16)}\r\n`), body.subarray(at, at + n), Buffer.from('\r\n'));
    at += n;
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
const BAD_CHUNKS = [
  'zz\r\nx\r\n',
  '-1\r\n',
  '5;\r\nab\r\n',
  'ffffffffffffffffff\r\nx',
  '2\r\nabc\r\n0\r\n\r\n',
  '1 \nx',
];

export const WIRE_DAMAGES: Readonly<Record<string, Damage>> = {
  'another method': (r, dice) => {
    const method = one(dice, METHODS);
    const allow = methodsOf(r.operation.path);
    const fits = allow.split(', ').includes(method);
    const line = `${method} ${targetOf(r)} HTTP/1.1`;
    return shotOf(r, fits ? { line, stray: true } : { line, stray: true, expect: 'refuse', allow });
  },
  'a method that is none': (r, dice) =>
    shotOf(r, {
      line: `${one(dice, ['get', 'CONNECT', 'BREW', '', 'POST\t', 'PRI', 'QUERY'])} ${targetOf(r)} HTTP/1.1`,
      expect: 'refuse',
      stray: true,
    }),
  // Nothing comes behind it: these versions end the connection with their answer, or leave it open, as the parser likes.
  'another version': (r, dice) => ({
    ...shotOf(r, {
      line: `${r.method} ${targetOf(r)} ${one(dice, ['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.1 ', ''])}`,
    }),
    end: true,
  }),
  'another media type': (r, dice) => (r.media === undefined ? undefined : wrongMedia(r, dice)),
  'another charset': (r, dice) =>
    r.media === undefined
      ? undefined
      : withHeaders(
          r,
          (all) => [
            ...without(all, 'content-type'),
            ['content-type', `${r.media}; charset=${one(dice, CHARSETS)}`],
          ],
          { expect: 'refuse' },
        ),
  'an encoding that it has not': (r, dice) =>
    r.media === undefined
      ? undefined
      : withHeaders(
          r,
          (all) => [...all, ['content-encoding', one(dice, ['gzip', 'br', 'deflate', 'gzip, gzip', 'x'])]],
          {
            expect: 'refuse',
          },
        ),
  'an encoding that nothing says': (r, dice) =>
    r.media === undefined || textOf(r).length === 0
      ? undefined
      : shotOf(r, { expect: 'refuse', body: dice(2) === 0 ? gzipSync(textOf(r)) : deflateSync(textOf(r)) }),
  gzip: (r) =>
    r.media === undefined
      ? undefined
      : withHeaders(r, (all) => [...all, ['content-encoding', 'gzip']], {
          body: gzipSync(textOf(r)),
          expect: r.operation.id === 'exportTraces' ? 'either' : 'refuse',
        }),
  'another client': (r, dice) =>
    withHeaders(r, (all) => [...without(all, CLIENT[0]), [CLIENT[0], one(dice, CLIENTS)]], {
      expect: 'refuse',
    }),
  'no client': (r) => withHeaders(r, (all) => without(all, CLIENT[0]), { expect: 'refuse' }),
  'two clients': (r) => withHeaders(r, (all) => [...all, CLIENT], { expect: 'refuse' }),
  'a header split in two': (r, dice) =>
    withHeaders(r, (all) => [...all, ['x-trace', `a${one(dice, SPLIT)}`]], {}),
  'many headers': (r, dice) =>
    withHeaders(r, (all) => [
      ...all,
      ...Array.from({ length: 50 + dice(2000) }, (_, i) => [`x-${i}`, 'y'] as const),
    ]),
  'a long header': (r, dice) =>
    withHeaders(r, (all) => [...all, ['x-long', 'y'.repeat(8000 + dice(20_000))]]),
  'an odd Idempotency-Key': (r, dice) =>
    withHeaders(r, (all) => [
      ...all,
      ['idempotency-key', one(dice, ['', ' ', 'a b', 'é', 'x'.repeat(256), 'ok'])],
    ]),
  'two lengths': (r) =>
    r.media === undefined
      ? undefined
      : withHeaders(r, (all) => [...all, ['content-length', '3']], { expect: 'refuse' }),
  'a length and chunks': (r, dice) =>
    r.media === undefined
      ? undefined
      : withHeaders(r, (all) => [...all, ['transfer-encoding', 'chunked']], {
          expect: 'refuse',
          body: chunked(textOf(r), dice),
        }),
  'a length that is none': (r, dice) =>
    r.media === undefined
      ? undefined
      : withHeaders(
          r,
          (all) => [
            ...without(all, 'content-length'),
            ['content-length', one(dice, ['-1', '1e3', '0x10', '+5', '5,5', '99999999999999999999', ' '])],
          ],
          { expect: 'refuse', end: true },
        ),
  'another transfer encoding': (r, dice) =>
    r.media === undefined
      ? undefined
      : withHeaders(
          r,
          (all) => [
            ...without(all, 'content-length'),
            [
              'transfer-encoding',
              one(dice, ['gzip, chunked', 'chunked, gzip', 'identity', 'xchunked', 'chunked\x0b']),
            ],
          ],
          { end: true, body: chunked(textOf(r), dice) },
        ),
  chunks: (r, dice) =>
    r.media === undefined
      ? undefined
      : withHeaders(r, (all) => [...without(all, 'content-length'), ['transfer-encoding', 'chunked']], {
          body: chunked(textOf(r), dice),
        }),
  'bad chunks': (r, dice) =>
    r.media === undefined || r.media.endsWith('ndjson')
      ? undefined
      : withHeaders(r, (all) => [...without(all, 'content-length'), ['transfer-encoding', 'chunked']], {
          body: Buffer.concat([chunked(textOf(r), dice).subarray(0, -5), Buffer.from(one(dice, BAD_CHUNKS))]),
          expect: 'refuse',
          end: true,
        }),
  'an expectation': (r, dice) =>
    withHeaders(r, (all) => [
      ...all,
      ['expect', one(dice, ['100-continue', '200-ok', '', '100-continue, x'])],
    ]),
  'an upgrade': (r, dice) =>
    withHeaders(r, (all) => [
      ...all,
      ['connection', 'upgrade'],
      ['upgrade', one(dice, ['websocket', 'h2c', 'TLS/1.0'])],
    ]),
  'another query': (r, dice) => {
    const line = `${r.method} ${targetOf(r)}${r.query.length === 0 ? '?' : '&'}${one(dice, QUERIES)} HTTP/1.1`;
    return shotOf(r, { line });
  },
  'another path': (r, dice) => {
    const parts = r.path.split('/');
    parts[1 + dice(parts.length - 1)] = one(dice, TARGETS);
    return shotOf(r, { line: `${r.method} ${parts.join('/')} HTTP/1.1`, stray: true });
  },
  'another form of target': (r, dice) =>
    shotOf(r, {
      line: `${r.method} ${one(dice, [`http://evil.example${targetOf(r)}`, '*', `/${targetOf(r)}`, `${targetOf(r)}#x`, `${targetOf(r)}/`, 'x', ' '])} HTTP/1.1`,
      stray: true,
    }),
  'a body that ends half-way': (r, dice) => {
    const body = textOf(r);
    if (r.media === undefined || body.length === 0) return undefined;
    return shotOf(r, {
      expect: 'refuse',
      headers: headersOf(r, body),
      body: body.subarray(0, dice(body.length)),
      end: true,
    });
  },
  'a head that ends half-way': (r, dice) => {
    const whole = shotOf(r, { body: Buffer.alloc(0) });
    return {
      ...whole,
      bytes: whole.bytes.subarray(0, dice(whole.bytes.length)),
      end: true,
      expect: 'refuse',
    };
  },
  'a flipped byte': (r, dice) => {
    const whole = shotOf(r);
    const bytes = Buffer.from(whole.bytes);
    const at = dice(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << dice(8));
    // A length that grew waits for what never comes.
    return { ...whole, bytes, end: true };
  },
};
