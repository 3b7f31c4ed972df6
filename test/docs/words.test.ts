/**
 * Every page of the documentation names commands, options, error codes, exit statuses, configuration keys and metrics that
 * there are. What a page does with them is tried elsewhere (test/e2e).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { EXIT_STATUS } from '../../src/cli/manual/commands.ts';
import { keysOf } from '../../src/cli/manual/config.ts';
import { ATTESTCTL } from '../../src/cli/table.ts';
import { ERRORS } from '../../src/core/errors.ts';
import { METRICS } from '../../src/daemon/metrics/declared.ts';
import { DENIAL_CODES } from '../../src/evidence/schema/governance.ts';
import { expectKnown } from '../kit/commandline.ts';
import { ROOT } from '../kit/ctl.ts';

const text = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const PAGES = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((f) => f !== '' && !f.startsWith('test/'));

const spans = (page: string) => [...page.matchAll(/(?<!`)`([^`]+)`(?!`)/g)].map((m) => m[1] as string);
const blocks = (page: string) =>
  [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((m) => ({ kind: m[1] as string, body: m[2] as string }));
const keys = (file: string) =>
  keysOf(text(file)).map((k) => (k.section === '' ? k.name : `${k.section}.${k.name}`));
const KEYS = new Set([...keys('systemd/attestd.toml'), ...keys('systemd/attestd-forward.toml')]);
const SECTIONS = new Set([...KEYS].filter((k) => k.includes('.')).map((k) => k.split('.')[0] as string));

/** Words in capitals of others than attestd. */
const FOREIGN =
  /^(?:TPM_|TPM2_|TPM2B_|TPMS_|TPMT_|TPML_|TSS2_|CAP_|SO_|XDG_|NV_|PT_|ATTESTD_(?:SOCKET|TRUST|SPOOL|E_$)|[A-Z]+_[A-Z_]*(?:DIRECTORY|EPOCH|HASH|COLOR))/;

describe.each(PAGES)('%s', (file) => {
  const page = text(file);
  const prose = page.replaceAll(/^```.*?^```$/gms, '');

  it('names commands and options that there are', () => {
    const shown = blocks(page)
      .filter((b) => ['console', 'sh', ''].includes(b.kind))
      .flatMap((b) => b.body.replaceAll(/\\\n\s*/g, ' ').split('\n'))
      .map((l) => /^(?:\$ )?(?:sudo )?attestctl (.*)$/.exec(l)?.[1]);
    const named = spans(prose).map(
      (s) => /^(?:sudo )?attestctl ([a-z].*)$/s.exec(s.replaceAll('\n', ' '))?.[1],
    );
    for (const line of [...shown, ...named]) {
      if (line === undefined || /^help\b/.test(line) || /…/.test(line)) continue;
      const words =
        line
          .split(/ -- | [|>#] ?/)[0]
          ?.trim()
          .split(/\s+/) ?? [];
      // A group by its name is no command line.
      if (words.length === 1 && ATTESTCTL.commands?.some((c) => c.name === words[0])) continue;
      expectKnown(words);
    }
  });

  it('names error codes that there are', () => {
    const known = new Set<string>([...Object.keys(ERRORS), ...DENIAL_CODES]);
    const words = spans(prose).flatMap((s) => s.match(/^\[?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\]?$/g) ?? []);
    const strange = words.map((w) => w.replace(/^\[|\]$/g, '').replace(/^ATTESTD_E_/, ''));
    expect(strange.filter((w) => !known.has(w) && !FOREIGN.test(w))).toEqual([]);
  });

  it('names exit statuses that there are', () => {
    const named = [...prose.matchAll(/\b(?:[Ee]xits?|exit status) (?:with )?(\d+)\b/g)].map((m) =>
      Number(m[1]),
    );
    const known = EXIT_STATUS.map(([n]) => n);
    expect(named.filter((n) => !known.includes(n))).toEqual([]);
  });

  it('names keys of the configuration that there are', () => {
    const named = spans(prose).flatMap((s) => {
      const [, section = '', key = ''] = /^([a-z_]+)\.([a-z_]+)(?: = .*)?$/.exec(s) ?? [];
      return SECTIONS.has(section) && !FILES.test(s) ? [`${section}.${key}`] : [];
    });
    for (const { kind, body } of blocks(page)) {
      if (kind !== 'toml') continue;
      for (const [section, value] of Object.entries(parse(body))) {
        const below = Array.isArray(value) ? value[0] : value;
        named.push(
          ...(typeof below === 'object'
            ? Object.keys(below as object).map((k) => `${section}.${k}`)
            : [section]),
        );
      }
    }
    // A property of the floor's own, where its page speaks of code.
    expect(named.filter((k) => !KEYS.has(k) && !(file === 'src/tpm/README.md' && k === 'tpm.hung'))).toEqual(
      [],
    );
  });

  it('names metrics that there are', () => {
    const named = [...page.matchAll(/\battestd_[a-z][a-z_]*[a-z]\b(?!\.deb)/g)].map((m) => m[0]);
    expect(named.filter((n) => !Object.hasOwn(METRICS, n.replace(/_(?:bucket|sum|count)$/, '')))).toEqual([]);
  });
});

/** Spans that look like a key and are a file. */
const FILES = /\.(?:json|toml|ts|md|pem|vkey|service|socket)$/;

it('the pages are found, and a word that is none would be', () => {
  expect(PAGES).toEqual(
    expect.arrayContaining(['README.md', 'SECURITY.md', 'docs/operators.md', 'src/daemon/README.md']),
  );
  expect(KEYS.size).toBeGreaterThan(50);
  expect(() => expectKnown(['doctor', '--fix'])).toThrow();
  expect(() => expectKnown(['treat'])).toThrow();
});
