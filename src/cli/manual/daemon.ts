/** attestd(8) and attestd-forward(8): how the daemons are run. */
import { keysOf } from './config.ts';
import { item, type Page, para, shown } from './roff.ts';

const OPTIONS = (file: string): readonly string[] => [
  item('--config FILE', `the configuration; ${file} when absent`),
  item('--check-config', 'read the configuration, say whether it is valid, and end'),
];

export function daemonPage(): Page {
  return {
    name: 'attestd',
    section: 8,
    summary: 'daemon that seals execution records by the TPM',
    parts: [
      {
        title: 'SYNOPSIS',
        body: [para('attestd [--config FILE] [--check-config]'), para('attestd --version')],
      },
      {
        title: 'DESCRIPTION',
        body: [
          para(
            'Records what runs on this host in an append-only Merkle log and has the TPM sign every new state of it together with the PCRs. It listens on two Unix sockets that systemd holds, on no network, and makes neither keys nor a log by itself: attestctl init does, once.',
          ),
          shown(['attestctl init', 'systemctl start attestd', 'attestctl run -- make test']),
        ],
      },
      {
        title: 'OPTIONS',
        body: [...OPTIONS('/etc/attestd/attestd.toml'), item('--version', 'print the version, and end')],
      },
      {
        title: 'UNITS',
        body: [
          item('attestd.socket', '/run/attestd/attestd.sock, 0660, group attestd-clients: who may record'),
          item(
            'attestd-admin.socket',
            '/run/attestd/admin.sock, 0660, group attestd-admin: who reads every record',
          ),
          item('attestd.service', 'the daemon, as user attestd, in an empty network namespace'),
          item(
            'attestd-init.service',
            'attestctl init under the same restrictions; never started by another unit',
          ),
          item(
            'attestd-observe.socket',
            '/run/attestd/observe.sock, 0600, of user attestd: attestd-observe(8)',
          ),
          item('attestd-forward.service', 'attestd-forward(8): the network, and no TPM'),
        ],
      },
      {
        title: 'SIGNALS',
        body: [
          item('SIGTERM, SIGINT', 'last anchor, last seal, end with 0'),
          item(
            'SIGHUP',
            'read configuration and policies again, attestd.toml(5); what is broken leaves in force what is',
          ),
        ],
      },
      {
        title: 'EXIT STATUS',
        body: [
          item('0', 'stopped by a signal'),
          item('2', 'usage, or a configuration that is not valid'),
          item('5', 'log, TPM or sockets: a restart recovers'),
        ],
      },
      {
        title: 'FILES',
        body: [
          item('/etc/attestd/attestd.toml', 'the configuration, attestd.toml(5)'),
          item(
            '/var/lib/attestd',
            'key blobs, log, seals: 0700, of user attestd. attestctl backup copies what is evidence in it.',
          ),
          item(
            '/etc/credstore.encrypted/tpm-owner, tpm-endorsement',
            'authorisations of hierarchies of the TPM whose owner has set one, made by systemd-creds encrypt',
          ),
        ],
      },
    ],
    seeAlso: [
      'attestctl(1)',
      'attestd.toml(5)',
      'attestd-bundle(5)',
      'attestd-forward(8)',
      'attestd-observe(8)',
    ],
  };
}

/** @param file systemd/attestd-forward.toml */
export function forwardPage(file: string): Page {
  return {
    name: 'attestd-forward',
    section: 8,
    summary: 'has timestamp authorities stamp the checkpoints of attestd',
    parts: [
      { title: 'SYNOPSIS', body: [para('attestd-forward [--config FILE] [--check-config]')] },
      {
        title: 'DESCRIPTION',
        body: [
          para(
            'Asks RFC 3161 authorities for tokens over published checkpoints and puts them where attestd(8) finds them. It has the network and no TPM, runs as its own user and sees no record. Without its configuration it does not start.',
          ),
        ],
      },
      { title: 'OPTIONS', body: OPTIONS('/etc/attestd/attestd-forward.toml') },
      {
        title: 'KEYS OF THE CONFIGURATION',
        body: keysOf(file).map((k) =>
          item(k.section === '' ? k.name : `${k.section}.${k.name}`, `= ${k.shown}. ${k.comment}`),
        ),
      },
    ],
    seeAlso: ['attestd(8)', 'attestd.toml(5)'],
  };
}

export function observePage(): Page {
  return {
    name: 'attestd-observe',
    section: 8,
    summary: 'what only root may read, for attestd',
    parts: [
      { title: 'SYNOPSIS', body: [para('attestd-observe --user NAME')] },
      {
        title: 'DESCRIPTION',
        body: [
          para(
            'Tells attestd(8), and nobody else, what the kernel shows to root only: executables of callers, the logs of firmware and IMA, reports of confidential machines. It has no TPM and no network, and of the powers of root CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH. Without it attestd(8) records without these, and says so.',
          ),
        ],
      },
      {
        title: 'OPTIONS',
        body: [
          item('--user NAME', 'the one user whose connections are answered'),
          item('--socket PATH', 'where to listen, where systemd hands nothing over'),
          item(
            '--firmware FILE, --ima FILE, --systemd FILE',
            'logs at other places than the kernel and systemd have them',
          ),
          item('--tsm DIRECTORY', 'where reports of confidential machines are asked for'),
        ],
      },
      {
        title: 'FILES',
        body: [item('/run/attestd/observe.sock', 'its socket, held by attestd-observe.socket')],
      },
    ],
    seeAlso: ['attestd(8)', 'attestctl(1)'],
  };
}
