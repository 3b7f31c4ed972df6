/**
 * Joins modules into one file each: those of `attestctl` that every start loads and those of `attestctl verify`, because
 * reading two hundred small files would cost several times what the verification does; and the whole of `attestd`, for a
 * second reason: the daemon measures every file that it loads, and a thousand small ones would be a thousand extends of
 * a PCR at each start. Everything else stays as tsc wrote it.
 */
import { rename, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

async function join(entry, external) {
  const bundle = await rolldown({
    input: `${dist}${entry}`,
    platform: 'node',
    external,
    logLevel: 'warn',
    treeshake: true,
  });
  await bundle.write({ file: `${dist}${entry}.joined`, format: 'esm', codeSplitting: false });
  await bundle.close();
  await rm(`${dist}${entry}`);
  await rename(`${dist}${entry}.joined`, `${dist}${entry}`);
}

/** Packages that find files of their own beside their code. They stay outside of `attestd`, and are measured by file. */
const WITH_FILES = [/^lmdb$/, /^@cedar-policy\//];

// Commands are loaded when they run, so they stay outside.
await join('cli/main.js', [/commands\//]);
await join('cli/commands/verify.js', []);
await join('daemon/main.js', WITH_FILES);
await join('observe/main.js', []);
