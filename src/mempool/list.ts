/** A place in a list. */
export interface ListNode<T> {
  readonly value: T;
  readonly list: List<T>;
  previous: ListNode<T> | undefined;
  next: ListNode<T> | undefined;
}

/** A doubly linked list: items leave from anywhere in constant time, and leave nothing behind. */
export class List<T> {
  #first: ListNode<T> | undefined;
  #last: ListNode<T> | undefined;
  #size = 0;

  get first(): ListNode<T> | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds at the end. */
  push(value: T): ListNode<T> {
    return this.insertBefore(undefined, value);
  }

  /** Adds before a node of this list, or at the end. */
  insertBefore(next: ListNode<T> | undefined, value: T): ListNode<T> {
    const previous = next === undefined ? this.#last : next.previous;
    const node: ListNode<T> = { value, list: this, previous, next };
    if (previous === undefined) this.#first = node;
    else previous.next = node;
    if (next === undefined) this.#last = node;
    else next.previous = node;
    this.#size++;
    return node;
  }

  /** Removes a node of this list. */
  remove(node: ListNode<T>): void {
    if (node.previous === undefined) this.#first = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.#last = node.previous;
    else node.next.previous = node.previous;
    node.previous = undefined;
    node.next = undefined;
    this.#size--;
  }
}
