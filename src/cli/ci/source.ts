/** What git says of the work tree that a step runs in. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Check } from 'typebox/value';
import { AttestdError } from '../../core/errors.ts';
import { Source } from '../../evidence/schema/ci.ts';

const exec = promisify(execFile);

/**
 * The commit that is checked out here; nothing outside of a work tree, or before its first commit.
 * @throws USAGE when git is there and says what is not understood
 */
export async function readSource(environment: NodeJS.ProcessEnv): Promise<Source | undefined> {
  const git = async (...args: string[]) => {
    const env = { ...environment, GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' };
    const options = { env, maxBuffer: 256 << 20 };
    return (await exec('git', ['-c', 'core.fsmonitor=false', ...args], options)).stdout.trim();
  };
  let commit: string;
  try {
    commit = await git('rev-parse', '--verify', 'HEAD^{commit}');
  } catch {
    return undefined;
  }
  // Whatever the repository's own settings would have it pass over.
  const changes = await git('status', '--porcelain', '--untracked-files=normal', '--ignore-submodules=none');
  const remote = await git('remote', 'get-url', 'origin').catch(() => '');
  const repository = publicUrl(remote);
  const source = {
    ...(repository === undefined ? {} : { repository }),
    commit,
    clean: changes === '',
  };
  if (!Check(Source, source)) throw new AttestdError('USAGE', `git names the commit ${commit}`);
  return source;
}

/**
 * A repository's URL without what may be a secret: CI systems put tokens into the remotes that they clone. Of ssh the
 * user stays, for it is part of the address. Nothing where that cannot be told.
 */
export function publicUrl(address: string): string | undefined {
  if (address === '' || address.length > 1024) return undefined;
  // For a remote helper: what stands behind it may be a command with anything in it (gitremote-helpers).
  if (/^[a-z0-9+.-]+::/i.test(address)) return undefined;
  if (!address.includes('://')) return /[\s:@][^/]*@/.test(address) ? undefined : address;
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  // An @ behind the authority is what is left of a password that holds a slash.
  if (url.pathname.includes('@')) return undefined;
  url.password = '';
  if (url.protocol !== 'ssh:' && url.protocol !== 'git+ssh:') url.username = '';
  url.search = '';
  url.hash = '';
  return url.href;
}
