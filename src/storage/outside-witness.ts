import type { WriteWitness } from './high-water.js';

/**
 * What a witness outside of the store knows of it. A store that is behind its witness is an older copy, or a new folder
 * in the place of one that was lost; the witness is left alone until that has been taken note of.
 */
export class OutsideWitness {
  readonly #witness: WriteWitness | undefined;
  #last: number;
  #outdated: boolean;

  /** `sequence`: number of the last write in the store as it was opened. */
  constructor(witness: WriteWitness | undefined, sequence: number) {
    this.#witness = witness;
    this.#last = sequence;
    this.#outdated = witness !== undefined && sequence < witness.found;
  }

  get outdated(): boolean {
    return this.#outdated;
  }

  acknowledged(number: number): void {
    this.#last = number;
    if (!this.#outdated) this.#witness?.note(number);
  }

  /** What follows from being outdated is on disk. */
  accept(): void {
    if (!this.#outdated) return;
    this.#outdated = false;
    // If it fails, the store is taken for outdated once more: that is the safe side.
    this.#witness?.reset(this.#last).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#witness?.close();
  }
}
