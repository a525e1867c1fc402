/**
 * Clients: each sends transfers to validators of its choice and, when it hears nothing, the same again to others. Some
 * of what they send is wrong in one way or another.
 */
import type { SubmissionSink } from '../../src/api/ports.js';
import {
  decodeTransactionResult,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
} from '../../src/codec/index.js';
import { transactionId, transactionSigningBytes } from '../../src/crypto/index.js';
import { asAmount, asHeight, compareBytes, toHex } from '../../src/types/index.js';
import type { ChainId } from '../../src/types/index.js';
import type { Operation, TransactionPayload } from '../../src/codec/model.js';
import type { VirtualTime } from './clock.js';
import type { Troubles } from './coverage.js';
import { accountsOf, asset, memberKeys, memberNames } from './genesis.js';
import type { SimKey } from './keys.js';
import type { Machine } from './machine.js';
import type { SimulationOptions } from './options.js';
import type { Random } from './random.js';
import { isSetOperation } from './sets.js';
import type { Trace } from './trace.js';

function idempotencyKeyOf(number: number): Uint8Array {
  const key = new Uint8Array(16);
  new DataView(key.buffer).setUint32(4, number);
  return key;
}

type Flaw = 'none' | 'badSignature' | 'rubbish' | 'tooLong';

/** A transaction as its client sees it. */
export interface Order {
  readonly id: string;
  readonly envelope: Uint8Array;
  readonly member: string;
  readonly flaw: Flaw;
  state: 'open' | 'final' | 'refused';
  /** Where it is final, as a correct validator has said. */
  place: { readonly height: number; readonly index: number } | undefined;
  reason: string | undefined;
  /** A correct validator has said that it expired. */
  expired: boolean;
  attempts: number;
  readonly madeMs: number;
  /** When its client was answered for good. */
  settledMs: number | undefined;
  /** It changes the validators: the key that signed it may be rotated away before it is executed. */
  readonly governs: boolean;
  /** Validator that was asked last. */
  asked: number;
}

export interface ClientsParts {
  readonly options: SimulationOptions;
  readonly chainId: ChainId;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly trace: Trace;
  readonly machines: readonly Machine[];
  readonly troubles: Troubles;
  readonly isCorrect: (validator: number) => boolean;
  /** Height of the chain, roughly. */
  readonly height: () => number;
  readonly fail: (message: string) => void;
  readonly settled: () => void;
}

export class Clients {
  readonly #parts: ClientsParts;
  readonly orders: Order[] = [];
  #made = 0;
  #open = 0;

  constructor(parts: ClientsParts) {
    this.#parts = parts;
  }

  /** Orders without an answer. */
  get open(): number {
    return this.#open;
  }

  /** Plans the orders of the whole simulation. */
  plan(): void {
    const { options, time, random } = this.#parts;
    for (let left = options.clients.transactions; left > 0;) {
      const burst = Math.min(left, random.chance(0.3) ? random.integer(2, 8) : 1);
      left -= burst;
      time.in(random.between(20, options.troubleMs), () => this.#burst(burst));
    }
    for (let left = options.clients.floods ?? 0; left > 0; left--) {
      time.in(random.between(20, options.troubleMs), () => {
        this.#parts.troubles.begin('flood');
        this.#flood();
        time.in(300, () => this.#parts.troubles.end('flood'));
      });
    }
  }

  /** Very many orders at once, all from one account, more than it can pay; each sent to two validators. */
  #flood(): void {
    const { random } = this.#parts;
    const client = random.below(this.#parts.options.clients.count);
    for (let left = random.integer(20, 40); left > 0; left--) {
      const order = this.#make('none', client);
      this.#submit(order);
      this.#submit(order);
    }
  }

  /** One sound order of each client: to see that the network works. */
  probe(): void {
    for (let client = 0; client < this.#parts.options.clients.count; client++)
      this.#submit(this.#make('none'));
  }

  /** Sends what an institution decides about the validators, signed by it and by others. */
  govern(member: string, operation: Operation, signers: readonly SimKey[]): Order {
    const { options, height } = this.#parts;
    const order = this.#sign(
      member,
      {
        sender: member,
        idempotencyKey: idempotencyKeyOf(++this.#made),
        validUntilHeight: asHeight(height() + options.parameters.validityWindowBlocks),
        operations: [operation],
      },
      signers,
    );
    this.#submit(order);
    return order;
  }

  /** Holds what clients were told against the chain. */
  finish(places: ReadonlyMap<string, { readonly height: number; readonly index: number }>): void {
    const { fail } = this.#parts;
    for (const { id, state, place, expired, flaw } of this.orders) {
      const actual = places.get(id);
      const name = id.slice(0, 8);
      if (state === 'final' && (actual?.height !== place?.height || actual?.index !== place?.index))
        fail(
          `LOST: transaction ${name} was acknowledged at ${JSON.stringify(place)} but is at ${JSON.stringify(actual)}`,
        );
      if (expired && actual !== undefined)
        fail(`REFUSED: transaction ${name} was said to be expired but is at height ${actual.height}`);
      if (flaw !== 'none' && actual !== undefined)
        fail(`VALIDITY: transaction ${name} (${flaw}) was executed`);
    }
  }

  #burst(count: number): void {
    const { random } = this.#parts;
    for (let made = 0; made < count; made++) {
      const order = this.#make(
        random.chance(0.9) ? 'none' : random.pick(['badSignature', 'rubbish', 'tooLong'] as const),
      );
      this.#submit(order);
      if (random.chance(0.1)) this.#submit(order);
    }
  }

  #make(flaw: Flaw, flooding?: number): Order {
    const { options, random, height } = this.#parts;
    const client = flooding ?? random.below(options.clients.count);
    const member = memberNames[client % memberNames.length]!;
    const number = this.#made++;
    // Now and then a key that another order has, too.
    const idempotencyKey = idempotencyKeyOf(random.chance(0.05) ? Math.max(0, number - 1) : number + 1);
    const window = options.parameters.validityWindowBlocks;
    const lives = flaw === 'tooLong' ? window + 1000 : random.chance(0.15) ? random.integer(1, 3) : window;
    const toMember = random.pick(memberNames);
    const payload: TransactionPayload = {
      sender: member,
      idempotencyKey,
      validUntilHeight: asHeight(height() + lives),
      operations: [
        {
          kind: 'transfer',
          fromAccount:
            flooding === undefined
              ? random.pick(accountsOf(random.chance(0.95) ? member : toMember))
              : accountsOf(member)[0],
          toAccount: random.chance(0.95) ? random.pick(accountsOf(toMember)) : 'nobody',
          asset,
          amount: asAmount(BigInt(random.chance(0.9) ? random.integer(1, 50) : random.integer(500, 3000))),
          endToEndId: '',
          memo: `${number}`,
        },
      ],
    };
    return this.#sign(member, payload, [], flaw);
  }

  #sign(member: string, content: TransactionPayload, signers: readonly SimKey[], flaw: Flaw = 'none'): Order {
    const { random, chainId, time } = this.#parts;
    const payload = encodeTransactionPayload(content);
    const txId = transactionId(chainId, payload);
    const message = transactionSigningBytes(txId);
    const signatures = [memberKeys.get(member)!, ...signers]
      .map((key) => ({ publicKey: key.publicKey, signature: key.sign(message) }))
      .sort((left, right) => compareBytes(left.publicKey, right.publicKey));
    if (flaw === 'badSignature') signatures[0]!.signature[random.below(64)]! ^= 4;
    const envelope = encodeTransactionEnvelope({ payload, signatures });
    const order: Order = {
      id: toHex(txId),
      envelope: flaw === 'rubbish' ? envelope.subarray(0, envelope.length - 3) : envelope,
      member,
      flaw,
      state: 'open',
      place: undefined,
      reason: undefined,
      expired: false,
      attempts: 0,
      madeMs: time.nowMs,
      settledMs: undefined,
      governs: content.operations.some(isSetOperation),
      asked: -1,
    };
    this.orders.push(order);
    this.#open++;
    return order;
  }

  #submit(order: Order): void {
    if (order.state !== 'open') return;
    const { time, random, trace, machines, options } = this.#parts;
    const attempt = ++order.attempts;
    // Another one than the last time.
    const others = machines.filter(({ index }) => machines.length === 1 || index !== order.asked);
    const machine = random.pick(others);
    order.asked = machine.index;
    const driver = machine.paused ? undefined : machine.replica?.driver;
    const again = (delayMs: number): void => {
      time.in(delayMs, () => this.#submit(order));
    };
    if (driver === undefined) {
      again(random.between(10, 100));
      return;
    }
    trace.add(
      time.nowMs,
      [20, machine.index, order.attempts],
      () => `client submits ${order.id.slice(0, 8)} to ${machine.index}`,
    );
    const submission = driver.desk.submit(
      [order.envelope.slice()],
      0,
      { member: order.member },
      this.#sink(machine, order, attempt),
    );
    submission.checked.catch((error: unknown) =>
      this.#parts.fail(`DEFECT: submit rejected with ${String(error)}`),
    );
    time.in(options.clients.resubmitMs * (1 + Math.min(order.attempts, 4) * random.between(0.2, 0.6)), () => {
      // Refused meanwhile, and sent again: one attempt at a time, or overload would breed itself.
      if (order.state !== 'open' || order.attempts !== attempt) return;
      if (random.chance(0.3)) submission.cancel();
      this.#submit(order);
    });
  }

  #sink(machine: Machine, order: Order, attempt: number): SubmissionSink {
    const { time, trace, random, isCorrect, fail } = this.#parts;
    const process = machine.replica;
    let answers = 0;
    // What a dead process or a faulty validator, or one with a spoilt disk, says does not count.
    const believed = (): boolean =>
      machine.replica === process && isCorrect(machine.index) && !machine.damaged;
    const answered = (): void => {
      if (++answers > 1)
        fail(`ANSWERS: validator ${machine.index} has answered twice for ${order.id.slice(0, 8)}`);
    };
    return {
      finalized: (block, { indexes }) => {
        if (!believed()) return;
        answered();
        const [index] = indexes;
        const result = decodeTransactionResult(block.results[index ?? 0] ?? new Uint8Array());
        if (index === undefined || !result.ok || toHex(result.value.txId) !== order.id) {
          fail(
            `RECEIPT: validator ${machine.index} gives a receipt of another transaction for ${order.id.slice(0, 8)}`,
          );
          return;
        }
        const { height } = block;
        if ((machine.store?.head()?.height ?? 0) < height)
          fail(`DURABLE: validator ${machine.index} acknowledges block ${height} before it is on its disk`);
        trace.add(
          time.nowMs,
          [21, machine.index, height, index],
          () => `${machine.index} says ${order.id.slice(0, 8)} is final at ${height}/${index}`,
        );
        if (order.place !== undefined && (order.place.height !== height || order.place.index !== index))
          fail(`RECEIPT: ${order.id.slice(0, 8)} is final at two places`);
        order.place = { height, index };
        this.#settle(order, 'final');
      },
      refused: (refusals) => {
        if (!believed()) return;
        answered();
        const reason = refusals[0]?.reason;
        trace.add(
          time.nowMs,
          [22, machine.index],
          () => `${machine.index} refuses ${order.id.slice(0, 8)}: ${reason ?? ''}`,
        );
        order.reason = reason;
        switch (reason) {
          case 'EXPIRED':
            order.expired = true;
            this.#settle(order, 'refused');
            return;
          case 'IDEMPOTENCY_KEY_REUSED':
          case 'ENVELOPE_MALFORMED':
          case 'SIGNATURE_INVALID':
            this.#settle(order, 'refused');
            return;
          // It was executed below the state that this validator has copied: another one knows how.
          case 'OUTCOME_NOT_RETAINED':
          case 'OVERLOADED':
          case 'QUOTA_EXCEEDED':
          case 'IDEMPOTENCY_KEY_PENDING':
            time.in(random.between(50, 200), () => {
              if (order.attempts === attempt) this.#submit(order);
            });
            return;
          case 'VALIDATOR_NOT_AUTHORIZED':
            // The key that signed it was rotated away meanwhile, here or everywhere: the institution thinks again.
            if (order.governs) {
              this.#settle(order, 'refused');
              return;
            }
            fail(`REFUSAL: ${reason} for ${order.id.slice(0, 8)}`);
            return;
          case 'VALIDITY_TOO_LONG':
            if (order.flaw === 'tooLong') this.#settle(order, 'refused');
            // Otherwise this validator is behind.
            return;
          default:
            fail(`REFUSAL: ${reason ?? 'nothing'} for ${order.id.slice(0, 8)}`);
        }
      },
    };
  }

  #settle(order: Order, state: 'final' | 'refused'): void {
    if (order.state !== 'open') return;
    order.state = state;
    order.settledMs = this.#parts.time.nowMs;
    this.#open--;
    this.#parts.settled();
  }
}
