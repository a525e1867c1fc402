import { encodeBlockHeader, type Evidence, type Genesis, type Governance } from '../codec/index.js';
import { decodeLogRecord, type RestoredState, type LogRecord } from '../consensus/index.js';
import { headerDigest, type StateTree } from '../crypto/index.js';
import {
  assumeVerified,
  CommittedHashes,
  decodeTransaction,
  genesisHeader,
  genesisWrites,
  governanceIn,
  replayWindowStart,
  stateKeys,
  unknownRules,
  type CheckedTransaction,
} from '../ledger/index.js';
import { decodeBlockHeader } from '../codec/index.js';
import type { LogEntry, Store } from '../storage/types.js';
import { asDigest, asHeight, fromHex, invariant, QuaestorError, toHex } from '../types/index.js';
import type { ChainId, Digest, Height } from '../types/index.js';
import { unframeBodies } from './body-framing.js';
import { decodeFailure } from './corrupt-log.js';
import { readEvidence } from './evidence-pool.js';

/** What a start finds on disk. */
export interface Recovered {
  readonly restored: RestoredState;
  /** Idempotency hashes of the committed blocks within the validity window. */
  readonly committedHashes: CommittedHashes;
  /** Bodies of blocks that were voted for and are not committed. */
  readonly bodies: readonly {
    readonly digest: Digest;
    readonly transactions: readonly CheckedTransaction[];
  }[];
  readonly evidence: readonly Evidence[];
  /** Rules of the next height, and what waits. */
  readonly governance: Governance;
}

/** How many records of the window are read at a time. */
const windowChunk = 1000;

/** Makes the store of a new chain: the genesis block, whose state follows from the genesis alone. Does nothing when the
 * store has one. Throws a QuaestorError when the genesis contradicts itself. */
export async function ensureGenesis(store: Store, tree: StateTree, genesis: Genesis): Promise<void> {
  if (store.head() !== undefined) return;
  const writes = genesisWrites(genesis);
  if (!writes.ok) {
    throw new QuaestorError('GENESIS_INVALID', writes.error.message, { path: writes.error.path });
  }
  const genesisHeight = asHeight(0);
  const reader = { readNodes: (keys: readonly Uint8Array[]) => store.treeNodes(keys) };
  const update = await tree.update(reader, undefined, genesisHeight, writes.value);
  const headerBytes = encodeBlockHeader(genesisHeader(genesis, update.root));
  await store.commitBlock({
    block: {
      height: genesisHeight,
      digest: headerDigest(headerBytes),
      headerBytes,
      envelopes: [],
      results: [],
    },
    txIds: [],
    stateWrites: writes.value,
    treeNodes: update.nodes,
    touchedAccounts: [],
  });
  tree.committed(update);
}

/** Reads what a replica must know before it takes part again. Throws a QuaestorError when it can't be read. */
export async function recover(
  store: Store,
  chainId: ChainId,
  validityWindowBlocks: number,
): Promise<Recovered> {
  const head = store.head();
  invariant(head !== undefined, 'the genesis block is committed before anything else');
  const stored = await store.header(head.height);
  const header = stored === undefined ? undefined : decodeBlockHeader(stored.headerBytes);
  if (stored === undefined || header?.ok !== true) throw decodeFailure('head');
  const governance = await readGovernance(store, head.height);
  const { log, bodies } = readEntries(await store.readLog(), chainId);
  return {
    governance,
    restored: {
      committed: {
        height: head.height,
        digest: head.digest,
        timeMs: header.value.timeMs,
        ...(stored.certificate === undefined ? {} : { certificate: stored.certificate }),
      },
      log,
      outdated: store.outdated,
    },
    committedHashes: await loadWindow(store, head.height, validityWindowBlocks),
    bodies,
    evidence: await readEvidence(store),
  };
}

/** The rules of the next height. Throws a RulesUnknownError when this software does not know them. */
async function readGovernance(store: Store, head: Height): Promise<Governance> {
  const [bytes] = await store.stateMany([stateKeys.governance]);
  const governance = governanceIn({ get: () => bytes });
  const unknown = unknownRules(governance, head);
  if (unknown !== undefined) throw unknown;
  return governance;
}

function readEntries(
  entries: readonly LogEntry[],
  chainId: ChainId,
): { readonly log: readonly LogRecord[]; readonly bodies: Recovered['bodies'] } {
  const log: LogRecord[] = [];
  const bodies: { digest: Digest; transactions: readonly CheckedTransaction[] }[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('bodies/')) {
      const digest = fromHex(entry.name.slice('bodies/'.length));
      if (digest?.length !== 32) throw decodeFailure(entry.name);
      bodies.push({ digest: asDigest(digest), transactions: readBodies(entry, chainId) });
      continue;
    }
    const record = decodeLogRecord(entry);
    if (!record.ok) throw decodeFailure(`${entry.name}: ${record.error}`);
    log.push(record.value);
  }
  // Of a height that was voted for in several views, the log keeps the bodies of all blocks, but only the last block
  // itself. The others were given up: nobody would ever release their transactions again.
  const kept = new Set(
    log.flatMap((record) => (record.kind === 'block' ? [toHex(record.block.digest)] : [])),
  );
  return { log, bodies: bodies.filter(({ digest }) => kept.has(toHex(digest))) };
}

function readBodies(entry: LogEntry, chainId: ChainId): readonly CheckedTransaction[] {
  return unframeBodies(entry.value).map((envelope) => {
    const decoded = decodeTransaction(envelope, chainId);
    if (!decoded.ok) throw decodeFailure(entry.name);
    // Their signatures were checked before the block was voted for.
    return assumeVerified(decoded.value);
  });
}

async function loadWindow(
  store: Store,
  head: Height,
  validityWindowBlocks: number,
): Promise<CommittedHashes> {
  const hashes = new CommittedHashes();
  const next = asHeight(head + 1);
  for (
    let start = replayWindowStart(next, validityWindowBlocks);
    start <= head;
    start = asHeight(start + windowChunk)
  ) {
    const end = Math.min(start + windowChunk - 1, head);
    const heights = Array.from({ length: end - start + 1 }, (_, offset) => asHeight(start + offset));
    const records = await store.stateMany(heights.map(stateKeys.applied));
    for (const [index, height] of heights.entries()) {
      const record = records[index];
      if (record === undefined) {
        throw new QuaestorError(
          'STATE_INCOMPLETE',
          `The state has no record "applied/${height}", without which a transaction could be executed twice. Restore this ` +
            `validator's store from a backup, or empty its folder and let it catch up under a new key.`,
        );
      }
      hashes.load(height, record);
    }
  }
  return hashes;
}
