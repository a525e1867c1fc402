/** What a node does about old blocks, put together: sealing, pruning, and reading what is sealed. */
import { join } from 'node:path';
import type { Genesis } from '../codec/index.js';
import { firstValidatorSet } from '../codec/index.js';
import type { NodeConfig } from '../config/index.js';
import { verifyZip215Natively } from '../crypto/native/index.js';
import { openObjects } from '../objects/index.js';
import type { Store } from '../storage/types.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import type { Height } from '../types/index.js';
import { trustFirstSet } from '../verify/index.js';
import { BlockArchive } from './block-archive.js';
import type { Clock } from './ports.js';
import { checkRetained, fewestRetained, Retention } from './retention.js';
import { Sealer } from './sealer.js';

export interface HistoryOptions {
  readonly config: NodeConfig;
  readonly genesis: Pick<Genesis, 'validators' | 'parameters'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Height of the last stable checkpoint. */
  readonly stableHeight: () => Height;
  /** Whether nothing may be given up for now. */
  readonly held?: () => boolean;
}

export interface History {
  readonly retention: Retention;
  /** Undefined when blocks are not sealed. */
  readonly archive: BlockArchive | undefined;
}

/** Throws a QuaestorError when the configuration keeps less than the network needs. */
export function openHistory(options: HistoryOptions): History {
  const { config, genesis, store, clock, log, metrics, stableHeight, held } = options;
  const { retain, segments } = config.storage;
  const retained = { blocks: retain.blocks, states: retain.states ?? retain.blocks };
  checkRetained(retained, fewestRetained(genesis.parameters));
  const objects = segments && openObjects(segments.location);
  const sealer =
    segments &&
    objects &&
    new Sealer({
      store,
      objects,
      writer: config.validator,
      blocksPerSegment: segments.blocks,
      spoolDir: join(config.dataDir, 'segment-in-work'),
      pause: () => retention.pause(),
      sealed: ({ firstHeight, lastHeight, bytes }) => {
        metrics.storage.segments.inc();
        metrics.storage.segmentBytes.inc(bytes);
        log.info(
          { code: 'SEGMENT_SEALED', firstHeight, lastHeight, bytes },
          `Blocks ${firstHeight} to ${lastHeight} are sealed.`,
        );
      },
    });
  const retention: Retention = new Retention({
    store,
    clock,
    log,
    metrics,
    retained,
    sealer,
    stableHeight,
    ...(held === undefined ? {} : { held }),
  });
  const archive =
    objects &&
    new BlockArchive({
      objects,
      trust: trustFirstSet(store.chainId, firstValidatorSet(genesis.validators), {
        checkSignature: verifyZip215Natively,
      }),
      manifest: () => sealer?.manifest,
    });
  return { retention, archive };
}
