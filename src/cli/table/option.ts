/** Options that several commands share. */
import type { Option } from '../command.ts';

export const SOCKET: Option = { flags: '--socket <path>', help: 'socket of the daemon, else ATTESTD_SOCKET' };
export const CONFIG: Option = {
  flags: '--config <file>',
  help: 'configuration of the daemon, else /etc/attestd/attestd.toml',
};
export const OUT: Option = { flags: '-o, --out <file>', help: 'where to write; - is stdout' };
/** A token of somebody else's that says who the caller is; the record gets its digest and some claims. */
export const TOKEN: readonly Option[] = [
  { flags: '--token <file>', help: 'OIDC or SPIFFE JWT; its digest and claims enter the record, as claimed' },
  { flags: '--claim <name...>', help: 'which claims of it; iss and sub when absent' },
];
