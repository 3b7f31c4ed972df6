/**
 * What /proc/<pid>/cgroup says (cgroups(7)): the control group path, and the systemd unit that the path names.
 * The kernel keeps this file, the process cannot write it; membership can only be changed with rights over the
 * target group.
 */

/** Path of the process in the unified hierarchy, or in systemd's named one on cgroup v1; undefined where neither is. */
export function cgroupPath(text: string): string | undefined {
  let named: string | undefined;
  for (const line of text.split('\n')) {
    const first = line.indexOf(':');
    const second = line.indexOf(':', first + 1);
    if (first < 0 || second < 0) continue;
    const controllers = line.slice(first + 1, second);
    const path = line.slice(second + 1);
    if (line.startsWith('0:') && controllers === '') {
      if (path !== '/' || named === undefined) return path;
    } else if (controllers === 'name=systemd') named = path;
  }
  return named;
}

const UNIT = /^[A-Za-z0-9:_.@\\-]+\.(?:service|scope)$/;

/**
 * The system unit that a control group path belongs to: the first component below the slices that is a service or
 * a scope, as systemd's own lookup has it. Undefined for a kernel thread, a container without units, or pid 1.
 */
export function systemdUnit(path: string): string | undefined {
  for (const part of path.split('/')) {
    if (part === '' || part.endsWith('.slice')) continue;
    const name = part.startsWith('_') ? part.slice(1) : part;
    return UNIT.test(name) && name.length <= 255 ? name : undefined;
  }
  return undefined;
}
