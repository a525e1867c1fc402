import { decodeValidatorSet, type ValidatorSet } from '../codec/index.js';
import type { ConsensusConfig, NextEpoch } from '../consensus/types.js';
import { stateKeys, type BlockOutput } from '../ledger/index.js';
import { equalBytes, invariant, type Hash, type Height, type ValidatorIndex } from '../types/index.js';
import type { DriverOptions } from './driver-options.js';
import { EarlyMessages } from './early-messages.js';
import { signerIn, type Electorates } from './electorate.js';
import { EpochParts, type EpochPartsOptions } from './epoch-parts.js';

export interface EpochsOptions extends Omit<EpochPartsOptions, 'config' | 'signer' | 'heights'> {
  /** Heights that validators in force reported. */
  readonly heights: () => readonly { readonly index: ValidatorIndex; readonly height: Height }[];
}

/** The validator sets that matter to a driver, and the parts of it that know the one in force. */
export class Epochs {
  /** Messages of the next set that came too early. */
  readonly early = new EarlyMessages();
  readonly #options: EpochsOptions;
  readonly #driver: DriverOptions;
  /** Heights of nodes that are not in the validator set in force. */
  readonly #sources = new Map<ValidatorIndex, Height>();
  #parts: EpochParts;
  #electorates: Electorates;

  constructor(options: EpochsOptions) {
    this.#options = options;
    this.#driver = options.driver;
    this.#electorates = options.driver.electorates;
    this.#parts = this.#partsOf(options.driver.config);
  }

  /** What knows the set in force. */
  get parts(): EpochParts {
    return this.#parts;
  }

  get electorates(): Electorates {
    return this.#electorates;
  }

  /** A validator set by its hash: the one in force, or the one before, whose members may still be found guilty. */
  knownSet(hash: Hash): ValidatorSet | undefined {
    const { config } = this.#parts;
    return [config, config.predecessor].find(
      (electorate) => electorate !== undefined && equalBytes(electorate.validatorSetHash, hash),
    )?.validatorSet;
  }

  /** Takes note of the height that a peer claims. */
  report(from: ValidatorIndex, height: Height): void {
    if (from >= this.#parts.config.validatorSet.validators.length) this.#sources.set(from, height);
    this.#parts.catchUp.report(from, height);
  }

  /** The highest height that a node outside of the set in force claims; undefined when none is heard of. */
  get claimedOutside(): Height | undefined {
    return [...this.#sources.values()].sort((left, right) => right - left)[0];
  }

  /** A block may have decided the next validator set: its members have to catch up before it takes over. */
  noteSchedule({ writes }: BlockOutput): void {
    const bytes = writes.get(stateKeys.scheduledValidators);
    if (bytes === undefined) return;
    const scheduled = decodeValidatorSet(bytes);
    invariant(scheduled.ok, 'the ledger writes validator sets that can be read');
    this.#electorates = { ...this.#electorates, scheduled: scheduled.value };
    this.announce();
  }

  /** The next validator set takes over: what the parts of the one before still say is not heard any more. */
  enter(next: NextEpoch): void {
    const { config } = this.#parts;
    this.#parts.stop();
    const { validatorSet, validatorSetHash } = config;
    this.#parts = this.#partsOf({ ...config, ...next, predecessor: { validatorSet, validatorSetHash } });
    this.#electorates = { current: next.validatorSet, previous: validatorSet, scheduled: undefined };
    this.#sources.clear();
    this.announce();
  }

  /** Tells the network and the observer whose indexes are meant. */
  announce(): void {
    const { ports, observer } = this.#driver;
    ports.peers.electorates?.(this.#electorates);
    observer.electorates?.(this.#electorates, this.#parts.config.self);
  }

  #partsOf(config: ConsensusConfig): EpochParts {
    const options = this.#options;
    const parts: EpochParts = new EpochParts({
      ...options,
      config,
      signer: signerIn(config.validatorSet, this.#driver.identity),
      heights: () => [
        ...options.heights(),
        ...[...this.#sources].map(([index, height]) => ({ index, height })),
      ],
      dispatch: (event) => {
        if (parts === this.#parts) options.dispatch(event);
      },
      said: (message) => {
        if (parts === this.#parts) options.said(message);
      },
      failed: (reason, error) => {
        if (parts === this.#parts) options.failed(reason, error);
      },
    });
    return parts;
  }
}
