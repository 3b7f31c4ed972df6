/**
 * The container that a control group path stands for, as the engines name their groups: Docker, Podman, containerd and
 * CRI-O below Kubernetes, systemd-nspawn, LXC. Read off the path and no better than it: who may make groups below a unit
 * (a user below user@UID.service, say) chooses their names, so the whole path is recorded beside it.
 */

/** Who made the container, and the name it goes by. */
export interface Container {
  readonly engine: 'docker' | 'podman' | 'containerd' | 'cri-o' | 'kubernetes' | 'nspawn' | 'lxc';
  /** 64 hexadecimal digits, or the machine's name. */
  readonly id: string;
  /** UID of the Kubernetes pod. */
  readonly pod?: string;
}

type Engine = Container['engine'];
const ID = '([0-9a-f]{64})';
const MACHINE = '([A-Za-z0-9](?:[A-Za-z0-9_.-]|\\\\x2d){0,62})';
/** Forms of one component of a path. The innermost that fits is the container. */
const FORMS: readonly (readonly [RegExp, Engine])[] = [
  [new RegExp(`^docker-${ID}\\.scope$`), 'docker'],
  [new RegExp(`^libpod-${ID}(?:\\.scope)?$`), 'podman'],
  [new RegExp(`^(?:.*:)?cri-containerd[-:]${ID}(?:\\.scope)?$`), 'containerd'],
  [new RegExp(`^crio-${ID}(?:\\.scope)?$`), 'cri-o'],
  [new RegExp(`^systemd-nspawn@${MACHINE}\\.service$`), 'nspawn'],
  [new RegExp(`^machine-${MACHINE}\\.scope$`), 'nspawn'],
  [new RegExp(`^lxc\\.payload\\.${MACHINE}$`), 'lxc'],
];
/** A component that is the id alone, by what stands before it. */
const BARE = new RegExp(`^${ID}$`);
const POD = /pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?/;

/** The innermost container of this path; undefined where it is in none that is known. */
export function containerOf(path: string): Container | undefined {
  const parts = path.split('/');
  const pod = POD.exec(path)?.[1]?.replaceAll('_', '-');
  const inPod = pod === undefined || !path.includes('kubepods') ? {} : { pod };
  for (let i = parts.length - 1; i > 0; i--) {
    const part = parts[i] as string;
    for (const [form, engine] of FORMS) {
      const id = form.exec(part)?.[1];
      if (id !== undefined) return { engine, id: id.replaceAll('\\x2d', '-'), ...inPod };
    }
    const id = BARE.exec(part)?.[1];
    if (id === undefined) continue;
    if (parts[i - 1] === 'docker') return { engine: 'docker', id };
    if ('pod' in inPod) return { engine: 'kubernetes', id, ...inPod };
  }
  return undefined;
}
