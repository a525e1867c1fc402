/**
 * Where the own execution of a block differs from what a quorum has certified: which root, which keys, and the
 * transaction that wrote each of them here. Reads only.
 */
import type { Electorate } from '../consensus/types.js';
import { StateTree, stateKeyPath } from '../crypto/index.js';
import { assumeVerified, decodeTransaction, type CheckedTransaction } from '../ledger/index.js';
import type { Store } from '../storage/types.js';
import {
  verifyBlock,
  verifyChunk,
  type BlockSource,
  type CertifiedBlock,
  type StateSource,
} from '../sync/index.js';
import type { SignatureVerifier } from '../crypto/types.js';
import {
  asHeight,
  equalBytes,
  invariant,
  QuaestorError,
  successorPath,
  toHex,
  type ChainId,
  type Hash,
  type Height,
  type StateKey,
  type TxId,
  type ValidatorIndex,
} from '../types/index.js';
import { BlockExecutor, type Execution } from './block-executor.js';
import type { Clock } from './ports.js';
import { recover } from './recovery.js';

export interface DivergenceOptions {
  /** Of the node that halted: its head is the last block that it agreed to. */
  readonly store: Store;
  readonly chainId: ChainId;
  readonly validityWindowBlocks: number;
  /** Decides the next height. */
  readonly electorate: Electorate;
  readonly source: BlockSource & StateSource;
  /** Who may be asked; one after the other. */
  readonly peers: readonly ValidatorIndex[];
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called with the part of the state that was compared, 0 … 1. */
  readonly progressed?: (fraction: number) => void;
}

/** Why a key has another value here. */
export type Cause =
  /** This transaction wrote it here. */
  | { readonly kind: 'transaction'; readonly index: number; readonly txId: TxId }
  /** The block wrote it here, whatever its transactions. */
  | { readonly kind: 'block' }
  /** The certified block wrote it, and the own execution did not. */
  | { readonly kind: 'notWritten' }
  /** It was another one before the block already: the store is damaged, or the software went wrong earlier. */
  | { readonly kind: 'before' };

export interface DifferingKey {
  readonly key: StateKey;
  /** Undefined: there is none. */
  readonly own: Uint8Array | undefined;
  readonly certified: Uint8Array | undefined;
  readonly cause: Cause;
}

export interface Comparison {
  readonly height: Height;
  /** Roots that differ from those of the certified header. */
  readonly roots: readonly ('transactionsRoot' | 'resultsRoot' | 'stateRoot')[];
  readonly transactions: number;
  /** The first of them in the order of the state tree, at most `maxKeys`. */
  readonly keys: readonly DifferingKey[];
  readonly differing: number;
  /** Keys compared. */
  readonly compared: number;
}

/** Keys that are told; the rest is counted. */
const maxKeys = 100;
const requestMs = 60_000;
const segments = 16;
const pageBytes = 4 * 1024 * 1024;

/**
 * Fetches the block after the head, executes it, and compares. Undefined when nobody has that block yet.
 *
 * @throws QuaestorError PEERS_UNAVAILABLE when nobody gives what is needed, BLOCK_REFUSED when what all give does not hold.
 */
export async function compareWithCertified(options: DivergenceOptions): Promise<Comparison | undefined> {
  const { store, chainId, validityWindowBlocks, clock } = options;
  const head = store.head();
  if (head === undefined) throw new QuaestorError('STORE_EMPTY', 'The store has no block to compare from.');
  const block = await nextBlock(options, asHeight(head.height + 1));
  if (block === undefined) return undefined;
  const { height, timeMs, stateRoot } = block.header;
  const transactions = block.envelopes.map((bytes): CheckedTransaction => {
    const decoded = decodeTransaction(bytes, chainId);
    if (!decoded.ok) throw new QuaestorError('BLOCK_REFUSED', `Block ${height}: ${decoded.error.message}`);
    return assumeVerified(decoded.value);
  });
  const executor = new BlockExecutor({
    store,
    tree: new StateTree({ maxBytes: 16 * 1024 * 1024 }),
    committedHashes: (await recover(store, chainId, validityWindowBlocks)).committedHashes,
    validityWindowBlocks,
    clock,
    executed: () => undefined,
  });
  const run = async (count: number): Promise<Execution> => {
    const execution = await executor.run(head.digest, height, timeMs, transactions.slice(0, count));
    invariant(execution !== undefined, 'nothing else uses the store');
    return execution;
  };
  const own = await run(transactions.length);
  const roots = (['transactionsRoot', 'resultsRoot', 'stateRoot'] as const).filter(
    (root) => !equalBytes(rootOf(own, root), block.header[root]),
  );
  const difference = await differences(options, own, { height, root: stateRoot });
  const keys: DifferingKey[] = [];
  for (const key of difference.keys) keys.push({ ...key, cause: await causeOf(options, run, own, key) });
  const { differing, compared } = difference;
  return { height, roots, transactions: transactions.length, keys, differing, compared };
}

const rootOf = (execution: Execution, root: 'transactionsRoot' | 'resultsRoot' | 'stateRoot'): Hash =>
  root === 'stateRoot' ? execution.tree.root : execution[root];

/** Asks one peer after the other until one gives what holds. */
async function askEach<T>(
  { peers, signal }: DivergenceOptions,
  what: string,
  ask: (peer: ValidatorIndex) => Promise<T>,
): Promise<T> {
  let last = 'nobody is connected';
  for (const peer of peers) {
    if (signal.aborted) break;
    try {
      return await ask(peer);
    } catch (error) {
      if (!(error instanceof QuaestorError)) throw error;
      last = error.message;
    }
  }
  throw new QuaestorError('PEERS_UNAVAILABLE', `No validator gave ${what}: ${last}`);
}

/** The certified block of a height; undefined when all say that they do not have it. */
async function nextBlock(options: DivergenceOptions, height: Height): Promise<CertifiedBlock | undefined> {
  const { source, chainId, electorate, verifier, signal, peers } = options;
  let without = 0;
  try {
    return await askEach(options, `block ${height}`, async (peer) => {
      const request = { fromHeight: height, maxBlocks: 1, deadlineMs: requestMs, signal };
      for await (const block of source.fetchBlocks(peer, request)) {
        const checked = await verifyBlock(block, height, { chainId, ...electorate }, verifier);
        if (!checked.ok) throw new QuaestorError('BLOCK_REFUSED', checked.error);
        return checked.value;
      }
      without++;
      throw new QuaestorError('BLOCK_MISSING', 'it does not have that block');
    });
  } catch (error) {
    if (without > 0 && without === peers.length) return undefined;
    throw error;
  }
}

interface StatePoint {
  readonly height: Height;
  readonly root: Hash;
}

type Difference = Omit<DifferingKey, 'cause'>;

/** Compares the state after the own execution with the certified one, key by key. */
async function differences(
  options: DivergenceOptions,
  own: Execution,
  point: StatePoint,
): Promise<{ keys: Difference[]; differing: number; compared: number }> {
  const { store, progressed } = options;
  const found = { keys: [] as Difference[], differing: 0, compared: 0 };
  const written = [...own.output.writes].map(([key, value]) => ({ key, value, path: stateKeyPath(key) }));
  for (let segment = 0; segment < segments; segment++) {
    const until = new Uint8Array(32).fill(255);
    until[0] = (segment << 4) | 15;
    let from: Uint8Array | undefined = new Uint8Array(32);
    from[0] = segment << 4;
    while (from !== undefined) {
      const chunk = await certifiedChunk(options, point, from, until);
      const here = await ownEntries(store, from, chunk.to);
      for (const { key, value, path } of written) {
        if (!within(path, from, chunk.to)) continue;
        if (value === undefined) here.delete(key);
        else here.set(key, value);
      }
      for (const { key, value } of chunk.entries) {
        compare(found, key, here.get(key), value);
        here.delete(key);
      }
      for (const [key, value] of here) compare(found, key, value, undefined);
      from = equalBytes(chunk.to, until) ? undefined : successorPath(chunk.to);
    }
    progressed?.((segment + 1) / segments);
  }
  return found;
}

function compare(
  found: { keys: Difference[]; differing: number; compared: number },
  key: StateKey,
  own: Uint8Array | undefined,
  certified: Uint8Array | undefined,
): void {
  found.compared++;
  if (own !== undefined && certified !== undefined && equalBytes(own, certified)) return;
  found.differing++;
  if (found.keys.length < maxKeys) found.keys.push({ key, own, certified });
}

/** A part of the certified state, proven. */
function certifiedChunk(
  options: DivergenceOptions,
  { height, root }: StatePoint,
  from: Uint8Array,
  until: Uint8Array,
): Promise<{ readonly entries: readonly { key: StateKey; value: Uint8Array }[]; readonly to: Uint8Array }> {
  const { source, signal } = options;
  return askEach(options, `the state after block ${height}`, async (peer) => {
    const request = { height, from, until, deadlineMs: requestMs, signal };
    for await (const chunk of source.fetchState(peer, request)) {
      const checked = verifyChunk(chunk, { root, from, until });
      if (!checked.ok) throw new QuaestorError('STATE_REFUSED', checked.error);
      return checked.value;
    }
    throw new QuaestorError('STATE_MISSING', 'it does not have that state');
  });
}

/** What the store has between two paths. */
async function ownEntries(
  store: Store,
  from: Uint8Array,
  to: Uint8Array,
): Promise<Map<StateKey, Uint8Array>> {
  const head = store.head();
  invariant(head !== undefined, 'the store has a head');
  const entries = new Map<StateKey, Uint8Array>();
  for (let start: Uint8Array | undefined = from; start !== undefined;) {
    const chunk = await store.stateChunk({
      height: head.height,
      from: start,
      until: to,
      maxBytes: pageBytes,
    });
    for (const { key, value } of chunk.entries) entries.set(key, value);
    start = equalBytes(chunk.to, to) ? undefined : successorPath(chunk.to);
  }
  return entries;
}

const within = (path: Uint8Array, from: Uint8Array, to: Uint8Array): boolean =>
  toHex(path) >= toHex(from) && toHex(path) <= toHex(to);

/** Who wrote a key here. What transactions write only grows with each of them, so the first is found by halving. */
async function causeOf(
  options: DivergenceOptions,
  run: (count: number) => Promise<Execution>,
  own: Execution,
  { key }: Difference,
): Promise<Cause> {
  if (!own.output.writes.has(key)) return causeBefore(options, key);
  let without = -1;
  let withIt = own.transactions.length;
  while (withIt - without > 1) {
    const middle = (without + withIt) >> 1;
    if ((await run(middle)).output.writes.has(key)) withIt = middle;
    else without = middle;
  }
  const transaction = own.transactions[withIt - 1];
  return transaction === undefined
    ? { kind: 'block' }
    : { kind: 'transaction', index: withIt - 1, txId: transaction.txId };
}

/** Whether a key that the own execution left alone was another one before the block. */
async function causeBefore(options: DivergenceOptions, key: StateKey): Promise<Cause> {
  const { store } = options;
  const head = store.head();
  invariant(head !== undefined, 'the store has a head');
  const path = stateKeyPath(key);
  const before = await certifiedChunk(options, { height: head.height, root: head.stateRoot }, path, path);
  const certified = before.entries.find((entry) => entry.key === key)?.value;
  const [own] = await store.stateMany([key]);
  const same = own === undefined || certified === undefined ? own === certified : equalBytes(own, certified);
  return { kind: same ? 'notWritten' : 'before' };
}
