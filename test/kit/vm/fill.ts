/** Records inside a virtual machine, as many as it takes, and how that ended. */
import { readFileSync } from 'node:fs';
import type { Booted } from './machine.ts';

export interface Filled {
  /** Records that were acknowledged as durable. */
  readonly recorded: number;
  readonly refused?: { readonly type: string; readonly status: number; readonly detail: string };
  /** Why no answer came. */
  readonly broke?: string;
}

/** What runs it there, with the number of records as argument; after `putFill`. */
export const FILL = '/usr/lib/attestd/node /run/fill.mjs';

export async function putFill(booted: Booted): Promise<void> {
  await booted.write('/run/fill.mjs', readFileSync(new URL('../../vm/fill.mjs', import.meta.url)));
}

/** Records until one is refused or there are `count`, of 60 kB each and then smaller ones. */
export async function fill(booted: Booted, count: number): Promise<Filled> {
  return JSON.parse((await booted.sh(`${FILL} ${count}`)).toString());
}
