/** A condition that one waits for and others bring about. */
export class Gate {
  #open: (() => void) | undefined;

  wait(): Promise<void> {
    return new Promise((resolve) => (this.#open = resolve));
  }

  signal(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.();
  }
}
