/** Versioned state in memory with real proofs, for the fake ledger. */
import type { Genesis, StateProof } from '../../src/codec/model.js';
import { StateTree, type NodeReader } from '../../src/crypto/index.js';
import { genesisWrites } from '../../src/ledger/index.js';
import { asStateKey, toHex, type Hash, type Height, type StateKey } from '../../src/types/index.js';

export class FakeState {
  #current = new Map<string, Uint8Array>();
  #writes = new Map<StateKey, Uint8Array | undefined>();
  readonly #versions: ReadonlyMap<string, Uint8Array>[] = [];
  readonly #tree = new StateTree({ maxBytes: 1024 * 1024 });
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #reader: NodeReader = {
    readNodes: (keys) => Promise.resolve(keys.map((key) => this.#nodes.get(toHex(key)))),
  };

  constructor(genesis: Genesis) {
    const writes = genesisWrites(genesis);
    if (!writes.ok) throw new Error(writes.error.message);
    for (const [key, value] of writes.value) this.set(key, value);
  }

  get(key: string): Uint8Array | undefined {
    return this.#current.get(key);
  }

  set(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.#current.delete(key);
    else this.#current.set(key, value);
    this.#writes.set(asStateKey(key), value);
  }

  /** Keeps the state as that of a height and gives its root. */
  async commit(height: Height): Promise<Hash> {
    this.#versions[height] = new Map(this.#current);
    const base = height === 0 ? undefined : ((height - 1) as Height);
    const update = await this.#tree.update(this.#reader, base, height, this.#writes);
    this.#writes = new Map();
    for (const { key, value } of update.nodes) this.#nodes.set(toHex(key), value);
    this.#tree.committed(update);
    return update.root;
  }

  at(key: string, height: Height): Uint8Array | undefined {
    return this.#versions[height]?.get(key);
  }

  entriesAt(height: Height): readonly (readonly [string, Uint8Array])[] {
    return [...(this.#versions[height] ?? [])].sort(([left], [right]) => (left < right ? -1 : 1));
  }

  async prove(key: StateKey, height: Height): Promise<Omit<StateProof, 'header' | 'certificate' | 'key'>> {
    const value = this.at(key, height);
    const path = await this.#tree.prove(this.#reader, height, key);
    return { ...path, ...(value === undefined ? {} : { value }) };
  }
}
