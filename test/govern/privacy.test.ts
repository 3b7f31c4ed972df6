/** Redact, forget, lineage: what stays provable when nothing is open any more, and that nothing is left on the disk. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import type { DaemonProcess } from '../kit/host.ts';

let host: EnrolledHost;
let daemon: DaemonProcess;
beforeAll(async () => {
  host = await makeEnrolledHost({ log: ['level = "debug"'] });
  daemon = await host.up();
}, 240_000);
afterAll(() => host?.remove());

/** Every file below a directory. One that the daemon renamed meanwhile is there under its new name. */
const files = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((f) => join(dir, f))
    .filter((f) => statSync(f, { throwIfNoEntry: false })?.isFile() === true);
/** Nothing of one that went between the list and this: what it was renamed to is on the list. */
function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
    return Buffer.of();
  }
}
/** Files that hold a text, plain or in the base64url of a disclosure at any of its three alignments. */
function holding(dir: string, text: string): string[] {
  const spellings = [Buffer.from(text)];
  for (let shift = 0; shift < 3; shift++) {
    const coded = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]).toString('base64url');
    spellings.push(Buffer.from(coded.slice(shift === 0 ? 0 : shift + 1, -4)));
  }
  return files(dir).filter((f) => {
    const bytes = bytesOf(f);
    return spellings.some((s) => bytes.includes(s));
  });
}
const record = async (value: string, parents: readonly string[] = []) => {
  const request = {
    phase: 'completed',
    action: { type: 'tool.call', name: 'mail.send' },
    inputs: { body: value },
    parents: parents.map((digest) => ({ rel: 'derivedFrom', digest })),
  };
  return JSON.parse(await host.must(['record', '-', '--json'], { stdin: JSON.stringify(request) })) as {
    id: string;
    digest: string;
  };
};

describe('forget', () => {
  it('leaves no plaintext of what a record withheld in any file of the host, and its evidence valid', async () => {
    const secret = 'the-patient-is-called-Erika-Mustermann-0815';
    const { id, digest } = await record(secret);
    const state = join(host.dir, 'state');
    expect(holding(state, secret).length).toBeGreaterThan(0);
    const before = await host.bundle(id, 'before.attest.json');
    const trust = await host.trust(before);
    const refused = await host.ctl(['forget', id]);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('not confirmed')]);
    const tombstone = JSON.parse(await host.must(['forget', id, '--yes', '--reason', 'asked for', '--json']));
    expect(holding(state, secret)).toEqual([]);
    const shown = await host.shown(tombstone.id);
    expect(shown.statement.predicate).toMatchObject({ record: digest, reason: 'asked for' });
    expect((await host.shown(id)).values).toEqual({});
    const after = await host.bundle(id, 'after.attest.json');
    expect((await host.ctl(['verify', after, '--trust', trust])).status).toBe(0);
    // What was taken out before stays as it is: forgetting is the host's.
    expect((await host.ctl(['verify', before, '--trust', trust])).status).toBe(0);
  }, 120_000);
});

describe('after forget', () => {
  it('nothing that any record, grant or refusal withheld is in state, runtime, log or journal', async () => {
    const word = (of: string) => `plain-${of}-${'Zaphod-4711'.repeat(3)}`;
    const values = (of: string) => ({ value: word(of), deep: { list: [word(of), 1] } });
    const client = connect({ socket: host.socket, client: 'privacy/1' });
    const action = { type: 'tool.call', name: 'mail.send' };
    const ids: string[] = [];
    const outcome = { status: 'succeeded', effect: 'confirmed' } as const;
    const all = { inputs: values('input'), parameters: values('parameter'), outputs: values('output') };
    // Of an artefact the name is in the record, and the digest is what is withheld.
    const artefact = randomBytes(32).toString('hex');
    const artefacts = [{ name: 'report.pdf', sha256: artefact }];
    const done = { phase: 'completed', action, outcome } as const;
    // Many of them, so that the index writes its pages more than once and leaves some free.
    for (let i = 0; i < 30; i++) {
      const { id } = await client.record(
        { ...done, ...all, artefacts },
        { wait: 'durable', idempotencyKey: `k${i}` },
      );
      ids.push(id);
    }
    // No policy is in force, so this is refused, and the refusal withholds the same.
    const asked = { scope: [{ type: 'tool.call', name: 'x' }], maxUses: 1, seconds: 60 };
    const fault = await client.grant({ ...asked, parameters: values('asked') }, { wait: 'durable' }).then(
      () => undefined,
      (e: unknown) => e as { facts: { denial: { id: string } } },
    );
    ids.push(fault?.facts.denial.id as string);
    // What fits no schema, or is no JSON, is repeated in no journal.
    const bad = [
      { ...done, inputs: values('bad'), extra: word('bad') },
      { ...done, phase: word('bad') },
    ];
    for (const request of bad) await client.record(request as never).catch(() => undefined);
    await host.ctl(['record', '-'], { stdin: `{"phase": "${word('bad')}` });
    client.close();
    const where = [...['input', 'parameter', 'output', 'asked'].map(word), artefact];
    for (const w of where) expect(holding(join(host.dir, 'state'), w).length, w).toBeGreaterThan(0);

    const admin = connect({ socket: host.config.admin_socket.path, client: 'privacy/1' });
    for (const id of ids) await admin.forget(id);
    admin.close();
    const left = () =>
      [...where, word('bad')].flatMap((w) => holding(host.dir, w).map((f) => `${f} has ${w}`));
    expect(left()).toEqual([]);
    await daemon.stop();
    expect(left()).toEqual([]);
    for (const w of [...where, word('bad')]) expect(daemon.output()).not.toContain(w.slice(0, 30));
    expect(daemon.output()).toContain('stopped');
    // No core, here or where the kernel would put one.
    expect(files(host.dir).filter((f) => /(^|\/)core(\.\d+)?$/.test(f))).toEqual([]);
    daemon = await host.up();
    expect(left()).toEqual([]);
  }, 180_000);
});

describe('redact', () => {
  it('gives a bundle that opens nothing and verifies all the same', async () => {
    const { id } = await record('quite private');
    const file = await host.bundle(id);
    const trust = await host.trust(file);
    await host.must(['redact', file, '-o', host.at('public.attest.json')]);
    await host.must(['redact', file, '--keep', 'body', '-o', host.at('kept.attest.json')]);
    const open = (name: string) => JSON.parse(readFileSync(host.at(name), 'utf8')).disclosures.length;
    expect([open('public.attest.json'), open('kept.attest.json')]).toEqual([0, 1]);
    expect((await host.ctl(['verify', host.at('public.attest.json'), '--trust', trust])).status).toBe(0);
  }, 120_000);
});

describe('lineage', () => {
  it('is drawn from parent to parent, and packed whole where that is asked for', async () => {
    const first = await record('one');
    const second = await record('two', [first.digest]);
    const third = await record('three', [second.digest]);
    const text = await host.must(['lineage', third.id]);
    const lines = text.trimEnd().split('\n');
    expect(lines).toEqual([
      `execution ${third.id} completed tool.call mail.send`,
      `  derivedFrom: execution ${second.id} completed tool.call mail.send`,
      `    derivedFrom: execution ${first.id} completed tool.call mail.send`,
    ]);
    expect(await host.must(['lineage', third.id, '--format', 'dot'])).toMatch(
      /^digraph lineage \{\n[\s\S]*derivedFrom/,
    );
    const prov = JSON.parse(await host.must(['lineage', third.id, '--format', 'prov']));
    expect(Object.keys(prov.activity)).toHaveLength(3);
    expect(Object.values(prov.wasInformedBy)).toContainEqual({
      'prov:informed': `attestd:${third.digest}`,
      'prov:informant': `attestd:${second.digest}`,
      'attestd:rel': 'derivedFrom',
    });
    await host.must(['bundle', third.id, '--with-lineage', '-o', host.at('closure.attest.json')]);
    expect(JSON.parse(readFileSync(host.at('closure.attest.json'), 'utf8')).related).toHaveLength(2);
    expect(await host.must(['lineage', host.at('closure.attest.json')])).toBe(text);
    const trust = await host.trust(host.at('closure.attest.json'));
    expect((await host.ctl(['verify', host.at('closure.attest.json'), '--trust', trust])).status).toBe(0);
  }, 120_000);
});
