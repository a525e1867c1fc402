import type { ValidatorIndex } from '../types/index.js';

export interface PeerInboxOptions<Message> {
  readonly decode: (from: ValidatorIndex, bytes: Uint8Array) => Promise<Message | undefined>;
  readonly deliver: (from: ValidatorIndex, message: Message) => void;
}

/**
 * Keeps the order of each peer's messages while their signatures are checked side by side. The network bounds how much
 * of a peer may be here at a time: it waits for the returned promises.
 */
export class PeerInbox<Message> {
  readonly #options: PeerInboxOptions<Message>;
  readonly #last = new Map<ValidatorIndex, Promise<void>>();

  constructor(options: PeerInboxOptions<Message>) {
    this.#options = options;
  }

  /** Indexes mean other validators from now on. */
  forget(): void {
    this.#last.clear();
  }

  receive(from: ValidatorIndex, bytes: Uint8Array): Promise<void> {
    const decoding = this.#options.decode(from, bytes);
    const before = this.#last.get(from) ?? Promise.resolve();
    const delivered = before.then(async () => {
      const message = await decoding;
      if (message !== undefined) this.#options.deliver(from, message);
    });
    // A failed check is the failure of this message alone.
    this.#last.set(
      from,
      delivered.catch(() => undefined),
    );
    return delivered;
  }
}
