/** What was decided, as people look for it: by grant and by decision over the socket, and on the page of a report. */
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, type Host, makeHost } from '../daemon/kit.ts';
import { ctl } from '../kit/ctl.ts';
import { may } from '../kit/privilege.ts';
import { ACT, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';
import { asUid, OTHER } from './other.ts';

let policies: PolicyFolder;
let host: Host;
beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost({
    socket: { mode: '0666' },
    policy: { directory: policies.directory, keys: [policies.publicKey] },
  });
  chmodSync(host.dir, 0o755);
  await host.init();
  await (await host.start()).started;
}, 300_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

it.runIf(may('root'))(
  'grants, uses, refusals and approvals are found and shown',
  async () => {
    const { path } = host.config.socket;
    const D = '?wait=durable';
    const scope = [{ type: 'tool.call', name: 'danger.delete', target: 'crm:order/17' }];
    const denied = await post(path, `/v1/grants${D}`, request({ scope }));
    const denial: string = denied.json.denial.id;
    const approval = await asUid(OTHER, path, `/v1/approvals${D}`, { request: denial, seconds: 60 });
    expect(approval.status, approval.text).toBe(201);
    const given = await post(path, `/v1/grants${D}`, request({ scope, approvals: [approval.json.id] }));
    expect(given.status, given.text).toBe(201);
    const grant: string = given.json.id;
    const action = { ...ACT.action, name: 'danger.delete' };
    const use = () => post(path, `/v1/executions${D}`, { grant, action });
    const begun = await use();
    const spent = await use();
    const outcome = { status: 'succeeded', effect: 'confirmed' };
    const ended = await post(path, `/v1/executions/${begun.json.id}/complete`, { outcome });
    expect(ended.status, ended.text).toBe(201);

    type Row = { id: string; kind: string; decision?: string; reason?: string; grant?: string };
    const rows = async (query: string): Promise<Row[]> =>
      (await ask(path, `/v1/records?${query}`)).json.records;
    const ids = async (query: string) => (await rows(query)).map((r) => r.id);
    expect(await ids(`grant=${grant}`)).toEqual([ended.json.id, spent.json.denial.id, begun.json.id, grant]);
    expect(await ids(`grant=${grant}&kind=execution`)).toEqual([ended.json.id, begun.json.id]);
    expect(await rows('decision=denied')).toMatchObject([
      { id: spent.json.denial.id, kind: 'denial', decision: 'denied', reason: 'SCOPE_EXCEEDED', grant },
      { id: denial, kind: 'denial', decision: 'denied', reason: 'POLICY_DENY' },
    ]);
    expect(await ids(`grant=${grant}&decision=denied`)).toEqual([spent.json.denial.id]);
    expect(await ids('decision=permitted')).toEqual([ended.json.id, begun.json.id, grant]);
    expect(await ids(`grant=${'0'.repeat(26)}`)).toEqual([]);

    const page = join(host.dir, 'report.html');
    const made = await ctl(['report', '--socket', host.config.admin_socket.path, '-o', page]);
    expect(made.status, made.stderr).toBe(0);
    const html = readFileSync(page, 'utf8');
    const part = (from: string, to: string) =>
      html.slice(html.indexOf(`<h2>${from}`), html.indexOf(`<h2>${to}`));
    const ran = part('What ran', 'What was refused');
    expect(ran).toContain(`<td>grant <code>${grant}</code></td><td>succeeded</td>`);
    expect(ran).toContain(`<code>${ended.json.id}</code>`);
    const refused = part('What was refused', 'Who allowed it');
    for (const [why, id] of [
      ['SCOPE_EXCEEDED', spent.json.denial.id],
      ['POLICY_DENY', denial],
    ])
      expect(refused).toContain(`<span class="bad">${why}</span></td><td><code>${id}</code>`);
    const allowed = part('Who allowed it', 'What else');
    expect(allowed).toContain(`<td>grant</td><td><code>${grant}</code>`);
    expect(allowed).toMatch(
      new RegExp(`<td>uid ${OTHER}<br>[^\n]*<td>approval</td><td><code>${approval.json.id}`),
    );
    expect(allowed).toContain('<td>policychange</td>');
    expect(html).toContain('<b class="bad">2</b>refusals');
  },
  300_000,
);
