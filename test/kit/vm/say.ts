/** A line of progress with the seconds since the start: a virtual machine is slow, and silence looks like a fault. */
export function say(text: string): void {
  process.stderr.write(`     vm: ${text} (${Math.round(performance.now() / 1000)}s)\n`);
}
