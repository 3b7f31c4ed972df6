/** Options that several commands share. */
import type { Option } from '../command.ts';

export const SOCKET: Option = { flags: '--socket <path>', help: 'socket of the daemon, else ATTESTD_SOCKET' };
export const CONFIG: Option = {
  flags: '--config <file>',
  help: 'configuration of the daemon, else /etc/attestd/attestd.toml',
};
export const OUT: Option = { flags: '-o, --out <file>', help: 'where to write; - is stdout' };
