import { encodeSignedNewView } from '../codec/index.js';
import type { LogRecord } from '../consensus/index.js';
import type { BlockRef, ConsensusConfig, ConsensusEvent, VerifiedMessage } from '../consensus/types.js';
import type { Signer } from '../crypto/index.js';
import type { CheckedTransaction } from '../ledger/index.js';
import type { Height, ValidatorIndex } from '../types/index.js';
import type { BlockExecutor } from './block-executor.js';
import { BlockBuilder, type BuildOrder } from './builder.js';
import { Caster } from './caster.js';
import { CatchUp } from './catch-up.js';
import type { DriverOptions } from './driver-options.js';
import type { Proposals } from './proposals.js';

export interface EpochPartsOptions {
  readonly driver: DriverOptions;
  readonly config: ConsensusConfig;
  /** Key of this validator in the set of `config`; undefined when it has no place there. */
  readonly signer: Signer | undefined;
  readonly executor: BlockExecutor;
  readonly proposals: Proposals;
  readonly heights: () => readonly { readonly index: ValidatorIndex; readonly height: Height }[];
  readonly dispatch: (event: ConsensusEvent) => void;
  readonly said: (message: VerifiedMessage) => void;
  readonly built: (order: BuildOrder, block: BlockRef) => void;
  readonly inadmissible: (transaction: CheckedTransaction, code: string) => void;
  readonly failed: (reason: string, error: unknown) => void;
}

/** The parts of a driver that know the validator set: made anew for each, so that nothing of one is used in another. */
export class EpochParts {
  readonly config: ConsensusConfig;
  readonly #signer: Signer | undefined;
  readonly builder: BlockBuilder | undefined;
  readonly caster: Caster;
  readonly catchUp: CatchUp;

  constructor(options: EpochPartsOptions) {
    const { driver, config, signer, executor, proposals, failed } = options;
    const { ports, parameters, mempool, observer } = driver;
    this.config = config;
    this.#signer = signer;
    this.caster = new Caster({
      peers: ports.peers,
      signer,
      config,
      said: options.said,
      unsigned: (statement, error) => observer.unsigned?.(statement.kind, error),
      failed: (error) => failed('the validator key can not be used', error),
    });
    this.catchUp = new CatchUp({
      ports,
      config,
      blocks: driver.blocks,
      limits: driver.syncLimits,
      proposals,
      heights: options.heights,
      dispatch: options.dispatch,
      ended: () => mempool.restartDeadlines(ports.clock.monotonicMs()),
      failed: (error) => failed('catching up found something that must not be', error),
      observer,
    });
    this.builder =
      config.self === undefined
        ? undefined
        : new BlockBuilder({
            clock: ports.clock,
            mempool,
            executor,
            proposals,
            parameters,
            chainId: config.chainId,
            validatorSetHash: config.validatorSetHash,
            self: config.self,
            batchDelayMs: driver.batchDelayMs,
            batchTransactions: driver.batchTransactions,
            built: options.built,
            inadmissible: options.inadmissible,
            failed: (error) => failed('a block could not be built', error),
          });
  }

  /**
   * A signer with a memory of its own is told of every view that is entered, before it is asked for a vote in it: `after`
   * does so once the record is durable.
   */
  tellSigner(records: readonly LogRecord[], after: (tell: () => void) => void): void {
    const signer = this.#signer;
    if (signer?.entered === undefined) return;
    for (const record of records) {
      if (record.kind !== 'newView' || record.epoch !== this.config.validatorSet.epoch) continue;
      const newView = encodeSignedNewView(record.message);
      after(() => signer.entered?.(newView));
    }
  }

  /** Nothing is said, built or fetched by these parts from now on. */
  stop(): void {
    this.builder?.clearOrder();
    this.caster.stop();
    this.catchUp.stop();
  }
}
