import { mkdirSync, existsSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where control groups with a memory limit are made: version 1 or 2; undefined where that is not possible. */
function place(): { readonly dir: string; readonly limitFile: string } | undefined {
  const root = '/sys/fs/cgroup';
  if (existsSync(join(root, 'memory')))
    return { dir: join(root, 'memory'), limitFile: 'memory.limit_in_bytes' };
  if (existsSync(join(root, 'cgroup.controllers'))) return { dir: root, limitFile: 'memory.max' };
  return undefined;
}

const { dir, limitFile } = place() ?? { dir: '', limitFile: '' };

/** A control group whose processes may use so many bytes. */
export class MemoryGroup {
  /** A process joins by writing its id to this file. */
  readonly joinFile: string;
  readonly #dir: string;

  /** Whether groups can be made here: root in a container may be without the right to. */
  static possible(): boolean {
    if (dir === '' || process.getuid?.() !== 0) return false;
    try {
      new MemoryGroup(`quaestor-try-${process.pid}`, 1024 ** 3).remove();
      return true;
    } catch {
      return false;
    }
  }

  constructor(name: string, limitBytes: number) {
    this.#dir = join(dir, name);
    this.joinFile = join(this.#dir, 'cgroup.procs');
    mkdirSync(this.#dir, { recursive: true });
    writeFileSync(join(this.#dir, limitFile), String(limitBytes));
  }

  /** When no process is left in it. */
  remove(): void {
    rmdirSync(this.#dir);
  }
}
