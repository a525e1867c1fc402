/**
 * Where tests of bad input sit: a network, the keys of three members, connections to every validator, and a list of what
 * must be on the chain in the end.
 */
import type { ServiceError, status } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import {
  readSignedTransaction,
  TransactionFailedError,
  type ClientTls,
  type QuaestorClient,
  type SignedTransaction,
} from '../../src/client/index.js';
import type { Operation } from '../../src/codec/index.js';
import type { LedgerServiceClient } from '../../src/codec/wire/quaestor/ledger/v1/LedgerService.js';
import type { SubmitResponse__Output } from '../../src/codec/wire/quaestor/ledger/v1/SubmitResponse.js';
import type { SubmitStreamResponse__Output } from '../../src/codec/wire/quaestor/ledger/v1/SubmitStreamResponse.js';
import { toHex } from '../../src/types/index.js';
import { grpcCredentials, infoOf, invoke, rawClient } from '../helpers/api-servers.js';
import { eventually } from '../helpers/eventually.js';
import { auditStores } from './audit.js';
import { envelopeBytes, freshKey, payloadOf, sealed, transferOf, type Envelope } from './envelopes.js';
import { routes } from './load.js';
import { TestNetwork, type TestMember } from './network.js';

/** Alba's account, the one that it pays to, and one that is not Alba's. */
export const { fromAccount: A, toAccount: B } = routes.alba;
export const { fromAccount: othersAccount } = routes.borealis;

export class Desk {
  readonly network: TestNetwork;
  readonly alba: TestMember;
  readonly borealis: TestMember;
  readonly clearing: TestMember;
  /** One plain gRPC client for each validator, with Alba's certificate. */
  readonly raws: readonly LedgerServiceClient[];
  /** Alba's, through all validators. */
  readonly client: QuaestorClient;
  /** Result of every transaction that must be on the chain in the end; nothing else may be there. */
  readonly onChain = new Map<string, string>();
  #turn = 0;

  /** Starts a network and commits a few blocks, so that heights have passed. */
  static async open(): Promise<Desk> {
    const network = await TestNetwork.start();
    const [alba, borealis, clearing] = (await Promise.all(
      ['bank-alba', 'bank-borealis', 'clearing-delta'].map((name) => network.member(name)),
    )) as [TestMember, TestMember, TestMember];
    const desk = new Desk(network, alba, borealis, clearing);
    for (let round = 0; round < 3; round++) await desk.settle(await desk.pays(1n), 'OK');
    return desk;
  }

  private constructor(network: TestNetwork, alba: TestMember, borealis: TestMember, clearing: TestMember) {
    this.network = network;
    this.alba = alba;
    this.borealis = borealis;
    this.clearing = clearing;
    this.raws = network.validators.map(({ clientAddress }) => rawTo(clientAddress, alba.tls));
    this.client = network.connect(network.clientOptions(alba.tls));
  }

  async close(): Promise<void> {
    for (const raw of this.raws) raw.close();
    await this.network.close();
  }

  /** A height until which a transaction may well be valid. */
  async until(): Promise<number> {
    return (await this.client.currentHeight()) + 500;
  }

  /** Canonical payload of Alba's. */
  async payload(operations: readonly Operation[], idempotencyKey = freshKey()): Promise<Uint8Array> {
    return payloadOf({
      sender: 'bank-alba',
      operations,
      validUntilHeight: await this.until(),
      idempotencyKey,
    });
  }

  /** Any bytes as a payload, signed by Alba. */
  sealed(payload: Uint8Array): Promise<Envelope> {
    return sealed(payload, this.alba.signer, this.network.chainId);
  }

  async asks(...operations: readonly Operation[]): Promise<Envelope> {
    return this.sealed(await this.payload(operations));
  }

  pays(amount: bigint): Promise<Envelope> {
    return this.asks(transferOf(A, B, 'EUR', amount));
  }

  signed(envelope: Envelope): SignedTransaction {
    const read = readSignedTransaction(envelopeBytes(envelope), this.network.chainId);
    if (!read.ok) throw read.error;
    return read.value;
  }

  /** Notes that an envelope has to be on the chain in the end. */
  expectOnChain(envelope: Envelope, code = 'OK'): void {
    this.onChain.set(toHex(this.signed(envelope).txId), code);
  }

  /** Submits what ends up in a block, and checks how it ends. */
  async settle(envelope: Envelope, code: string, by = this.client): Promise<void> {
    const transaction = this.signed(envelope);
    this.expectOnChain(envelope, code);
    if (code === 'OK') {
      expect((await by.submit(transaction)).code).toBe('OK');
      return;
    }
    const failure: unknown = await by.submit(transaction).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TransactionFailedError);
    expect((failure as TransactionFailedError).transaction.code).toBe(code);
    expect((failure as TransactionFailedError).message).toContain(code);
  }

  /** Submits to the validators in turn, by Submit and by SubmitStream, and expects the same refusal from both. */
  async expectRefused(envelope: Envelope, reason: string, code: status): Promise<void> {
    const raw = this.raws[this.#turn++ % this.raws.length]!;
    const answer = await submitTo(raw, envelope);
    expect({ reason: answer.info?.reason, code: answer.error?.code }).toEqual({ reason, code });
    expectSentence(answer.error!.details);
    const [streamed] = await streamTo(raw, [envelopeBytes(envelope)]);
    expect(streamed).toMatchObject({ outcome: reason, statusCode: code });
    expectSentence(streamed!.message);
  }

  /** What an account holds once all that was submitted is final everywhere, by whatever connection it came. */
  async balance(account: string, asset: string): Promise<bigint> {
    await this.network.agreed();
    const state = await this.client.getAccount(account, { assets: [asset] });
    return state.balances.find((holding) => holding.asset === asset)?.amount ?? 0n;
  }

  /** Checks that the validators work as before, logged no defect, and hold what was acknowledged and nothing else. */
  async expectUntouched(): Promise<void> {
    const { network } = this;
    for (const validator of network.validators) await validator.ready();
    await this.settle(await this.pays(1n), 'OK');
    await network.agreed();
    await network.stopAll();
    expect(network.logTails(100_000)).not.toMatch(/ ERROR |DEFECT|EQUIVOCATION|PEER_MISBEHAVED/);
    const wanted = new Map([...this.onChain].map(([id, code]) => [id, [code]]));
    for (const chain of await auditStores(network)) {
      expect(chain.faults).toEqual([]);
      const found = [...chain.transactions].map(([id, places]): [string, string[]] => [
        id,
        places.map(({ code }) => code),
      ]);
      expect(new Map(found)).toEqual(wanted);
    }
  }
}

export const rawTo = (address: string, tls: ClientTls): LedgerServiceClient =>
  rawClient(address, grpcCredentials(tls), { 'grpc.ssl_target_name_override': 'localhost' });

/** Says something to people, perhaps of a field, and nothing of the inside. */
export function expectSentence(text: string): void {
  expect(text).toMatch(/^([A-Z]|[a-z_]+\b).{15,}\.$/s);
  expect(text).not.toMatch(/\bat .*\.[jt]s:|undefined|\[object|Error:/);
}

export interface Answer {
  readonly response?: SubmitResponse__Output;
  readonly error?: ServiceError;
  readonly info?: { readonly reason: string };
}

/** Calls Submit. A validator that is catching up sends clients elsewhere; here it is waited for instead. */
export async function submitTo(raw: LedgerServiceClient, envelope: Envelope): Promise<Answer> {
  let answer: Answer = {};
  await eventually('the validator takes transactions', async () => {
    const request = { envelope: { ...envelope, signatures: [...envelope.signatures] } };
    answer = await invoke(raw.submit.bind(raw) as never, request, 20_000);
    return answer.info?.reason !== 'NOT_READY';
  });
  return answer;
}

export interface StreamOutcome {
  readonly number: number;
  readonly outcome: string;
  readonly statusCode: number;
  readonly message: string;
}

/** Submits bytes over one stream, of a validator that is waited for as in submitTo; resolves with all outcomes in order
 * of the numbers, rejects with the error that ended the stream. */
export async function streamTo(
  raw: LedgerServiceClient,
  envelopes: readonly Uint8Array[],
): Promise<readonly StreamOutcome[]> {
  let ended: readonly StreamOutcome[] | ServiceError = [];
  await eventually('the validator takes transactions', async () => {
    ended = await streamOnce(raw, envelopes);
    return !(ended instanceof Error && infoOf(ended).info?.reason === 'NOT_READY');
  });
  if (ended instanceof Error) throw ended;
  return ended;
}

function streamOnce(
  raw: LedgerServiceClient,
  envelopes: readonly Uint8Array[],
): Promise<readonly StreamOutcome[] | ServiceError> {
  return new Promise((resolve) => {
    const call = raw.submitStream();
    const outcomes: StreamOutcome[] = [];
    call.on('data', ({ refused, finalized }: SubmitStreamResponse__Output) => {
      for (const { number, reason, statusCode, message } of refused) {
        outcomes.push({ number, outcome: reason, statusCode, message });
      }
      for (const { transactions } of finalized) {
        for (const { number } of transactions) {
          outcomes.push({ number, outcome: 'FINAL', statusCode: 0, message: '' });
        }
      }
      if (outcomes.length === envelopes.length) call.end();
    });
    call.on('error', resolve);
    call.on('end', () => resolve(outcomes.sort((left, right) => left.number - right.number)));
    call.write({ envelopes: envelopes.map((bytes) => Buffer.from(bytes)), firstNumber: 0 });
  });
}
