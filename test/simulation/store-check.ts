import { decodeBalance } from '../../src/codec/index.js';
import { checkInvariants } from '../../src/ledger/index.js';
import type { Store } from '../../src/storage/index.js';
import { asHeight, equalBytes } from '../../src/types/index.js';
import type { StateKey } from '../../src/types/index.js';
import type { Checker } from './checker.js';

/** Compares what is on a disk with the chain, and its state with the model and with the rules of the ledger. */
export async function checkStore(
  checker: Checker,
  validator: number,
  store: Store,
  fail: (message: string) => void,
): Promise<void> {
  const head = store.head()?.height ?? 0;
  // Blocks up to that of a copied state are not there.
  for (const block of checker.chain.slice(store.base, head)) {
    const stored = await store.block(asHeight(block.height));
    const same =
      stored !== undefined &&
      equalBytes(stored.headerBytes, block.headerBytes) &&
      sameList(stored.envelopes, block.envelopes) &&
      sameList(stored.results, block.results);
    if (!same) {
      fail(`STORE: block ${block.height} of replica ${validator} is not the one that was committed`);
      return;
    }
  }
  if (head !== checker.chain.length) return;
  const state = await stateOf(store, head);
  const { violations } = checkInvariants(state);
  if (violations[0] !== undefined) fail(`INVARIANT: replica ${validator}: ${violations[0].message}`);
  for (const [account, expected] of checker.balances) {
    const bytes = state.get(`balance/${account}/CHF` as StateKey);
    const balance = bytes === undefined ? undefined : decodeBalance(bytes);
    const amount: bigint = balance?.ok === true ? balance.value.amount : 0n;
    if (amount !== expected)
      fail(
        `STATE: ${account} has ${amount.toString()} at replica ${validator} instead of ${expected.toString()}`,
      );
  }
}

function sameList(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  return left.length === right.length && left.every((item, index) => equalBytes(item, right[index]!));
}

async function stateOf(store: Store, height: number): Promise<ReadonlyMap<StateKey, Uint8Array>> {
  const state = new Map<StateKey, Uint8Array>();
  const entries = await store.stateRange({ prefix: '', height: asHeight(height), limit: 100_000 });
  for (const { key, value } of entries) state.set(key, value);
  return state;
}
