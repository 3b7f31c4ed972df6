/**
 * SIGHUP: the configuration and the policies are read again. A file that is not valid changes nothing; of a valid one,
 * what can change while records come in does, and every other key that differs is named, for it waits for a restart.
 */
import { type Config, loadConfig } from './config.ts';

/** Keys that take effect at once: sections whole, or by name. Everything else is read once, at the start. */
export const RELOADED: readonly string[] = [
  'limits.connections',
  'limits.connections_per_caller',
  'limits.in_flight',
  'limits.in_flight_per_caller',
  'limits.bytes',
  'limits.bytes_per_caller',
  'limits.records_per_second',
  'limits.burst',
  'limits.quotes_per_minute',
  'limits.signatures_per_minute',
  'limits.measurements_per_minute',
  'policy.keys',
  'policy.max_window_s',
  'policy.grants_per_second',
  'policy.open_attempts_per_caller',
  'policy.live_grants_per_caller',
  'policy.break_glass',
  'log.level',
];

export interface Reloaded {
  /** Keys that took effect. */
  readonly changed: readonly string[];
  /** Keys that differ and wait for a restart. */
  readonly waiting: readonly string[];
}

type Section = Record<string, unknown>;

/**
 * Brings what may change of `fresh` into `config`, whose sections its readers hold.
 * @param config the one in force; changed in place
 */
export function takeConfig(config: Config, fresh: Config): Reloaded {
  const changed: string[] = [];
  const waiting: string[] = [];
  for (const [name, value] of Object.entries(fresh)) {
    const old = (config as unknown as Section)[name];
    if (typeof value !== 'object') {
      if (value !== old) waiting.push(name);
      continue;
    }
    for (const [key, now] of Object.entries(value as Section)) {
      const at = `${name}.${key}`;
      if (JSON.stringify((old as Section)[key]) === JSON.stringify(now)) continue;
      if (RELOADED.includes(at)) {
        (old as Section)[key] = now;
        changed.push(at);
      } else waiting.push(at);
    }
  }
  return { changed, waiting };
}

/** Reads `file` and takes it. @throws CONFIG_INVALID, and then nothing has changed */
export function reloadConfig(config: Config, file: string): Reloaded {
  return takeConfig(config, loadConfig(file));
}
