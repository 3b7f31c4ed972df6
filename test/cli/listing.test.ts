/** Reading what was recorded, as people do: list, search, tail, report. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timeOf } from '../../src/cli/listing.ts';
import { CTL } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';

let host: EnrolledHost;
let trust: string;
let file: string;
const EVIL = '</td><script>alert(1)</script>\u009b31m\u202e';

beforeAll(async () => {
  host = await makeEnrolledHost();
  await host.up();
  file = await host.bundle(await host.recorded('true'), 'first.attest.json');
  trust = await host.trust(file);
  const described = JSON.stringify({
    phase: 'completed',
    action: { type: 'note', name: EVIL, target: 'crm:order/17' },
    outcome: { status: 'failed', effect: 'unknown' },
  });
  writeFileSync(host.at('evil.json'), described);
  await host.must(['record', host.at('evil.json')]);
}, 120_000);
afterAll(() => host?.remove());

describe('list and search', () => {
  it('print a table that nobody else can drive the terminal with', async () => {
    const { stdout, status } = await host.ctl(['list']);
    expect(status).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^time +id +kind +uid +how +what$/);
    expect(lines[1]).toMatch(/^20\S+Z {2}\S{26} {2}execution +\d+ {2}failed +note\/.*crm:order\/17$/);
    expect(lines[2]).toMatch(/succeeded +command\.run\/true/);
    expect(lines[3]).toMatch(/attempted +command\.run\/true/);
    expect(stdout).not.toMatch(/[\u009b\u202e]/);
  });

  it('print one document with --json, and say when nothing matches', async () => {
    const { records, schema } = JSON.parse(await host.must(['search', 'crm:order/17', '--json']));
    expect(schema).toBe('attestd.dev/list/v1');
    expect(records).toMatchObject([{ action: `note/${EVIL}`, status: 'failed', decision: 'ungoverned' }]);
    const none = await host.ctl(['search', 'crm:order/18']);
    expect([none.status, none.stdout, none.stderr]).toEqual([0, '', 'attestctl: no record matches\n']);
  });

  it('print what callers chose so that it drives no terminal, in every form', async () => {
    const [{ id }] = JSON.parse(await host.must(['search', 'crm:order/17', '--json'])).records;
    const bundle = await host.bundle(id, 'evil.attest.json');
    const tag = '\u{e0041}';
    for (const words of [
      ['list', '--json'],
      ['tail', '--json'],
      ['show', id],
      ['show', bundle],
      ...['text', 'dot', 'json', 'prov'].map((form) => ['lineage', bundle, '--format', form]),
      ['search', `\u009b31m${tag}`],
    ]) {
      const { stdout, stderr } = await host.ctl(words);
      expect(stdout + stderr).not.toMatch(/[^\n\P{Cc}]|\p{Cf}/u);
      if (words[0] === 'show') expect(stdout).toContain('\\u009b31m\\u202e');
    }
    const { predicate } = JSON.parse(await host.must(['show', bundle]));
    expect(predicate.action.name).toBe(EVIL);
  });

  it.each([
    [['list', '--since', 'soon'], /--since takes/],
    [['list', '--limit', 'all'], /--limit is a number/],
    [['list', '--uid', 'root'], /--uid is a number/],
    [['list', '--kind', 'thing'], /\/kind must/],
  ])('%j is refused', async (args, why) => {
    const { status, stderr } = await host.ctl(args);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(why);
  });

  it('know ages and dates', () => {
    const now = Date.parse('2026-11-21T12:00:00.000Z');
    expect(timeOf('--since', '30m', now)).toBe('2026-11-21T11:30:00.000Z');
    expect(timeOf('--since', '2026-11-20', now)).toBe('2026-11-20T00:00:00.000Z');
    expect(() => timeOf('--since', '2026-13-01', now)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

it('tail shows what is there, then what comes, each once', async () => {
  const child = spawn(process.execPath, [CTL, 'tail', '--follow', '--json', '--action', 'command.run'], {
    env: { ...process.env, ATTESTD_SOCKET: host.socket },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let text = '';
    child.stdout.on('data', (d) => {
      text += d;
    });
    const seen = () =>
      text
        .split('\n')
        .filter((l) => l !== '')
        .map((l) => JSON.parse(l).phase);
    await expect.poll(seen, { timeout: 60_000 }).toEqual(['attempted', 'completed']);
    await host.recorded('true');
    await expect
      .poll(seen, { timeout: 60_000 })
      .toEqual(['attempted', 'completed', 'attempted', 'completed']);
  } finally {
    child.kill();
  }
}, 150_000);

describe('report', () => {
  it('is one page that loads nothing, shows verdicts, and lets no caller write HTML', async () => {
    await host.must(['report', '--trust', trust, '--title', 'Week 48', '-o', host.at('week.html')]);
    const page = readFileSync(host.at('week.html'), 'utf8');
    expect(page).toContain('<title>Week 48</title>');
    expect(page).toMatch(/default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='/);
    expect(page).not.toMatch(/<script|<link|<img|src=|href=/);
    expect(page).toContain('&lt;/td&gt;&lt;script&gt;');
    expect(page).toMatch(/<span class="good">verified<\/span>, level 3, simulated/);
    expect(page).toMatch(/nobody was asked \(ungoverned\)/);
    expect(page).toMatch(/PCR 0<\/td><td><code>[0-9a-f]{64}/);
    expect(page).toMatch(/[3-9] of these records were made in this run/);
  });

  it('is made of evidence files too, without a daemon, and says that nothing was verified', async () => {
    const env = { ATTESTD_SOCKET: '/nowhere' };
    await host.must(['report', file, '-o', host.at('files.html')], { env });
    const page = readFileSync(host.at('files.html'), 'utf8');
    expect(page).toContain('From 1 evidence files.');
    expect(page).toContain('Nothing on it was verified');
  });

  it('shows why a changed file is rejected', async () => {
    const text = readFileSync(file, 'utf8');
    const changed = text.replace(/"pcrs":\{"sha256":\{"0":"../, (m) => `${m.slice(0, -2)}ff`);
    expect(changed).not.toBe(text);
    writeFileSync(host.at('changed.attest.json'), changed);
    await host.must(['report', host.at('changed.attest.json'), '--trust', trust, '-o', host.at('bad.html')]);
    const page = readFileSync(host.at('bad.html'), 'utf8');
    expect(page).toMatch(/<span class="bad">rejected<\/span>/);
    expect(page).toMatch(/<summary>why<\/summary><ul><li>/);
  });
});
