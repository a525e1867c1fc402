/** Messages of one validator that are kept, and their bytes together. */
const maxMessages = 32;
const maxBytes = 1024 * 1024;

/**
 * Messages of the next validator set that came before the last block of this one is on disk: others are a moment ahead.
 * Kept by the sender's id, which stays while indexes change, at most so many that a faulty sender costs little.
 */
export class EarlyMessages {
  readonly #bySender = new Map<string, { readonly messages: Uint8Array[]; bytes: number }>();

  /** Keeps a message; what is too much is dropped: it will be sent again. */
  keep(sender: string, message: Uint8Array): void {
    const kept = this.#bySender.get(sender) ?? { messages: [], bytes: 0 };
    if (kept.messages.length >= maxMessages || kept.bytes + message.length > maxBytes) return;
    kept.messages.push(message.slice());
    kept.bytes += message.length;
    this.#bySender.set(sender, kept);
  }

  /** All messages, by sender in order of arrival; they are forgotten. */
  take(): readonly { readonly sender: string; readonly message: Uint8Array }[] {
    const all = [...this.#bySender].flatMap(([sender, { messages }]) =>
      messages.map((message) => ({ sender, message })),
    );
    this.#bySender.clear();
    return all;
  }
}
