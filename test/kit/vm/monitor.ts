/** QEMU's own socket (QEMU Machine Protocol): what no one inside can do to a virtual machine. */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** Runs one command. @returns what it returns @throws Error with QEMU's own words */
export async function monitor(
  path: string,
  command: string,
  args: object = {},
): Promise<Record<string, unknown>> {
  const socket = connect(path);
  const failed = new Promise<never>((_, reject) => socket.once('error', reject));
  try {
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    const answer = async (): Promise<Record<string, unknown>> => {
      for (;;) {
        const { value, done } = await Promise.race([lines.next(), failed]);
        if (done === true) throw new Error(`${command}: QEMU went away`);
        const said = JSON.parse(value as string);
        if (said.error !== undefined) throw new Error(`${command}: ${said.error.desc}`);
        if (said.return !== undefined) return said.return;
      }
    };
    socket.write('{"execute":"qmp_capabilities"}\n');
    await answer();
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return await answer();
  } finally {
    socket.destroy();
  }
}
