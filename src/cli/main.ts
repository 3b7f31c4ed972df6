#!/usr/bin/env node
/** Entry of `attestctl`: refuses an old Node with a sentence, then runs the command table. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `attestctl: error: attestd needs Node.js 20.19 or newer, this is ${process.version}\n` +
      'attestctl: hint: install a current LTS release: https://nodejs.org/en/download\n',
  );
  process.exit(2);
}

// A closed pipe (`attestctl … | head`) ends the program quietly, as other tools end.
process.stdout.on('error', (e: NodeJS.ErrnoException) => {
  process.exit(e.code === 'EPIPE' ? 0 : 1);
});
// There is nobody left to tell.
process.stderr.on('error', () => undefined);

const [{ createProgram }, { errorHelp }, { ATTESTCTL }, { VERSION }] = await Promise.all([
  import('./program.ts'),
  import('./errorhelp.ts'),
  import('./table.ts'),
  import('./version.ts'),
]);
const [asked, topic = '', ...more] = process.argv.slice(2);
const explained = asked === 'help' && more.length === 0 ? errorHelp(topic) : undefined;
if (explained !== undefined) {
  process.stdout.write(explained);
  process.exit(0);
}
try {
  await createProgram(ATTESTCTL, VERSION).parseAsync();
} catch (end) {
  if (!(end instanceof Error) || !('exitCode' in end)) throw end;
}

export {};
