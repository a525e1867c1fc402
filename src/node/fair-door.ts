/**
 * Lets batches of transactions into the checks of signatures, so many transactions at a time, and those who wait in fair
 * turns: by weight between what clients bring and what other validators relay, and within what clients bring evenly among
 * members, however large their batches and however many they have. Who floods waits for itself (start-time fair queueing,
 * Goyal, Vin and Cheng, 1996). What waits here is bounded by those who send: the budgets of the api, the backlog of relays.
 */

interface Batch {
  readonly cost: number;
  readonly enter: () => void;
}

/** One of those among whom turns are shared. */
interface Lane {
  readonly waiting: Batch[];
  /** What it got so far, by its weight; of two, the one with less is next. */
  served: number;
}

/** Turns among lanes. */
class Turns {
  readonly #lanes = new Map<string, Lane>();
  /** What the lane served last had got before: who comes anew starts there, not with what it did not use earlier. */
  #now = 0;
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  push(name: string, batch: Batch): void {
    let lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, (lane = { waiting: [], served: this.#now }));
    lane.waiting.push(batch);
    this.#waiting++;
  }

  take(): Batch | undefined {
    let next: { readonly name: string; readonly lane: Lane } | undefined;
    for (const [name, lane] of this.#lanes) {
      if (next === undefined || lane.served < next.lane.served) next = { name, lane };
    }
    const batch = next?.lane.waiting.shift();
    if (next === undefined || batch === undefined) return undefined;
    this.#waiting--;
    this.#now = next.lane.served;
    next.lane.served += batch.cost;
    if (next.lane.waiting.length === 0) this.#lanes.delete(next.name);
    return batch;
  }
}

export interface FairDoorOptions {
  /** Transactions that are inside before others wait; a batch may overshoot by its own size. */
  readonly maxInside: number;
  /** How many times what clients get, relays get while both wait: every transaction of the others comes by relay. */
  readonly relayWeight: number;
}

export class FairDoor {
  readonly #options: FairDoorOptions;
  readonly #clients = new Turns();
  readonly #relays: Batch[] = [];
  #clientsServed = 0;
  #relaysServed = 0;
  #inside = 0;

  constructor(options: FairDoorOptions) {
    this.#options = options;
  }

  /** Batches that wait. */
  get waiting(): number {
    return this.#clients.waiting + this.#relays.length;
  }

  /** Transactions that are inside. */
  get inside(): number {
    return this.#inside;
  }

  /** Does the work of a batch when it is its turn. `member` is undefined for what is relayed. */
  async pass<T>(member: string | undefined, transactions: number, work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#options.maxInside) {
      await new Promise<void>((enter) => {
        // Whoever begins to wait does not get what it did not use before.
        if (member === undefined) {
          if (this.#relays.length === 0)
            this.#relaysServed = Math.max(this.#relaysServed, this.#clientsServed);
          this.#relays.push({ cost: transactions, enter });
        } else {
          if (this.#clients.waiting === 0)
            this.#clientsServed = Math.max(this.#clientsServed, this.#relaysServed);
          this.#clients.push(member, { cost: transactions, enter });
        }
      });
    } else this.#inside += transactions;
    try {
      return await work();
    } finally {
      this.#inside -= transactions;
      while (this.#inside < this.#options.maxInside && this.#admitNext());
    }
  }

  #admitNext(): boolean {
    const relay = this.#relays.length > 0;
    const turn = relay && (this.#clients.waiting === 0 || this.#relaysServed <= this.#clientsServed);
    const batch = turn ? this.#relays.shift() : this.#clients.take();
    if (batch === undefined) return false;
    if (turn) this.#relaysServed += batch.cost / this.#options.relayWeight;
    else this.#clientsServed += batch.cost;
    this.#inside += batch.cost;
    batch.enter();
    return true;
  }
}
