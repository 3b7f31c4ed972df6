/** Where the demonstration of `attestctl init --demo` lies. The unit attestd-demo-tpm.service says the same. */
export const DEMO = {
  /** Of user attestd: state of the software TPM, and the CA that certifies its endorsement key. */
  dir: '/var/lib/attestd-demo',
  tpmState: '/var/lib/attestd-demo/tpm',
  vendor: '/var/lib/attestd-demo/vendor',
  /** Of root: the marked authority, and the four files of the enrolment. */
  authority: '/var/lib/attestd-demo/authority',
  files: '/var/lib/attestd-demo/enrolment',
  socket: '/run/attestd-demo/tpm',
  firmwareLog: '/usr/share/attestd/demo-firmware.bin',
  config: '/etc/attestd/attestd.toml',
  trust: '/etc/attestd/demo-trust.json',
  unit: 'attestd-demo-tpm.service',
} as const;
