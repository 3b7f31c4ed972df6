/** The file that a command names, and digests of files. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, realpath, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import type { Input } from './command.ts';

/** A command as it was typed, and what will be executed. */
export interface CommandLine {
  readonly name: string;
  readonly args: readonly string[];
  readonly file: string;
  /** What is on record of it before it runs. */
  readonly inputs: {
    readonly argv: string[];
    readonly cwd: string;
    readonly environment: string[];
    readonly executable: { readonly path: string; readonly sha256: string };
  };
}

/** The command that the arguments are. @throws USAGE when there is none of that name */
export async function commandLine(input: Input): Promise<CommandLine> {
  const [name, ...args] = input.args as [string, ...string[]];
  const { environment } = input.io;
  const file = await findExecutable(name, environment.PATH ?? '');
  const path = await realpath(file);
  return {
    name,
    args,
    file,
    inputs: {
      argv: [name, ...args],
      cwd: process.cwd(),
      environment: Object.keys(environment).sort(),
      executable: { path, sha256: await digestFile(path) },
    },
  };
}

/** Finds a command as a shell would. */
async function findExecutable(name: string, path: string): Promise<string> {
  const places = name.includes('/') ? [name] : path.split(delimiter).map((dir) => join(dir || '.', name));
  for (const place of places) {
    try {
      await access(place, constants.X_OK);
      if ((await stat(place)).isFile()) return place;
    } catch {}
  }
  throw new AttestdError('USAGE', `no such command: ${name}`);
}

/** SHA-256 of a file, hexadecimal. @throws the error of the file system */
export async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
