/** Where a node has its genesis from, without keeping what reading a large one takes. */
import { fork } from 'node:child_process';
import { stat } from 'node:fs/promises';
import type { Genesis } from '../codec/index.js';
import { loadGenesis, type NodeConfig } from '../config/index.js';
import { genesisChainId } from '../ledger/index.js';
import type { Logger } from '../telemetry/index.js';
import { equalBytes, QuaestorError, toHex, type ChainId } from '../types/index.js';
import type { GenesisSummary } from './genesis-summary.js';

/**
 * A file above this is read by a process of its own, which also writes the genesis block: 100,000 accounts take some
 * 300 MB to read and to write, and neither V8 nor the C library gives all of it back. Below it a process would cost more
 * than it saves.
 */
const childAboveBytes = 2 * 1024 * 1024;

/** What the process of its own is told, and what it answers. */
export interface GenesisTask {
  readonly genesisFile: string;
  readonly storeDir: string;
  readonly engine: NodeConfig['storage']['engine'];
  readonly validator: string;
  /** The chain that the genesis must be of, if the configuration says one. */
  readonly chainId: ChainId | undefined;
}

/**
 * Reads the genesis of a node. Of a large one only the summary comes back, and the store has its genesis block by then;
 * the store must be closed.
 *
 * @throws ConfigError that lists every problem of the file, QuaestorError WRONG_GENESIS.
 */
export async function readGenesis(task: GenesisTask, log: Logger): Promise<Genesis | GenesisSummary> {
  const size = await stat(task.genesisFile).then(
    (found) => found.size,
    () => 0,
  );
  const summary = size > childAboveBytes ? await summaryOfChild(task) : undefined;
  if (summary !== undefined) {
    log.info(
      { code: 'GENESIS_PREPARED', genesisFile: task.genesisFile, bytes: size },
      'A process of its own read the genesis, which is large.',
    );
    return summary;
  }
  const genesis = await loadGenesis(task.genesisFile);
  if (!genesis.ok) throw genesis.error;
  checkChain(task, genesisChainId(genesis.value));
  return genesis.value;
}

/** Throws a QuaestorError unless a genesis is of the chain that the configuration names. */
export function checkChain({ chainId, genesisFile }: GenesisTask, found: ChainId): void {
  if (chainId === undefined || equalBytes(chainId, found)) return;
  throw new QuaestorError(
    'WRONG_GENESIS',
    `The genesis ${genesisFile} is of chain ${toHex(found)}, not of ${toHex(chainId)}, which network.chainId of the ` +
      'configuration names. Get the genesis that the institutions signed, and compare its chain id with theirs.',
    { found: toHex(found), expected: toHex(chainId) },
  );
}

/** Undefined when it could not be done there, for whatever reason: the node then finds out by itself. */
function summaryOfChild(task: GenesisTask): Promise<GenesisSummary | undefined> {
  return new Promise((resolve) => {
    const child = fork(new URL('./genesis-child.js', import.meta.url), {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    let summary: GenesisSummary | undefined;
    child.once('message', (message) => (summary = message as GenesisSummary));
    child.once('error', () => resolve(undefined));
    child.once('exit', (code) => resolve(code === 0 ? summary : undefined));
    child.send(task, () => undefined);
  });
}
