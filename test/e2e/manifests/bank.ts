/**
 * The bank test of Jepsen on real processes: clients transfer among a few accounts and read balances with proofs, all at
 * the same time; the history of what they asked and were told is then checked for strict serializability.
 */
import {
  OutcomeUnknownError,
  RefusedError,
  TransactionFailedError,
  UnavailableError,
  type AccountState,
  type FinalTransaction,
  type QuaestorClient,
  type SignedTransaction,
} from '../../../src/client/index.js';
import { asHeight } from '../../../src/types/index.js';
import { Prng } from '../../helpers/prng.js';
import { signPayment } from '../load.js';
import type { TestMember, TestNetwork } from '../network.js';

/** Accounts of the devnet's world that hold euros, and who may pay from them. */
export const bankAccounts = [
  { member: 'bank-alba', account: 'IT17M9990101600000000100001' },
  { member: 'bank-borealis', account: 'CH7399701000000200001' },
  { member: 'clearing-delta', account: 'DE22999900010000400001' },
  { member: 'bank-esperia', account: 'FR7699901000010000050000115' },
] as const;
export const bankAsset = 'EUR';

/** Times in milliseconds of one clock: the clients are in one process. */
interface Timed {
  readonly client: number;
  readonly invokedMs: number;
  readonly completedMs: number;
}

/** A transfer whose outcome was learnt. */
export interface TransferEvent extends Timed {
  readonly kind: 'transfer';
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  readonly code: string;
  /** Place in the order that the ledger gave it. */
  readonly height: number;
  readonly index: number;
}

/** A proven read of one balance. */
export interface ReadEvent extends Timed {
  readonly kind: 'read';
  readonly account: string;
  readonly amount: bigint;
  readonly height: number;
}

export type BankEvent = TransferEvent | ReadEvent;

/** The highest height that any client was told of: with it a read sees all that was acknowledged to anybody. */
interface Board {
  height: number;
}

/** Clients that go on until `stop`. */
export class Bank {
  readonly history: BankEvent[] = [];
  readonly problems: string[] = [];
  readonly #running: Promise<unknown>;
  #stopping = false;

  static async start(network: TestNetwork, clients: number, seed: number): Promise<Bank> {
    const members = await Promise.all(bankAccounts.map(({ member }) => network.member(member)));
    const connections = members.slice(0, clients).map((member, index) => ({
      member,
      client: network.connect({
        ...network.clientOptions(member.tls),
        preferredValidator: index % network.validators.length,
      }),
    }));
    return new Bank(network, connections, seed);
  }

  private constructor(
    network: TestNetwork,
    connections: readonly { readonly member: TestMember; readonly client: QuaestorClient }[],
    seed: number,
  ) {
    const board: Board = { height: 0 };
    this.#running = Promise.all(
      connections.map(({ member, client }, index) =>
        this.#loop(network, member, client, index, board, new Prng(seed + index)).catch((error: unknown) =>
          this.problems.push(String(error)),
        ),
      ),
    );
  }

  /** Begins nothing new; resolves when every outcome is known. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #loop(
    network: TestNetwork,
    member: TestMember,
    client: QuaestorClient,
    index: number,
    board: Board,
    random: Prng,
  ): Promise<void> {
    const own = bankAccounts[index]!.account;
    while (!this.#stopping) {
      const invokedMs = performance.now();
      if (random.chance(0.5)) {
        const { account } = bankAccounts[random.below(bankAccounts.length)]!;
        const state = await readUntilKnown(client, account, board.height);
        const amount = state.balances.find(({ asset }) => asset === bankAsset)?.amount ?? 0n;
        const { height } = state;
        this.#told(board, {
          kind: 'read',
          client: index,
          invokedMs,
          completedMs: performance.now(),
          account,
          amount,
          height,
        });
        continue;
      }
      const others = bankAccounts.filter(({ account }) => account !== own);
      const to = others[random.below(others.length)]!.account;
      // Now and then more than there is.
      const amount = random.chance(0.05) ? 10n ** 12n : BigInt(1 + random.below(1000));
      const route = { member: member.member, fromAccount: own, toAccount: to, asset: bankAsset };
      const transaction = await signPayment(route, member, network.chainId, {
        amount,
        validUntilHeight: board.height + 900,
      });
      const final = await submitUntilKnown(client, transaction);
      this.#told(board, {
        kind: 'transfer',
        client: index,
        invokedMs,
        completedMs: performance.now(),
        from: own,
        to,
        amount,
        code: final.code,
        height: final.height,
        index: final.receipt.index,
      });
    }
  }

  #told(board: Board, event: BankEvent): void {
    this.history.push(event);
    board.height = Math.max(board.height, event.height);
  }
}

/** The same transaction again until its outcome is known, as an application should. */
async function submitUntilKnown(
  client: QuaestorClient,
  transaction: SignedTransaction,
): Promise<FinalTransaction> {
  for (;;) {
    try {
      return await client.submit(transaction, { timeoutMs: 5000 });
    } catch (error) {
      if (error instanceof TransactionFailedError) return error.transaction;
      if (error instanceof RefusedError || !(error instanceof OutcomeUnknownError)) throw error;
    }
  }
}

async function readUntilKnown(
  client: QuaestorClient,
  account: string,
  minHeight: number,
): Promise<AccountState> {
  for (;;) {
    try {
      return await client.getAccount(account, {
        assets: [bankAsset],
        minHeight: asHeight(minHeight),
        timeoutMs: 5000,
      });
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
    }
  }
}

/**
 * What of a history is not strictly serializable; empty when all is well. The ledger says the order: transfers by height
 * and index, a read after the block of its height. So it is enough to check that every answer is what this order gives,
 * and that the order never contradicts time: what began after something had ended comes after it.
 */
export function anomaliesOf(
  history: readonly BankEvent[],
  opening: ReadonlyMap<string, bigint>,
  /** All transfers of the accounts on the chain, those of others too. */
  chain: readonly Pick<TransferEvent, 'from' | 'to' | 'amount' | 'code' | 'height' | 'index'>[],
): readonly string[] {
  return [...wrongAnswers(history, opening, chain), ...againstTime(history)];
}

function wrongAnswers(
  history: readonly BankEvent[],
  opening: ReadonlyMap<string, bigint>,
  chain: readonly Pick<TransferEvent, 'from' | 'to' | 'amount' | 'code' | 'height' | 'index'>[],
): readonly string[] {
  const anomalies: string[] = [];
  const balances = new Map(opening);
  const order = [...chain].sort((left, right) => left.height - right.height || left.index - right.index);
  const reads = history
    .filter((event) => event.kind === 'read')
    .sort((left, right) => left.height - right.height);
  let next = 0;
  const applyUpTo = (height: number): void => {
    for (let item = order[next]; item !== undefined && item.height <= height; item = order[++next]) {
      const { from, to, amount } = item;
      const held = balances.get(from) ?? 0n;
      const affordable = held >= amount;
      if (affordable !== (item.code === 'OK')) {
        anomalies.push(
          `the transfer at ${item.height}/${item.index} of ${amount} from ${held} ended with ${item.code}`,
        );
      }
      if (item.code !== 'OK') continue;
      balances.set(from, held - amount);
      balances.set(to, (balances.get(to) ?? 0n) + amount);
    }
  };
  for (const { account, amount, height, client } of reads) {
    applyUpTo(height);
    const expected = balances.get(account) ?? 0n;
    if (amount !== expected) {
      anomalies.push(`client ${client} read ${amount} in ${account} at ${height}, where it held ${expected}`);
    }
  }
  applyUpTo(Infinity);
  const places = new Set(order.map(({ height, index }) => `${height}/${index}`));
  for (const event of history) {
    if (event.kind === 'transfer' && !places.has(`${event.height}/${event.index}`)) {
      anomalies.push(
        `a transfer that client ${event.client} saw at ${event.height}/${event.index} is not there`,
      );
    }
  }
  return anomalies;
}

/** Sweeps over the events in order of invocation, with the highest height of all that had ended by then. */
function againstTime(history: readonly BankEvent[]): readonly string[] {
  const anomalies: string[] = [];
  const byEnd = [...history].sort((left, right) => left.completedMs - right.completedMs);
  let ended = 0;
  let highest = 0;
  for (const event of [...history].sort((left, right) => left.invokedMs - right.invokedMs)) {
    for (
      let item = byEnd[ended];
      item !== undefined && item.completedMs < event.invokedMs;
      item = byEnd[++ended]
    ) {
      highest = Math.max(highest, item.height);
    }
    // A transfer comes after all of the block that was known; a read may be of that very block.
    const early = event.kind === 'transfer' ? event.height <= highest : event.height < highest;
    if (early) {
      anomalies.push(
        `the ${event.kind} of client ${event.client} at ${event.height} began after height ${highest} was known`,
      );
    }
  }
  return anomalies;
}
