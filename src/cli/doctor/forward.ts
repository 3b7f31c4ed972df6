/** attestd-forward: its file, and whether its authorities and witnesses can be reached from here. Only a connection is made. */
import { existsSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { isAttestdError } from '../../core/errors.ts';
import { type ForwardConfig, loadForwardConfig } from '../../forward/config.ts';
import { CannotTell, type Check, type Finding, ok, said, unknown, wrong } from './check.ts';
import type { Patient } from './patient.ts';

const PATIENCE_MS = 5000;
/** Where systemd puts the credentials of the unit while it runs. */
const CREDENTIALS = '/run/credentials/attestd-forward.service';

/** undefined where it is not configured. @throws CannotTell where a secret is not at hand, CONFIG_INVALID */
function configOf({ around }: Patient): ForwardConfig | undefined {
  if (!existsSync(around.forwardFile)) return undefined;
  try {
    return loadForwardConfig(around.forwardFile, CREDENTIALS);
  } catch (e) {
    const why = said(e);
    if (/^the credential /.test(why) || /EACCES/.test(why))
      throw new CannotTell(
        `It cannot be read here: ${why}.`,
        'systemctl start attestd-forward, then sudo attestctl doctor',
      );
    throw e;
  }
}

const configured: Check = {
  id: 'forward-config',
  title: 'configuration of attestd-forward',
  run(p) {
    try {
      const found = configOf(p);
      if (found === undefined) return ok('Neither timestamps nor witnesses are configured.');
      return ok(`${found.tsa.length} timestamp authorities, ${found.witnesses.length} witnesses.`);
    } catch (e) {
      if (!isAttestdError(e)) throw e;
      return wrong(
        `It cannot be used: ${said(e)}.`,
        `mend ${p.around.forwardFile}, then attestd-forward --check-config`,
      );
    }
  },
};

/** Makes a connection, with TLS where the address says so, and ends it. @throws why it could not be made */
function reach(address: string): Promise<void> {
  const url = new URL(address);
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (isTls ? 443 : 80);
  return new Promise((resolve, reject) => {
    const socket: Socket = isTls
      ? connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? '' : host }, () => done())
      : connectPlain({ host, port }, () => done());
    const done = (e?: Error) => {
      clearTimeout(timer);
      socket.destroy();
      if (e === undefined) resolve();
      else reject(e);
    };
    const timer = setTimeout(() => done(new Error(`no connection within ${PATIENCE_MS} ms`)), PATIENCE_MS);
    socket.on('error', done);
  });
}

async function judge(
  p: Patient,
  what: string,
  listOf: (c: ForwardConfig) => readonly { name: string; url: string }[],
): Promise<Finding> {
  let config: ForwardConfig | undefined;
  try {
    config = configOf(p);
  } catch (e) {
    if (e instanceof CannotTell) throw e;
    return unknown('The configuration cannot be used: see forward-config.');
  }
  const list = config === undefined ? [] : listOf(config);
  if (list.length === 0) return ok(`No ${what} is configured.`);
  const answers = await Promise.all(
    list.map(async ({ name, url }) =>
      reach(url).then(
        () => undefined,
        (e: unknown) => `${name} (${url}): ${said(e)}`,
      ),
    ),
  );
  const lost = answers.filter((a) => a !== undefined);
  if (lost.length > 0)
    return wrong(
      `Not reached: ${lost.join('; ')}.`,
      'see that name, proxy and firewall let this host connect, and the url in attestd-forward.toml',
    );
  return ok(`Reached: ${list.map((t) => t.name).join(', ')}.`);
}

const timestamps: Check = {
  id: 'timestamps',
  title: 'timestamp authorities',
  run: (p) => judge(p, 'timestamp authority', (c) => c.tsa),
};
const witnesses: Check = {
  id: 'witnesses',
  title: 'witnesses',
  run: (p) => judge(p, 'witness', (c) => c.witnesses),
};

export const FORWARD_CHECKS: readonly Check[] = [configured, timestamps, witnesses];
