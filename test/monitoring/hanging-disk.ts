/** A disk under a folder whose writes can be made to hang. Needs Linux, loop devices and the right to mount. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { mkdtempSync, rmSync, truncateSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const run = (command: string, ...args: readonly string[]): void => {
  execFileSync(command, args, { stdio: 'ignore' });
};

const bytes = 128 * 1024 * 1024;

let possible: boolean | undefined;

/** Whether such disks can be made here. */
export function canHang(): boolean {
  possible ??= process.getuid?.() === 0 && process.platform === 'linux' && tryIt();
  return possible;
}

function tryIt(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'quaestor-loop-'));
  try {
    const image = join(dir, 'image');
    writeFileSync(image, '');
    truncateSync(image, 16 * 1024 * 1024);
    mkdirSync(join(dir, 'disk'));
    run('mkfs.ext4', '-q', image);
    run('mount', '-o', 'loop', image, join(dir, 'disk'));
    run('umount', join(dir, 'disk'));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export class HangingDisk {
  readonly #dir: string;
  #frozen = false;

  /** Moves a folder that nobody uses to such a disk. */
  static async under(dir: string): Promise<HangingDisk> {
    const before = `${dir}-before`;
    const image = `${dir}-image`;
    await rename(dir, before);
    await mkdir(dir);
    await writeFile(image, '');
    await truncate(image, bytes);
    run('mkfs.ext4', '-q', image);
    run('mount', '-o', 'loop', image, dir);
    await cp(before, dir, { recursive: true });
    await rm(before, { recursive: true });
    return new HangingDisk(dir);
  }

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Every write waits until `thaw`. */
  freeze(): void {
    run('fsfreeze', '--freeze', this.#dir);
    this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    run('fsfreeze', '--unfreeze', this.#dir);
    this.#frozen = false;
  }

  /** When nobody uses it any more. */
  unmount(): void {
    this.thaw();
    run('umount', this.#dir);
  }
}
