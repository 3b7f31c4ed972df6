/**
 * Joins the modules of `attestctl` that every start loads, and those of `attestctl verify`, into one file each: reading
 * two hundred small files would cost several times what the verification does. Everything else stays as tsc wrote it.
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

// Commands are loaded when they run, so they stay outside.
await join('cli/main.js', [/commands\//]);
await join('cli/commands/verify.js', []);
