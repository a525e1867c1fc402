import { readFile } from 'node:fs/promises';
import type { GenesisSummary } from './genesis-summary.js';
import { formatAddress, type NodeConfig, type TlsFiles } from '../config/index.js';
import type { PeerValidator, TlsMaterial } from '../network/index.js';
import { asValidatorIndex, QuaestorError } from '../types/index.js';
import type { ValidatorIndex } from '../types/index.js';
import type { ReplicaSettings } from './replica.js';

/** Sends a heartbeat so often: several times within the shortest time after which silence is noticed. */
const heartbeatsPerSilence = 4;
/** Most wanted heartbeat interval, so that an idle network costs nearly nothing. */
const maxHeartbeatMs = 1000;
/** Transactions that a proposal names reach this replica by relay within so long, as a rule. */
const bodyGraceMs = 100;

/** Index of a validator. Throws a QuaestorError when the genesis does not name it. */
export function indexOf(validator: string, genesis: Pick<GenesisSummary, 'validators'>): ValidatorIndex {
  const index = genesis.validators.findIndex(({ id }) => id === validator);
  if (index < 0) {
    throw new QuaestorError(
      'NOT_A_VALIDATOR',
      `"${validator}" is not among the validators of the genesis (${genesis.validators.map(({ id }) => id).join(', ')}). ` +
        `Correct "validator" in the configuration.`,
    );
  }
  return asValidatorIndex(index);
}

/** Keys and addresses of all validators. Throws a QuaestorError when the configuration lacks an address. */
export function peersOf(
  config: NodeConfig,
  genesis: Pick<GenesisSummary, 'validators'>,
): readonly PeerValidator[] {
  const addresses = new Map(
    config.peers.map(({ validator, address }) => [validator, formatAddress(address)]),
  );
  if (config.role === 'validator') addresses.set(config.validator, formatAddress(config.listen.peer));
  return genesis.validators.map(({ id, publicKey }, index) => {
    const address = addresses.get(id);
    if (address === undefined) {
      throw new QuaestorError(
        'PEER_ADDRESS_MISSING',
        `The configuration has no address of the validator "${id}". Add it under "peers" in "${config.file}".`,
      );
    }
    return { id, index: asValidatorIndex(index), publicKey, address };
  });
}

/** Reads PEM files. Rejects when one can't be read. */
export async function readTls(files: TlsFiles): Promise<TlsMaterial> {
  const [caPem, certificatePem, privateKeyPem] = await Promise.all(
    [files.ca, files.cert, files.key].map((file) => readFile(file, 'utf8')),
  );
  return { caPem: caPem ?? '', certificatePem: certificatePem ?? '', privateKeyPem: privateKeyPem ?? '' };
}

/** How a replica runs, by the configuration of its node. */
export function settingsOf(config: NodeConfig): ReplicaSettings {
  const { consensus, mempool, sync } = config;
  return {
    timeouts: consensus,
    heartbeatMs: Math.min(maxHeartbeatMs, Math.floor(consensus.primarySilenceMs / heartbeatsPerSilence)),
    bodyGraceMs,
    bodyRetryMs: consensus.retransmitMs,
    batchDelayMs: 10,
    batchTransactions: 500,
    // Processes still connect to the validators of the genesis: a set that they can't follow must not be decided.
    closedOperations: new Set(['proposeValidatorSet', 'approveValidatorSet', 'withdrawValidatorSet']),
    treeBytes: 48 * 1024 * 1024,
    mempool: {
      maxTransactions: mempool.maxTransactions,
      maxBytes: mempool.maxBytes,
      maxMemberTransactions: mempool.maxMemberTransactions,
      maxMemberBytes: mempool.maxMemberBytes,
      relayAgainMs: consensus.viewTimeoutMs,
      inclusionDeadlineMs: mempool.overdueAfterMs,
    },
    syncLimits: {
      maxRangeBlocks: sync.maxBlocksPerRequest,
      windowBlocks: sync.maxBlocksAhead,
      requestTimeoutMs: sync.requestTimeoutMs,
    },
  };
}
