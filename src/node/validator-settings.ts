import { readFile } from 'node:fs/promises';
import type { ChangeableLimits } from '../api/index.js';
import type { GenesisSummary } from './genesis-summary.js';
import { formatAddress, type NodeConfig, type TlsFiles } from '../config/index.js';
import type { Signer } from '../crypto/index.js';
import type { TlsMaterial } from '../network/index.js';
import { QuaestorError, toHex } from '../types/index.js';
import { signerIn, type Electorates } from './electorate.js';
import type { ReplicaSettings } from './replica.js';

/** Sends a heartbeat so often: several times within the shortest time after which silence is noticed. */
const heartbeatsPerSilence = 4;
/** Most wanted heartbeat interval, so that an idle network costs nearly nothing. */
const maxHeartbeatMs = 1000;
/** Transactions that a proposal names reach this replica by relay within so long, as a rule. */
const bodyGraceMs = 100;

/** Throws a QuaestorError unless the genesis has this validator, or the configuration says that it joins later. */
export function checkId(config: NodeConfig, genesis: Pick<GenesisSummary, 'validators'>): void {
  const { role, validator, joins } = config;
  if (role === 'observer' || joins || genesis.validators.some(({ id }) => id === validator)) return;
  throw new QuaestorError(
    'NOT_A_VALIDATOR',
    `"${validator}" is not among the validators of the genesis (${genesis.validators.map(({ id }) => id).join(', ')}). ` +
      `Correct "validator" in the configuration, or set "joins: true" if it joins the network later.`,
  );
}

/**
 * Throws a QuaestorError when this validator of the genesis holds none of its keys: neither the one in the genesis nor
 * one that is decided. Under any later set, and if the configuration says that it joins later, such a node follows.
 */
export function checkKeys(
  config: NodeConfig,
  { current, scheduled }: Electorates,
  signers: readonly Signer[],
): void {
  if (config.role === 'observer' || config.joins || current.epoch > 0) return;
  const identity = { id: config.validator, signers };
  if ([current, scheduled].some((set) => set !== undefined && signerIn(set, identity) !== undefined)) return;
  const keys = signers.map(({ publicKey }) => toHex(publicKey)).join(', ');
  throw new QuaestorError(
    'KEY_MISMATCH',
    `The key ${placeOf(config.key)} is not that of "${config.validator}" in the genesis: its public key is ` +
      `${keys}. Use the key that belongs to this validator.`,
  );
}

/** Where a key is, for people. */
function placeOf(key: NodeConfig['key']): string {
  switch (key?.kind) {
    case 'file':
      return `in "${key.file}"`;
    case 'pkcs11':
      return `"${key.keyLabel}" on the token "${key.tokenLabel}"`;
    case 'remote':
      return `of the signer at ${key.address}`;
    case undefined:
      return 'that the configuration names';
  }
}

/**
 * Addresses of validators in the configuration, by id. Throws a QuaestorError when neither it nor the ledger has one of a
 * validator of the genesis; of later ones too few are worse than none.
 */
export function addressesOf(config: NodeConfig, { current }: Electorates): ReadonlyMap<string, string> {
  const addresses = new Map(
    config.peers.map(({ validator, address }) => [validator, formatAddress(address)]),
  );
  for (const { id, address } of current.validators) {
    const isFound = address !== undefined || addresses.has(id) || id === config.validator;
    if (isFound || current.epoch > 0) continue;
    throw new QuaestorError(
      'PEER_ADDRESS_MISSING',
      `The configuration has no address of the validator "${id}". Add it under "peers" in "${config.file}".`,
    );
  }
  return addresses;
}

/** Reads PEM files. Rejects when one can't be read. */
export async function readTls(files: TlsFiles): Promise<TlsMaterial> {
  const [caPem, certificatePem, privateKeyPem] = await Promise.all(
    [files.ca, files.cert, files.key].map((file) => readFile(file, 'utf8')),
  );
  return { caPem: caPem ?? '', certificatePem: certificatePem ?? '', privateKeyPem: privateKeyPem ?? '' };
}

/** The limits of the clients' service that can be changed while a node runs. */
export function clientLimitsOf({ api }: NodeConfig): ChangeableLimits {
  return {
    maxInFlightPerMember: api.maxInFlightPerMember,
    maxInFlightBytesPerMember: api.maxInFlightBytesPerMember,
    maxInFlightPerStream: api.maxInFlightPerStream,
    maxStreamsPerIdentity: api.maxStreamsPerClient,
    traffic: api.limits,
  };
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
