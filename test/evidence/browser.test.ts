/** The log parsers as a browser gets them: one bundle without a Node builtin, run where there is none, same answers. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { type Plugin, rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';
import { answer } from './kit/browserentry.ts';

const VECTORS = fileURLToPath(new URL('../vectors/', import.meta.url));
const ENTRY = fileURLToPath(new URL('./kit/browserentry.ts', import.meta.url));

let code = '';
const builtins: string[] = [];
/** `answer` of the bundle: in goes a kind and bytes in hexadecimal, out comes text. */
let inBrowser: (kind: string, hex: string) => string;

beforeAll(async () => {
  const watch: Plugin = {
    name: 'builtins',
    resolveId(source) {
      if (source.startsWith('node:')) builtins.push(source);
      return null;
    },
  };
  const bundle = await rolldown({ input: ENTRY, platform: 'browser', plugins: [watch], logLevel: 'silent' });
  const { output } = await bundle.generate({ format: 'iife', name: 'logs', codeSplitting: false });
  await bundle.close();
  code = output[0].code;
  const context = createContext({ TextDecoder, TextEncoder });
  runInContext(code, context);
  inBrowser = (kind, hex) =>
    runInContext(`logs.answer(${JSON.stringify(kind)}, ${JSON.stringify(hex)})`, context);
}, 120_000);

const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const files = (['tcg', 'ima'] as const).flatMap((kind) =>
  readdirSync(`${VECTORS}${kind}`)
    .filter((name) => !/\.(?:md|json)$/.test(name))
    .map((name) => [kind, name] as const),
);

describe('the log parsers in a browser', () => {
  it('need nothing of Node', () => {
    expect(builtins).toEqual([]);
    expect(code).not.toMatch(/require\(|\bprocess\.|\bBuffer\./);
    expect(code.length).toBeLessThan(400_000);
  });

  it.each(files)('answer of %s/%s as in Node', (kind, name) => {
    const hex = readFileSync(`${VECTORS}${kind}/${name}`).toString('hex');
    const here = answer(kind, hex);
    expect(digest(inBrowser(kind, hex))).toBe(digest(here));
    expect(here.length).toBeGreaterThan(10);
  });

  it('answer of a systemd log as in Node', () => {
    const sha256 = digest('enter-initrd');
    const record = { pcr: 11, digests: [{ hashAlg: 'sha256', digest: sha256 }], content_type: 'systemd' };
    const log = `\x1e${JSON.stringify({ ...record, content: { string: 'enter-initrd' } })}\n`;
    const hex = Buffer.from(log).toString('hex');
    expect(inBrowser('systemd', hex)).toBe(answer('systemd', hex));
    expect(answer('systemd', hex)).toContain('holds true');
  });
});
