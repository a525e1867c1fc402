/** Payments without end, by several members through several validators, and a ledger of what was acknowledged. */
import {
  buildTransaction,
  OutcomeUnknownError,
  signTransaction,
  type FinalTransaction,
  type QuaestorClient,
  type SignedTransaction,
} from '../../src/client/index.js';
import { asAmount, asHeight, toHex, type ChainId } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import type { TestMember, TestNetwork } from './network.js';

/** Who pays whom. */
export interface PaymentRoute {
  readonly member: string;
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
}

/** Routes of the world of configs/devnet.yaml. */
export const routes = {
  alba: {
    member: 'bank-alba',
    fromAccount: 'IT17M9990101600000000100001',
    toAccount: 'CH4699701000000200002',
    asset: 'EUR',
  },
  borealis: {
    member: 'bank-borealis',
    fromAccount: 'CH7399701000000200001',
    toAccount: 'DE92999900010000400002',
    asset: 'CHF',
  },
  cadence: {
    member: 'custodian-cadence',
    fromAccount: 'GB24CDNC99990100300001',
    toAccount: 'FR7699901000010000050000212',
    asset: 'USD',
  },
} as const satisfies Record<string, PaymentRoute>;

export interface PaymentOptions {
  /** Minor units. Default 1. */
  readonly amount?: bigint;
  readonly validUntilHeight: number;
  readonly idempotencyKey?: Uint8Array;
}

/** A signed payment along a route. */
export function signPayment(
  route: PaymentRoute,
  { signer }: Pick<TestMember, 'signer'>,
  chainId: ChainId,
  options: PaymentOptions,
): Promise<SignedTransaction> {
  const { member, fromAccount, toAccount, asset } = route;
  const amount = asAmount(options.amount ?? 1n);
  const payload = buildTransaction({
    sender: member,
    operations: [{ kind: 'transfer', fromAccount, toAccount, asset, amount, endToEndId: '', memo: '' }],
    validUntilHeight: asHeight(options.validUntilHeight),
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
  });
  return signTransaction(payload, [signer], chainId);
}

export interface LoadOptions {
  /** By single calls, or by a stream of batches. */
  readonly via: 'submit' | 'submitMany';
  /** Index of the validator to ask first. */
  readonly validator: number;
  /** Default: 900. */
  readonly validForBlocks?: number;
  /** Most payments in flight. */
  readonly inFlight: number;
}

/** Blocks for which a payment is valid: within the network's window of 1,000, and longer than any outage. */
const validForBlocks = 900;

/** Payments of one member that go on until `stop`. */
export class Load {
  /** Height at which each acknowledged transaction is final, by id in hexadecimal. */
  readonly acknowledged = new Map<string, number>();
  /** All that was handed over for submission, by id. */
  readonly submitted = new Map<string, SignedTransaction>();
  /** What must not happen: refusals, failed transactions, errors other than "outcome unknown". */
  readonly problems: string[] = [];
  readonly route: PaymentRoute;
  readonly #chainId: ChainId;
  readonly #member: TestMember;
  readonly #client: QuaestorClient;
  readonly #options: LoadOptions;
  readonly #running: Promise<unknown>;
  #height: number;
  #stopping = false;

  static async start(network: TestNetwork, route: PaymentRoute, options: LoadOptions): Promise<Load> {
    const member = await network.member(route.member);
    const client = network.connect({
      ...network.clientOptions(member.tls),
      preferredValidator: options.validator,
    });
    return new Load(route, network.chainId, member, client, options, await client.currentHeight());
  }

  private constructor(
    route: PaymentRoute,
    chainId: ChainId,
    member: TestMember,
    client: QuaestorClient,
    options: LoadOptions,
    height: number,
  ) {
    this.route = route;
    this.#chainId = chainId;
    this.#member = member;
    this.#client = client;
    this.#options = options;
    this.#height = height;
    this.#running =
      options.via === 'submitMany'
        ? this.#stream()
        : Promise.all(Array.from({ length: options.inFlight }, () => this.#loop()));
  }

  /** Resolves when so many more payments were acknowledged. */
  async progress(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    const { via, validator } = this.#options;
    await eventually(
      `${count} more payments of ${this.route.member} (by ${via} through validator ${validator + 1}) are final`,
      () => this.acknowledged.size >= goal || this.problems.length > 0,
    );
    if (this.problems.length > 0) throw new Error(`The load met problems: ${this.problems.join('; ')}`);
  }

  /** Submits no more; resolves when all that was submitted is final. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #next(): Promise<SignedTransaction> {
    const transaction = await signPayment(this.route, this.#member, this.#chainId, {
      validUntilHeight: this.#height + (this.#options.validForBlocks ?? validForBlocks),
    });
    this.submitted.set(toHex(transaction.txId), transaction);
    return transaction;
  }

  #acknowledge({ txId, code, height }: FinalTransaction): void {
    const id = toHex(txId);
    if (code !== 'OK') this.problems.push(`${id} failed with ${code}`);
    if (this.acknowledged.has(id)) this.problems.push(`${id} was answered twice`);
    this.acknowledged.set(id, height);
    this.#height = Math.max(this.#height, height);
  }

  async #stream(): Promise<void> {
    const input = async function* (load: Load): AsyncGenerator<SignedTransaction> {
      while (!load.#stopping) yield await load.#next();
    };
    try {
      const options = { maxInFlight: this.#options.inFlight, stallTimeoutMs: 3000, timeoutMs: 120_000 };
      for await (const outcome of this.#client.submitMany(input(this), options)) {
        if (outcome.kind === 'final') this.#acknowledge(outcome.transaction);
        else
          this.problems.push(`${toHex(outcome.txId)} was refused: ${outcome.reason} by ${outcome.validator}`);
      }
    } catch (error) {
      this.problems.push(String(error));
    }
  }

  /** One payment after the other; an unknown outcome is asked for again with the same transaction, as it should be. */
  async #loop(): Promise<void> {
    try {
      while (!this.#stopping) {
        const transaction = await this.#next();
        for (let final = false; !final;) {
          try {
            this.#acknowledge(await this.#client.submit(transaction, { timeoutMs: 5000 }));
            final = true;
          } catch (error) {
            if (!(error instanceof OutcomeUnknownError)) throw error;
          }
        }
      }
    } catch (error) {
      this.problems.push(String(error));
    }
  }
}
