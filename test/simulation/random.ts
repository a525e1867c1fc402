import { Prng } from '../helpers/prng.js';

/** The one source of chance in a simulation. */
export class Random extends Prng {
  /** A number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + (this.uint32() / 2 ** 32) * (high - low);
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** Some of the items: at least `least`, in their order. */
  some<T>(items: readonly T[], least = 0): readonly T[] {
    const chosen = items.filter(() => this.chance(0.5));
    return chosen.length >= least ? chosen : items.slice(0, least);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}
