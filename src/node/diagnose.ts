/** What a stopped node can find out about itself with the help of the others. */
import { join } from 'node:path';
import type { NodeConfig } from '../config/index.js';
import { createVerifierPool, installNativeSha256 } from '../crypto/native/index.js';
import { openStore } from '../storage/index.js';
import { createMetrics, HealthState, type Logger } from '../telemetry/index.js';
import { asValidatorIndex, QuaestorError } from '../types/index.js';
import { systemClock } from './clock.js';
import { compareWithCertified, type Comparison } from './divergence.js';
import { electorateOf, readElectorates } from './electorate.js';
import { EpochPeers } from './epoch-peers.js';
import type { GenesisSummary } from './genesis-summary.js';
import { networkOf, readPeerTls } from './node-network.js';
import { NodeSigners } from './node-signers.js';
import { Parts } from './parts.js';
import { withSnapshotNetwork } from './snapshot.js';
import { addressesOf } from './validator-settings.js';

export interface DiagnosisOptions {
  readonly config: NodeConfig;
  readonly genesis: GenesisSummary;
  readonly log: Logger;
  readonly version: string;
  readonly signal: AbortSignal;
  readonly progressed?: (fraction: number) => void;
}

/** How long the others have to be reached. */
const connectMs = 20_000;
const lookMs = 50;

/**
 * Executes the block after the head of a node that does not run, and compares every key of the state with what the other
 * validators prove. Undefined when there is no block after the head. Throws a QuaestorError that says what is missing.
 */
export async function diagnose(options: DiagnosisOptions): Promise<Comparison | undefined> {
  const parts = new Parts();
  try {
    return await compare(options, parts);
  } finally {
    await parts.close();
  }
}

async function compare(options: DiagnosisOptions, parts: Parts): Promise<Comparison | undefined> {
  const { config, genesis, log, version, signal, progressed } = options;
  const { network: networkName, chainId, parameters } = genesis;
  installNativeSha256();
  const opened = await openStore({
    dir: join(config.dataDir, 'store'),
    engine: config.storage.engine,
    chainId,
    validator: config.validator,
    createIfMissing: false,
    migrate: false,
  });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  parts.add(() => store.close());
  const verifier = createVerifierPool({ threads: 1 });
  parts.add(() => verifier.close());
  const electorates = await readElectorates(store);
  const metrics = createMetrics({ version, network: networkName, validator: config.validator });
  const keys = await NodeSigners.open({
    config,
    network: networkName,
    chainId,
    pipelineWindow: parameters.pipelineWindowBlocks,
    log,
    metrics,
    health: new HealthState(),
  });
  parts.add(() => keys.close());
  const open = networkOf({
    config,
    chainId,
    networkName,
    identity: {
      id: config.role === 'observer' ? undefined : config.validator,
      signers: keys.signers,
    },
    tls: (await readPeerTls(config, networkName)).material,
    log,
    metrics,
  });
  const peers = new EpochPeers({ electorates, addresses: addressesOf(config, electorates) });
  return withSnapshotNetwork(
    (handlers) => {
      const network = open(peers, () => electorates, handlers);
      peers.use(network);
      return network;
    },
    async (network) => {
      const untilMs = systemClock.monotonicMs() + connectMs;
      while (network.connected().length === 0) {
        if (signal.aborted || systemClock.monotonicMs() > untilMs) {
          throw new QuaestorError(
            'PEERS_UNAVAILABLE',
            'No other validator can be reached. Check the peers’ addresses.',
          );
        }
        await new Promise<void>((resolve) => systemClock.setTimer(lookMs, resolve));
      }
      return compareWithCertified({
        store,
        chainId,
        validityWindowBlocks: parameters.validityWindowBlocks,
        electorate: electorateOf(electorates.current),
        source: peers,
        peers: peers.connected().map(asValidatorIndex),
        verifier,
        clock: systemClock,
        signal,
        ...(progressed === undefined ? {} : { progressed }),
      });
    },
  );
}
