import { decodeConsensusMessage } from '../codec/index.js';
import { beginAuthentication, type VerifiedMessage } from '../consensus/index.js';
import { asValidatorIndex, type ValidatorIndex } from '../types/index.js';
import type { DriverOptions } from './driver-options.js';
import type { EpochParts } from './epoch-parts.js';
import type { Epochs } from './epochs.js';
import { PeerInbox } from './peer-inbox.js';

export interface MessageGateOptions {
  readonly driver: DriverOptions;
  readonly epochs: Epochs;
  /** Takes a message whose signatures hold under the set in force. */
  readonly deliver: (from: ValidatorIndex, message: VerifiedMessage) => void;
  readonly failed: (error: unknown) => void;
}

/** A message and the parts of the validator set that it was checked against. */
interface EpochMessage {
  readonly message: VerifiedMessage;
  readonly epoch: EpochParts;
}

/** Decodes consensus messages and has their signatures checked, those of one peer in their order. */
export class MessageGate {
  readonly #options: MessageGateOptions;
  readonly #inbox: PeerInbox<EpochMessage>;

  constructor(options: MessageGateOptions) {
    this.#options = options;
    const { epochs, deliver } = options;
    this.#inbox = new PeerInbox({
      decode: (from, bytes) => this.#authenticate(from, bytes),
      deliver: (from, { message, epoch }) => {
        // What was checked against one validator set says nothing in another.
        if (epoch === epochs.parts) deliver(from, message);
      },
    });
  }

  /** Takes a message of a validator in force. Resolves when it is done with. */
  receive(from: ValidatorIndex, bytes: Uint8Array): Promise<void> {
    return this.#inbox.receive(from, bytes).catch((error: unknown) => this.#options.failed(error));
  }

  /** The same by the sender's id: one of the scheduled set may speak before its set is in force here. */
  receiveOf(id: string, bytes: Uint8Array): Promise<void> {
    const { epochs } = this.#options;
    const { current, scheduled } = epochs.electorates;
    const from = current.validators.findIndex((validator) => validator.id === id);
    if (from >= 0) return this.receive(asValidatorIndex(from), bytes);
    if (scheduled?.validators.some((validator) => validator.id === id) === true) epochs.early.keep(id, bytes);
    return Promise.resolve();
  }

  /** Indexes mean other validators from now on: takes what came too early for them. */
  enterEpoch(): void {
    this.#inbox.forget();
    const { driver, epochs } = this.#options;
    driver.ports.clock.defer(() => {
      for (const { sender, message } of epochs.early.take()) void this.receiveOf(sender, message);
    });
  }

  /** A message that decodes and whose signatures hold; undefined otherwise. */
  async #authenticate(from: ValidatorIndex, bytes: Uint8Array): Promise<EpochMessage | undefined> {
    const { driver, epochs } = this.#options;
    const { observer, ports } = driver;
    const epoch = epochs.parts;
    const decoded = decodeConsensusMessage(bytes);
    if (!decoded.ok) {
      observer.message(from, 'other', 'malformed', decoded.error.message);
      return undefined;
    }
    const message = decoded.value;
    const authentication = beginAuthentication(message, epoch.config);
    if (!authentication.ok) {
      if (authentication.error === 'wrongValidatorSet' && epochs.electorates.scheduled !== undefined) {
        const sender = epoch.config.validatorSet.validators[from];
        if (sender !== undefined) epochs.early.keep(sender.id, bytes);
        return undefined;
      }
      observer.message(from, message.kind, 'malformed', authentication.error);
      return undefined;
    }
    const outcomes = await ports.verifier.verify(authentication.value.checks);
    const holds = outcomes.every(Boolean);
    observer.message(from, message.kind, holds ? 'accepted' : 'unverified', undefined);
    return holds ? { message: authentication.value.verified, epoch } : undefined;
  }
}
