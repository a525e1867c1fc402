import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Image } from './build.js';

export interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
}

/** What a pod adds to a container. */
export interface PodParts {
  /** Folders of this machine by the path that they are mounted at, read-only unless it is the data. */
  readonly mounts: ReadonlyMap<string, string>;
  /** Address on the bridge of `PodNetwork`; by default the container has this machine's network. */
  readonly address?: string;
  /** Names of other pods: lines of /etc/hosts. */
  readonly hosts?: string;
  /** Instead of the image's. */
  readonly command?: readonly string[];
}

/**
 * A process in the image: mount, process and other namespaces of its own, the image as a read-only root, no capability,
 * the image's user, one writable folder. The network is this machine's loopback.
 */
export class Container {
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;
  #output = '';
  #over = false;

  constructor(image: Image, volume: string, args: readonly string[], pod: PodParts = { mounts: new Map() }) {
    const { root, settings } = image;
    // What an engine puts there.
    for (const folder of ['proc', 'dev', 'etc']) mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, 'etc/hosts'), `127.0.0.1 localhost\n${pod.hosts ?? ''}`);
    for (const path of pod.mounts.keys()) mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, 'etc/resolv.conf'), '');
    const setUp = [
      `mount --bind "${root}" "${root}"`,
      `mount -o remount,bind,ro,nosuid "${root}"`,
      `mount --bind "${volume}" "${root}/var/lib/quaestor"`,
      `mount -t proc -o nosuid,nodev,noexec proc "${root}/proc"`,
      `mount -t tmpfs -o mode=0755,size=64k tmpfs "${root}/dev"`,
      ...['null', 'zero', 'random', 'urandom'].flatMap((device) => [
        `touch "${root}/dev/${device}"`,
        `mount --bind /dev/${device} "${root}/dev/${device}"`,
      ]),
      ...[...pod.mounts].map(([path, folder]) => `mount --rbind "${folder}" "${root}${path}"`),
      ...(pod.address === undefined ? [] : joinBridge(pod.address)),
      `exec env --ignore-environment "$@"`,
    ];
    const env = Object.entries(settings.env).map(([name, value]) => `${name}=${value}`);
    const inside = [
      'chroot',
      `--userspec=${settings.user}`,
      '--groups=',
      root,
      ...(pod.command ?? settings.entrypoint),
      ...args,
    ];
    this.#process = spawn(
      'unshare',
      [
        ...(pod.address === undefined ? [] : ['--net']),
        ...[
          '--mount',
          '--pid',
          '--ipc',
          '--uts',
          '--fork',
          '--kill-child',
          'sh',
          '-ec',
          setUp.join('\n'),
          'container',
        ],
        // chroot is found by its full path, since the image's PATH is not this machine's.
        ...[...env, 'setpriv', '--no-new-privs'].map((word) =>
          word === 'setpriv' ? '/usr/bin/setpriv' : word,
        ),
        ...inside.map((word) => (word === 'chroot' ? '/usr/sbin/chroot' : word)),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    this.ended = once(this.#process, 'close').then(([exitCode]) => {
      this.#over = true;
      return { exitCode: exitCode as number | null, output: this.#output };
    });
  }

  /** Whether its process has ended. */
  get over(): boolean {
    return this.#over;
  }

  /** A process that is in its namespaces, seen from outside; undefined as long as there are none. */
  get namespacePid(): number | undefined {
    const pid = this.#process.pid ?? 0;
    const differs = readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync('/proc/self/ns/net');
    return differs ? pid : undefined;
  }

  /** Everything that it has written. */
  get output(): string {
    return this.#output;
  }

  /** Its process 1, by the number that it has outside. */
  get pid(): number {
    const { pid } = this.#process;
    return Number(readFileSync(`/proc/${pid ?? 0}/task/${pid ?? 0}/children`, 'utf8').trim());
  }

  /** What the kernel says of process 1, for example "CapEff". */
  status(field: string): string {
    const text = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  }

  /** Sends SIGTERM to process 1, as an engine does, and waits for the end. */
  async stop(): Promise<Ended> {
    process.kill(this.pid, 'SIGTERM');
    return this.ended;
  }

  /** Ends process 1, and with it all of the container, at once. */
  kill(): void {
    if (this.#over) return;
    const { pid } = this;
    // Where there is none yet, the one that would make it.
    if (pid > 0) process.kill(pid, 'SIGKILL');
    else this.#process.kill('SIGKILL');
  }
}

/** Waits for the interface that `PodNetwork.connect` puts into the namespace, and gives it its address. */
function joinBridge(address: string): readonly string[] {
  return [
    'while ! ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done',
    `ip address add ${address}/24 dev eth0`,
    'ip link set lo up',
    'ip link set eth0 up',
  ];
}
