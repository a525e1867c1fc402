/** The load generator: signs transfers beforehand, submits them, measures until they are final. Driven by its parent. */
import { loadGenesis } from '../../src/config/index.js';
import { QuaestorClient, buildTransaction, type SignedTransaction } from '../../src/client/index.js';
import { loadProtocol } from '../../src/client/protocol.js';
import { Verifier } from '../../src/client/verifier.js';
import { certificateFromWire } from '../../src/codec/wire-convert.js';
import { encodeTransactionEnvelope, encodeTransactionPayload, type Genesis } from '../../src/codec/index.js';
import type { SubmitStreamResponse__Output } from '../../src/codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import { transactionId, transactionSigningBytes } from '../../src/crypto/index.js';
import { installNativeSha256, keyPairFromSeed, KeySigner } from '../../src/crypto/native/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import { asAmount, asHeight } from '../../src/types/index.js';
import { LeanStream } from './lean-stream.js';
import type {
  ClosedOrder,
  LoadOrder,
  LoadReply,
  LoadResult,
  LoadSetup,
  OpenOrder,
  SdkOrder,
  UnaryOrder,
} from './load-protocol.js';
import { asset, type LoadMember } from './world.js';

/** Most transactions in one message. */
const maxBatch = 250;
/** Of the answers one in so many is kept and checked after the run. */
const checkOneIn = 20;
const maxKeptAnswers = 40;

/** Durations, for percentiles. */
class Durations {
  readonly #values: number[] = [];

  add(ms: number): void {
    this.#values.push(ms);
  }

  summary(): Pick<LoadResult, 'p50Ms' | 'p95Ms' | 'p99Ms' | 'maxMs'> {
    const sorted = Float64Array.from(this.#values).sort();
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
    return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: at(1) };
  }
}

interface Sender {
  readonly member: LoadMember;
  readonly signer: KeySigner;
  /** Signed and not yet sent. */
  prepared: SignedTransaction[];
  /** Index of the next one to send. */
  next: number;
}

const now = (): number => performance.now();

class LoadGenerator {
  readonly #setup: LoadSetup;
  readonly #genesis: Genesis;
  readonly #verifier: Verifier;
  readonly #senders: readonly Sender[];
  readonly #clients: QuaestorClient[] = [];
  readonly #accounts: readonly string[];
  #counter = 0;

  constructor(setup: LoadSetup, genesis: Genesis) {
    this.#setup = setup;
    this.#genesis = genesis;
    this.#verifier = new Verifier(genesis);
    this.#senders = setup.members.map((member) => ({
      member,
      signer: new KeySigner(keyPairFromSeed(member.seed)),
      prepared: [],
      next: 0,
    }));
    this.#accounts = setup.members.flatMap(({ accounts }) => accounts);
  }

  static async create(setup: LoadSetup): Promise<LoadGenerator> {
    installNativeSha256();
    const genesis = await loadGenesis(setup.genesisFile);
    if (!genesis.ok) throw genesis.error;
    return new LoadGenerator(setup, genesis.value);
  }

  /** Signs transfers between random accounts, in equal parts for each member. */
  async prepare(transactions: number, height: number): Promise<void> {
    const chainId = genesisChainId(this.#genesis);
    const validUntilHeight = asHeight(height + this.#genesis.parameters.validityWindowBlocks);
    const each = Math.ceil(transactions / this.#senders.length);
    for (const sender of this.#senders) {
      sender.prepared = [];
      sender.next = 0;
      for (let index = 0; index < each; index++) {
        const payload = encodeTransactionPayload(this.#transfer(sender.member, validUntilHeight));
        const txId = transactionId(chainId, payload);
        const signature = await sender.signer.sign(transactionSigningBytes(txId));
        const bytes = encodeTransactionEnvelope({
          payload,
          signatures: [{ publicKey: sender.signer.publicKey, signature }],
        });
        sender.prepared.push({ txId, bytes });
      }
    }
  }

  #transfer(member: LoadMember, validUntilHeight: ReturnType<typeof asHeight>) {
    const pick = (list: readonly string[]): string => list[Math.floor(Math.random() * list.length)] ?? '';
    const fromAccount = pick(member.accounts);
    let toAccount = pick(this.#accounts);
    while (toAccount === fromAccount) toAccount = pick(this.#accounts);
    const number = this.#counter++;
    return buildTransaction({
      sender: member.id,
      validUntilHeight,
      operations: [
        {
          kind: 'transfer',
          fromAccount,
          toAccount,
          asset,
          amount: asAmount(BigInt(1 + (number % 10_000))),
          endToEndId: `E2E-${String(number).padStart(12, '0')}`,
          memo: '',
        },
      ],
    });
  }

  /** One stream a member, each to another validator, with so many in flight over all. */
  closed({ inFlight, durationMs }: ClosedOrder): Promise<LoadResult> {
    return this.#stream(durationMs, (run) => {
      const share = Math.max(1, Math.floor(inFlight / this.#senders.length));
      const batch = Math.max(1, Math.min(maxBatch, Math.floor(share / 4)));
      const fill = (lane: Lane): void => {
        while (!run.ending && lane.inFlight + batch <= share && lane.left > 0) run.send(lane, batch, now());
      };
      run.answered = fill;
      for (const lane of run.lanes) fill(lane);
    });
  }

  /** Members take turns; what is due in the same moment goes out together. */
  open({ transfersPerSecond, durationMs }: OpenOrder): Promise<LoadResult> {
    return this.#stream(durationMs, (run) => {
      const startMs = now();
      let sent = 0;
      let turn = 0;
      const tick = (): void => {
        if (run.ending) return;
        const due = Math.floor(((now() - startMs) * transfersPerSecond) / 1000) + 1;
        while (sent < due) {
          const lane = run.lanes[turn++ % run.lanes.length];
          const count = Math.min(maxBatch, due - sent, Math.max(1, Math.ceil(transfersPerSecond / 1000)));
          if (lane === undefined || lane.left === 0) break;
          // The time at which each was due, not that at which it was sent.
          const dueMs = Array.from(
            { length: count },
            (_, index) => startMs + ((sent + index) * 1000) / transfersPerSecond,
          );
          run.send(lane, count, dueMs);
          sent += count;
        }
        setTimeout(tick, Math.max(1, startMs + (sent * 1000) / transfersPerSecond - now()));
      };
      tick();
    });
  }

  async #stream(durationMs: number, begin: (run: StreamRun) => void): Promise<LoadResult> {
    const run = new StreamRun(this.#senders, this.#setup, this.#genesis.network);
    const cpu = process.cpuUsage();
    const startMs = now();
    begin(run);
    const timer = setTimeout(() => run.end(), durationMs);
    await run.finished;
    clearTimeout(timer);
    const elapsedMs = run.lastAnswerMs - startMs;
    const used = process.cpuUsage(cpu);
    run.close();
    const receiptsVerified = run.kept.reduce((sum, { sender, bytes }) => sum + this.#check(sender, bytes), 0);
    return {
      committed: run.committed,
      elapsedMs,
      ...run.durations.summary(),
      cpuMs: (used.user + used.system) / 1000,
      bytesSent: run.lanes.reduce((sum, lane) => sum + lane.stream.bytesSent, 0),
      bytesReceived: run.lanes.reduce((sum, lane) => sum + lane.stream.bytesReceived, 0),
      receiptsVerified,
    };
  }

  /** Checks every receipt in an answer against the genesis; throws when one does not hold. */
  #check(sender: Sender, answer: Buffer): number {
    const response = decodeResponse(answer);
    let verified = 0;
    for (const batch of response.finalized) {
      const certificate = certificateFromWire(batch.certificate);
      if (!certificate.ok) throw certificate.error;
      const proven = this.#verifier.block(new Uint8Array(batch.header), certificate.value, 'validator');
      for (const { number, result, index, path } of batch.transactions) {
        const transaction = sender.prepared[number];
        if (transaction === undefined)
          throw new Error(`An answer names transaction ${number}, which was not sent.`);
        const inclusion = { result: new Uint8Array(result), index, path };
        const receipt = this.#verifier.inclusion(proven, inclusion, transaction.txId, 'validator');
        if (receipt.code !== 'OK') throw new Error(`A transfer ended with ${receipt.code}.`);
        verified++;
      }
    }
    return verified;
  }

  #clientOf(index: number): QuaestorClient {
    const member = this.#setup.members[index];
    if (member === undefined) throw new RangeError(`there is no member ${index}`);
    return (this.#clients[index] ??= QuaestorClient.connect({
      validators: this.#setup.validators,
      tls: member.tls,
      genesis: this.#genesis,
      preferredValidator: index % this.#setup.validators.length,
    }));
  }

  async unary(order: UnaryOrder): Promise<LoadResult> {
    const durations = new Durations();
    const cpu = process.cpuUsage();
    const startMs = now();
    let committed = 0;
    let turn = 0;
    const submitNext = async (dueMs: number): Promise<boolean> => {
      const index = turn++ % this.#senders.length;
      const sender = this.#senders[index];
      const transaction = sender?.prepared[sender.next];
      if (sender === undefined || transaction === undefined) return false;
      sender.next++;
      await this.#clientOf(index).submit(transaction);
      durations.add(now() - dueMs);
      committed++;
      return true;
    };
    if (order.transfersPerSecond === undefined) {
      const worker = async (): Promise<void> => {
        while (now() - startMs < order.durationMs && (await submitNext(now())));
      };
      await Promise.all(Array.from({ length: order.concurrency ?? 1 }, worker));
    } else {
      const intervalMs = 1000 / order.transfersPerSecond;
      const open: Promise<boolean>[] = [];
      for (let dueMs = startMs; dueMs - startMs < order.durationMs; dueMs += intervalMs) {
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - now())));
        open.push(submitNext(dueMs));
      }
      await Promise.all(open);
    }
    const used = process.cpuUsage(cpu);
    return {
      committed,
      elapsedMs: now() - startMs,
      ...durations.summary(),
      cpuMs: (used.user + used.system) / 1000,
      bytesSent: 0,
      bytesReceived: 0,
      receiptsVerified: committed,
    };
  }

  async sdk({ inFlight, durationMs }: SdkOrder): Promise<LoadResult> {
    const durations = new Durations();
    const cpu = process.cpuUsage();
    const startMs = now();
    let committed = 0;
    await Promise.all(
      this.#senders.map(async (sender, index) => {
        const sentMs: number[] = [];
        const input = function* (): Generator<SignedTransaction> {
          while (now() - startMs < durationMs) {
            const transaction = sender.prepared[sender.next++];
            if (transaction === undefined) return;
            sentMs.push(now());
            yield transaction;
          }
        };
        const maxInFlight = Math.max(1, Math.floor(inFlight / this.#senders.length));
        for await (const outcome of this.#clientOf(index).submitMany(input(), { maxInFlight })) {
          if (outcome.kind === 'refused') throw new Error(`A transfer was refused: ${outcome.message}`);
          durations.add(now() - (sentMs[outcome.position] ?? 0));
          committed++;
        }
      }),
    );
    const used = process.cpuUsage(cpu);
    return {
      committed,
      elapsedMs: now() - startMs,
      ...durations.summary(),
      cpuMs: (used.user + used.system) / 1000,
      bytesSent: 0,
      bytesReceived: 0,
      receiptsVerified: committed,
    };
  }
}

/** A member's stream during a run. */
interface Lane {
  readonly sender: Sender;
  readonly stream: LeanStream;
  inFlight: number;
  readonly left: number;
}

class StreamRun {
  readonly lanes: readonly Lane[];
  readonly durations = new Durations();
  readonly finished: Promise<void>;
  /** Answers that are checked after the run. */
  readonly kept: { readonly sender: Sender; readonly bytes: Buffer }[] = [];
  committed = 0;
  lastAnswerMs = 0;
  ending = false;
  answered: (lane: Lane) => void = () => undefined;
  #answers = 0;
  #finish: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(senders: readonly Sender[], setup: LoadSetup, network: string) {
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    this.lanes = senders.map((sender, index) => {
      const sentMs: number[] = (this.#sentMs[index] = []);
      const address = setup.validators[index % setup.validators.length]?.address ?? '';
      const lane: Lane = {
        sender,
        inFlight: 0,
        get left() {
          return sender.prepared.length - sender.next;
        },
        stream: new LeanStream(address, sender.member.tls, network, {
          finalized: (number) => this.#finalized(lane, sentMs[number] ?? 0),
          refused: (message) =>
            this.#fail(new Error(`A transfer was refused: ${Buffer.from(message).toString('latin1')}`)),
          message: (bytes) => this.#message(lane, bytes),
          failed: (error) => this.#fail(error),
        }),
      };
      return lane;
    });
  }

  readonly #sentMs: number[][] = [];

  /** Sends the next transactions of a lane; `times` says since when they count. */
  send(lane: Lane, count: number, times: number | readonly number[]): void {
    const { sender } = lane;
    const sentMs = this.#sentMs[this.lanes.indexOf(lane)] ?? [];
    const first = sender.next;
    const transactions = sender.prepared.slice(first, first + count);
    for (let index = 0; index < transactions.length; index++) {
      sentMs[first + index] = typeof times === 'number' ? times : (times[index] ?? 0);
    }
    sender.next += transactions.length;
    lane.inFlight += transactions.length;
    lane.stream.send(
      transactions.map(({ bytes }) => bytes),
      first,
    );
  }

  #finalized(lane: Lane, sentMs: number): void {
    this.durations.add(this.lastAnswerMs - sentMs);
    this.committed++;
    lane.inFlight--;
  }

  #message(lane: Lane, bytes: Buffer): void {
    this.lastAnswerMs = now();
    if (this.#answers++ % checkOneIn === 0 && this.kept.length < maxKeptAnswers)
      this.kept.push({ sender: lane.sender, bytes });
    // The numbers in it are read after this.
    queueMicrotask(() => {
      this.answered(lane);
      this.#finishIfDone();
    });
  }

  /** Sends no more; the run is over when all that was sent is final. */
  end(): void {
    this.ending = true;
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    const open = this.lanes.some((lane) => lane.inFlight > 0 || (!this.ending && lane.left > 0));
    if (!open) this.#finish();
  }

  close(): void {
    for (const lane of this.lanes) lane.stream.close();
  }
}

const service = loadProtocol('quaestor/ledger/v1/ledger_service.proto').definition[
  'quaestor.ledger.v1.LedgerService'
] as unknown as Record<'SubmitStream', { responseDeserialize(bytes: Buffer): SubmitStreamResponse__Output }>;
const decodeResponse = (bytes: Buffer): SubmitStreamResponse__Output =>
  service.SubmitStream.responseDeserialize(bytes);

let generator: LoadGenerator | undefined;

async function obey(order: LoadOrder): Promise<LoadResult | undefined> {
  if (order.kind === 'setup') {
    generator = await LoadGenerator.create(order);
    return undefined;
  }
  if (generator === undefined) throw new Error('the load generator was not set up');
  switch (order.kind) {
    case 'prepare':
      await generator.prepare(order.transactions, order.height);
      return undefined;
    case 'closed':
      return generator.closed(order);
    case 'open':
      return generator.open(order);
    case 'unary':
      return generator.unary(order);
    case 'sdk':
      return generator.sdk(order);
  }
}

process.on('message', (order: LoadOrder) => {
  const reply = (message: LoadReply): void => void process.send?.(message);
  obey(order).then(
    (result) => reply({ kind: 'done', result }),
    (error: unknown) =>
      reply({
        kind: 'failed',
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
  );
});
process.once('disconnect', () => process.exit(0));
