/** `attestctl backup`: a copy of this host's evidence, to keep or to hand to an auditor. The daemon may run. */
import { readConfig } from '../../daemon/config.ts';
import { type Input, on, text } from '../command.ts';
import { DEFAULT_CONFIG } from '../host.ts';
import { makeBackup } from '../keeping/backup.ts';
import { createProgress } from '../progress.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const to = input.args[0] as string;
  const { config, sha256 } = readConfig(text(input, 'config') ?? DEFAULT_CONFIG);
  const progress = createProgress(io, 'entries', text(input, 'progress'));
  try {
    const manifest = await makeBackup(to, {
      state: config.state_dir,
      config: sha256,
      openings: on(input, 'openings'),
      keys: on(input, 'keys'),
      now: Date.now(),
      progress: (entries) => progress.update(entries, entries),
    });
    const { logs, current, openings, keys, made } = manifest;
    if (io.json) {
      const schema = 'attestd.dev/backup-made/v1';
      const files = manifest.files.length;
      io.out(`${JSON.stringify({ schema, backup: to, made, current, logs, openings, keys, files })}\n`);
    } else {
      for (const { origin, size, seal } of logs)
        io.out(`${origin}  ${size} entries, sealed up to ${seal?.size ?? 0}\n`);
      if (keys) io.note('it holds blobs of keys: keep it as closed as the state directory');
      if (openings) io.note('it holds what opens records: whoever reads it reads what they disclose');
    }
    return 0;
  } finally {
    progress.end();
  }
}
