/**
 * attestd.toml(5): from the commented file that is installed, whose every key and default a test holds against the
 * schema, and the bounds of the schema itself.
 */
import { ConfigFile } from '../../daemon/config.ts';
import { item, type Page, para, sub } from './roff.ts';

export interface Key {
  readonly section: string;
  readonly name: string;
  /** As it stands in the file: the default, or the example where there is none. */
  readonly shown: string;
  /** The comment in front of it, which may speak for the keys behind it as well. */
  readonly comment: string;
}

/** The keys of a commented TOML file of one line a key, in their order. */
export function keysOf(file: string): Key[] {
  const keys: Key[] = [];
  let section = '';
  let comment: string[] = [];
  let spent = false;
  for (const line of file.split('\n')) {
    const heading = /^(?:# )?\[+([a-z_]+)\]+$/.exec(line);
    const key = /^(?:# )?([a-z][a-z0-9_]*) = (.*)$/.exec(line);
    if (heading !== null) {
      section = heading[1] as string;
    } else if (key !== null) {
      keys.push({ section, name: key[1] as string, shown: key[2] as string, comment: comment.join(' ') });
      spent = true;
    } else if (line.startsWith('# ')) {
      if (spent) comment = [];
      spent = false;
      comment.push(line.slice(2));
    } else if (line === '') comment = [];
  }
  return keys;
}

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly type?: string;
}

/** The bounds that the schema sets to a key, in words; empty where it sets none that help a person. */
export function boundsOf(section: string, name: string): string {
  const top = (ConfigFile as unknown as Shape).properties ?? {};
  const shape = section === '' ? top[name] : top[section]?.properties?.[name];
  if (shape === undefined) return '';
  if (shape.enum !== undefined) return `one of ${shape.enum.join(', ')}`;
  if (shape.minimum !== undefined) return `${shape.minimum} to ${shape.maximum}`;
  return '';
}

function describe(keys: readonly Key[]): string[] {
  const out: string[] = [];
  let section: string | undefined;
  let comment = '';
  for (const k of keys) {
    if (k.section !== section) out.push(sub(k.section === '' ? 'Top level' : `[${k.section}]`));
    if (k.comment !== comment && k.comment !== '') out.push(para(k.comment));
    section = k.section;
    comment = k.comment;
    const bounds = boundsOf(k.section, k.name);
    out.push(item(k.name, bounds === '' ? `= ${k.shown}` : `= ${k.shown} (${bounds})`));
  }
  return out;
}

/** @param file systemd/attestd.toml */
export function configPage(file: string, reloaded: readonly string[]): Page {
  return {
    name: 'attestd.toml',
    section: 5,
    summary: 'configuration of attestd',
    parts: [
      {
        title: 'DESCRIPTION',
        body: [
          para(
            'TOML, read at the start of the daemon. Every key has a default except fleet and host. A key that is not known is an error that names it.',
          ),
          para(
            `SIGHUP (systemctl reload attestd) brings these into force at once: ${reloaded.join(', ')}; the others wait for a restart.`,
          ),
        ],
      },
      { title: 'KEYS', body: describe(keysOf(file)) },
      {
        title: 'FILES',
        body: [item('/etc/attestd/attestd.toml', 'where it is read from unless --config names another')],
      },
    ],
    seeAlso: ['attestd(8)', 'attestctl(1)'],
  };
}
