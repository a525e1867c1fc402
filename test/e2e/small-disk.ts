/** A small disk in memory under a folder, to be filled up. Needs Linux and the right to mount. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, open, rename, rm, statfs } from 'node:fs/promises';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let mountable: boolean | undefined;

/** Whether disks can be mounted here: root in a container may be without the right to. */
export function canMount(): boolean {
  mountable ??= process.getuid?.() === 0 && process.platform === 'linux' && tryMount();
  return mountable;
}

function tryMount(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'quaestor-mount-'));
  try {
    mount(dir, '1m');
    execFileSync('umount', [dir], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(dir);
  }
}

function mount(dir: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir], { stdio: 'ignore' });
}

export class SmallDisk {
  readonly #dir: string;

  /** Moves a folder that nobody uses to a disk of 48 MiB that is mounted in its place. */
  static async under(dir: string): Promise<SmallDisk> {
    const before = `${dir}-before`;
    await rename(dir, before);
    await mkdir(dir);
    mount(dir, '48m');
    await cp(before, dir, { recursive: true });
    await rm(before, { recursive: true });
    return new SmallDisk(dir);
  }

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Something else fills the disk, all but a little. */
  async fill(): Promise<void> {
    const ballast = await open(join(this.#dir, 'ballast'), 'w');
    const chunk = Buffer.alloc(64 * 1024);
    for (let full = false; !full;) {
      await ballast.write(chunk).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        full = true;
      });
    }
    await ballast.truncate((await ballast.stat()).size - 256 * 1024);
    await ballast.close();
  }

  /** Something else takes all but so many bytes. */
  async fillTo(freeBytes: number): Promise<void> {
    const { bsize, bavail } = await statfs(this.#dir);
    const ballast = await open(join(this.#dir, 'ballast'), 'a');
    const chunk = Buffer.alloc(64 * 1024);
    for (let left = bsize * bavail - freeBytes; left > chunk.length; left -= chunk.length) {
      await ballast.write(chunk);
    }
    await ballast.close();
  }

  async clear(): Promise<void> {
    await rm(join(this.#dir, 'ballast'));
  }

  /** Moves the folder back to where it was, once nobody uses it. */
  async leave(): Promise<void> {
    const kept = await mkdtemp(`${this.#dir}-`);
    await cp(this.#dir, kept, { recursive: true });
    this.unmount();
    await rm(this.#dir, { recursive: true });
    await rename(kept, this.#dir);
  }

  unmount(): void {
    execFileSync('umount', [this.#dir]);
  }
}
