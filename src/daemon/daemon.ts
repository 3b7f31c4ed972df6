/**
 * The daemon put together: sockets first, so that callers wait or are told why they cannot be served; then log and
 * TPM. Everything that reads a clock, random bytes or the environment gets it from here.
 */
import { AttestdError } from '../core/errors.ts';
import { createAccounts } from '../measure/account.ts';
import { createExecutableReader } from '../measure/executable.ts';
import { createObserver } from '../measure/observer/observer.ts';
import type { Addon } from '../native/addon.ts';
import { type AppInput, createApp } from './app.ts';
import { createCallers } from './caller.ts';
import { createCertificates } from './certificate.ts';
import type { Config } from './config.ts';
import { createCosigs } from './cosigs.ts';
import { createCrumbs } from './crumbs.ts';
import { createCutLines } from './cutlines.ts';
import { createBodyReader } from './deadline.ts';
import { addExporting } from './exporting.ts';
import { createGate, type Gate } from './gate.ts';
import { openLateJournal } from './govern/late.ts';
import { addGoverned } from './govern/routes.ts';
import { addImporting } from './importing.ts';
import type { Journal } from './journal.ts';
import { addKeyRoutes } from './keyroutes.ts';
import { createLane } from './lane.ts';
import { layoutOf } from './layout.ts';
import { createLimits } from './limits.ts';
import { addListing } from './listing.ts';
import { addMeasuring } from './measured/routes.ts';
import type { Software } from './measured/software.ts';
import { createExposition } from './metrics/exposition.ts';
import { addMetrics } from './metrics/route.ts';
import { type Cut, createTally, raise } from './metrics/tally.ts';
import { keepTextfile } from './metrics/textfile.ts';
import { addOtlp } from './otlp.ts';
import { addPosting } from './posting.ts';
import { addReading } from './reading.ts';
import { addRetention } from './retaining/routes.ts';
import { type Listen, type SocketServer, startServer } from './server.ts';
import { createService, type Service } from './service.ts';
import { sketchIdly } from './sketching.ts';
import { createStamps } from './stamps.ts';
import { addStatus, type Health, healthOf, type StatusInput, sentenceOf } from './status.ts';

export interface DaemonInput {
  readonly config: Config;
  /** What the daemon runs from, which it measures at each start; absent: it does not, and evidence says so. */
  readonly software?: Software;
  readonly native: Addon;
  readonly journal: Journal;
  /** Descriptors from systemd; the configured paths where there are none. */
  readonly sockets: { readonly client?: number; readonly admin?: number };
  readonly wall: () => number;
  readonly random: (n: number) => Uint8Array;
  /** Only a restart of the process helps. */
  readonly onFatal: (e: AttestdError) => void;
}

export interface Daemon {
  readonly gate: Gate;
  readonly service: Service;
  /** Resolves when the first start has come to an end, whichever. */
  readonly started: Promise<void>;
  health(): Health;
  /** One sentence for people. */
  sentence(): string;
  /** Lets requests under way end, writes the final anchor and seal, closes everything. */
  stop(): Promise<void>;
}

/** How long a request waits while the daemon starts for the first time. */
const PATIENCE_MS = 3000;
/** How long requests under way may take once a stop has begun. */
const GRACE_MS = 2000;

/** Opens the sockets and starts. @throws when a socket cannot be opened */
export async function startDaemon(input: DaemonInput): Promise<Daemon> {
  const { config, native, journal, wall } = input;
  const layout = layoutOf(config.state_dir);
  const gate = createGate(PATIENCE_MS);
  const late = openLateJournal(
    layout.late,
    (error) => journal.error('a decision could not be kept', { error }),
    (bytes) => journal.warn('the last late decision was cut off and is dropped', { bytes }),
  );
  const observer =
    config.observer.socket === ''
      ? undefined
      : createObserver(config.observer.socket, (error) =>
          journal.warn('attestd-observe does not answer; what only root may read is recorded as unreadable', {
            error,
          }),
        );
  const tally = createTally();
  const service = createService({ ...input, layout, gate, late, observer, tally });
  const limits = createLimits(config.limits, () => performance.now());
  const tellCut = createCutLines(journal);
  const onCut = (why: Cut): void => {
    tally.cuts[why]++;
    tellCut(why);
  };
  const crumbs = createCrumbs(limits, () => onCut('crumbs'));
  const bodies = createBodyReader(config.limits.body_bytes, config.limits.request_ms, crumbs);
  const accounts = config.observer.names ? createAccounts({ now: () => performance.now() }) : undefined;
  const callers = createCallers(native, { executables: createExecutableReader(), observer, accounts });
  const certificates = createCertificates(layout);
  const servers: SocketServer[] = [];
  const status: StatusInput = {
    gate,
    limits,
    certificates,
    store: () => service.store,
    tpm: () => service.tpm,
    refusals: tally.refusals,
    assurance: config.tpm.assurance,
    maxUnsealedMs: config.policy.max_unsealed_ms,
  };

  const http: AppInput = {
    callers,
    limits,
    bodies,
    onRefusal: (code) => raise(tally.refusals, code),
    onFault: (error, request) => journal.error('a request could not be served', { error, request }),
  };
  const app = createApp(http);
  addPosting(app, { gate, limits, crumbs, settings: config.limits });
  addOtlp(app, { gate, limits, bodies });
  addGoverned(app, { gate, late, now: wall });
  const store = () => {
    if (service.store === undefined) throw new AttestdError('STORAGE_UNAVAILABLE', 'the log is not open');
    return service.store;
  };
  const stamps = createStamps({ kept: layout.timestamps, drop: config.timestamps.drop_dir });
  addListing(app, { gate, store });
  const cosigs = createCosigs({ kept: layout.timestamps, drop: config.timestamps.drop_dir });
  addReading(app, { gate, limits, certificates, stamps, cosigs, store });
  addRetention(app, { gate, cosigs, store });
  addExporting(app, { gate, limits, store });
  addImporting(app, { gate, store, random: input.random });
  addMeasuring(app, { gate, limits, settings: config.measure });
  addKeyRoutes(app, {
    gate,
    limits,
    tpm() {
      if (service.tpm === undefined) throw new AttestdError('TPM_UNAVAILABLE', 'the TPM is not open');
      return service.tpm;
    },
  });
  addStatus(app, status, wall);
  const exposition = createExposition({
    status,
    tally,
    layout,
    connections: () => servers.reduce((n, s) => n + s.connections, 0),
    witnessed: async () => (service.store === undefined ? undefined : cosigs.newest(service.store)),
    wall,
  });
  addMetrics(app, exposition);
  await app.ready();

  const listen = (fd: number | undefined, s: Config['socket']): Listen => (fd === undefined ? s : { fd });
  const shared = {
    handler: createLane({ ...http, ordinary: app.routing, gate }),
    callers,
    limits,
    crumbs,
    settings: config.limits,
    onCut,
  };
  servers.push(
    await startServer({ ...shared, admin: false, listen: listen(input.sockets.client, config.socket) }),
    await startServer({ ...shared, admin: true, listen: listen(input.sockets.admin, config.admin_socket) }),
  );
  const started = service.start();
  const sketching = sketchIdly(() => service.store);
  const textfile = keepTextfile(config.metrics, exposition, journal);

  return {
    gate,
    service,
    started,
    health: () => healthOf(status, wall()),
    sentence: () => sentenceOf(status, wall()),
    async stop() {
      sketching();
      await Promise.all(servers.map((s) => s.close(GRACE_MS)));
      await service.stop();
      await textfile.stop();
      bodies.close();
      callers.close();
      await app.close();
    },
  };
}
