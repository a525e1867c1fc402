/** Bytes of a snapshot of a node's hashes; see level-hashes.ts. */
export const snapshotBytes = 7 * 65;

/** Where a snapshot is. */
export interface SnapshotPlace {
  readonly chunk: Uint8Array;
  readonly offset: number;
}

/**
 * Memory for snapshots, which are many, small, and come and go with every block: places are cut from large chunks and
 * used again, since an array for each would cost more than the hashes that it saves.
 */
export class SnapshotArena {
  readonly #placesPerChunk: number;
  readonly #free: SnapshotPlace[] = [];

  constructor(placesPerChunk: number) {
    this.#placesPerChunk = placesPerChunk;
  }

  take(): SnapshotPlace {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const chunk = new Uint8Array(this.#placesPerChunk * snapshotBytes);
    for (let index = this.#placesPerChunk - 1; index > 0; index--) {
      this.#free.push({ chunk, offset: index * snapshotBytes });
    }
    return { chunk, offset: 0 };
  }

  /** Takes a place back; nobody may look at it any more. */
  give(place: SnapshotPlace): void {
    this.#free.push(place);
  }
}
