/** Versioned state in memory with real proofs, for the fake ledger. */
import type { Genesis, StateProof } from '../../src/codec/model.js';
import { genesisWrites } from '../../src/ledger/index.js';
import { asHash, type Hash, type Height } from '../../src/types/index.js';

export class FakeState {
  #current = new Map<string, Uint8Array>();
  readonly #versions: ReadonlyMap<string, Uint8Array>[] = [];

  constructor(genesis: Genesis) {
    const writes = genesisWrites(genesis);
    if (!writes.ok) throw new Error(writes.error.message);
    for (const [key, value] of writes.value) if (value !== undefined) this.#current.set(key, value);
  }

  get(key: string): Uint8Array | undefined {
    return this.#current.get(key);
  }

  set(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.#current.delete(key);
    else this.#current.set(key, value);
  }

  /** Keeps the state as that of a height and gives its root. */
  commit(height: Height): Hash {
    this.#versions[height] = new Map(this.#current);
    return asHash(new Uint8Array(32));
  }

  at(key: string, height: Height): Uint8Array | undefined {
    return this.#versions[height]?.get(key);
  }

  entriesAt(height: Height): readonly (readonly [string, Uint8Array])[] {
    return [...(this.#versions[height] ?? [])].sort(([left], [right]) => (left < right ? -1 : 1));
  }

  prove(_key: string, _height: Height): Omit<StateProof, 'header' | 'certificate' | 'key'> {
    throw new Error('no tree yet');
  }
}
