import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import type { LedgerServiceClient } from '../../../src/codec/wire/quaestor/ledger/v1/LedgerService.js';
import { decodeTransactionEnvelope, decodeTransactionResult } from '../../../src/codec/index.js';
import type { SubmitResponse__Output } from '../../../src/codec/wire/quaestor/ledger/v1/SubmitResponse.js';
import { merkleLeafHash, merkleRootFromPath } from '../../../src/crypto/index.js';
import { decodeBlockHeader } from '../../../src/codec/index.js';
import type { SignedTransaction } from '../../../src/client/index.js';
import {
  grpcCredentials,
  invoke,
  rawClient,
  serve,
  signedTransfer,
  TestPki,
  type TestServer,
} from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let pki: TestPki;
let chain: FakeChain;
let server: TestServer;
let client: LedgerServiceClient;
const open: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pki = await TestPki.create();
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(limits: Parameters<typeof serve>[2] = {}): Promise<void> {
  chain = await FakeChain.create();
  server = await serve(new FakeNode(chain), pki, limits);
  open.push(() => server.server.close(200));
  client = rawClient(server.address, grpcCredentials(await pki.issue('member', 'alpha')));
  open.push(() => client.close());
}

function submit(
  transaction: SignedTransaction,
  timeoutMs?: number,
  through = client,
): ReturnType<typeof invoke<object, SubmitResponse__Output>> {
  const envelope = decodeTransactionEnvelope(transaction.bytes);
  if (!envelope.ok) throw envelope.error;
  const { payload, signatures } = envelope.value;
  return invoke<object, SubmitResponse__Output>(
    (request, options, callback) => through.submit(request, options, callback),
    { envelope: { payload, signatures: [...signatures] } },
    timeoutMs,
  );
}

describe('Submit', () => {
  it('answers with a receipt whose path leads to the results root of the certified header', async () => {
    await start();
    const transaction = await signedTransfer(chain);
    const { response } = await submit(transaction);
    const receipt = response!.receipt!;
    const header = decodeBlockHeader(receipt.header);
    const result = decodeTransactionResult(receipt.result);
    if (!header.ok || !result.ok) throw new Error('undecodable receipt');
    expect(new Uint8Array(response!.txId)).toEqual(transaction.txId);
    expect(result.value).toMatchObject({ code: 'OK', txId: transaction.txId });
    const root = merkleRootFromPath(
      merkleLeafHash(receipt.result),
      receipt.index,
      header.value.transactionCount,
      receipt.path,
    );
    expect(root).toEqual(header.value.resultsRoot);
    expect(receipt.certificate!.signatures).toHaveLength(3);
  });

  it('answers a repeated submission with the same receipt, and executes once', async () => {
    await start();
    const transaction = await signedTransfer(chain);
    const first = await submit(transaction);
    const second = await submit(transaction);
    expect(second.response).toEqual(first.response);
    expect([...chain.executions.values()]).toEqual([1]);
  });

  it('attaches two callers to one pending transaction', async () => {
    await start();
    chain.held = true;
    const transaction = await signedTransfer(chain);
    const both = [submit(transaction), submit(transaction)];
    await until(() => server.node.submitted === 2 && chain.pendingCount === 1);
    chain.release();
    const [left, right] = await Promise.all(both);
    expect(left!.response).toBeDefined();
    expect(right!.response).toEqual(left!.response);
  });

  it('answers with the receipt of a transaction that failed on the ledger', async () => {
    await start();
    const { response } = await submit(await signedTransfer(chain, { amount: 10n ** 20n }));
    const result = decodeTransactionResult(response!.receipt!.result);
    expect(result.ok && result.value).toMatchObject({ code: 'INSUFFICIENT_FUNDS', failedOperation: 1 });
  });

  it.each([
    ['another chain', 'SIGNATURE_INVALID', status.INVALID_ARGUMENT],
    ['another sender', 'SENDER_MISMATCH', status.PERMISSION_DENIED],
    ['a wrong signer key', 'SIGNATURE_INVALID', status.INVALID_ARGUMENT],
    ['a past height', 'EXPIRED', status.FAILED_PRECONDITION],
  ])('refuses %s with reason %s', async (what, reason, code) => {
    await start();
    let transaction: SignedTransaction;
    if (what === 'another chain') {
      const other = await FakeChain.create({ validators: 7 });
      transaction = await signedTransfer(other);
    } else if (what === 'another sender') {
      transaction = await signedTransfer(chain, { sender: 'beta' });
    } else if (what === 'a past height') {
      await chain.commit();
      transaction = await signedTransfer(chain, { validFor: 0 });
    } else {
      transaction = await signedTransfer(chain);
      const bytes = Uint8Array.from(transaction.bytes);
      bytes[bytes.length - 1]! ^= 1;
      transaction = { ...transaction, bytes };
    }
    const { error, info } = await submit(transaction);
    expect({ code: error!.code, ...info }).toMatchObject({ code, reason, domain: 'quaestor' });
    expect(server.metrics.refusals.get(reason as 'EXPIRED')).toBe(1);
    expect(server.metrics.inFlight).toBe(0);
  });

  it.each([
    ['no envelope', {}, 'ENVELOPE_MALFORMED'],
    ['no signature', { envelope: { payload: new Uint8Array(40), signatures: [] } }, 'ENVELOPE_MALFORMED'],
    [
      'a key of 31 bytes',
      {
        envelope: {
          payload: new Uint8Array(40),
          signatures: [{ publicKey: new Uint8Array(31), signature: new Uint8Array(64) }],
        },
      },
      'ENVELOPE_MALFORMED',
    ],
    [
      'a payload above 64 KiB',
      {
        envelope: {
          payload: new Uint8Array(64 * 1024 + 1),
          signatures: [{ publicKey: new Uint8Array(32), signature: new Uint8Array(64) }],
        },
      },
      'ENVELOPE_TOO_LARGE',
    ],
    [
      'a payload of rubbish',
      {
        envelope: {
          payload: new Uint8Array(40).fill(0xff),
          signatures: [{ publicKey: new Uint8Array(32), signature: new Uint8Array(64) }],
        },
      },
      'ENVELOPE_MALFORMED',
    ],
  ])('refuses %s before the node sees it', async (_what, request, reason) => {
    await start();
    const { error, info } = await invoke(
      (body, options, callback) => client.submit(body, options, callback),
      request,
    );
    expect(error!.code).toBe(status.INVALID_ARGUMENT);
    expect(info!.reason).toBe(reason);
    expect(server.node.submitted).toBe(0);
  });

  it('refuses a message above the size limit', async () => {
    await start();
    const payload = new Uint8Array(5 * 1024 * 1024);
    const { error } = await invoke((body, options, callback) => client.submit(body, options, callback), {
      envelope: { payload, signatures: [] },
    });
    expect(error!.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(server.node.submitted).toBe(0);
  });

  it('says "no quorum" just before the deadline when too few validators are reachable, and commits later', async () => {
    await start();
    chain.held = true;
    server.node.quorum = false;
    const transaction = await signedTransfer(chain);
    const { error, info } = await submit(transaction, 4000);
    expect(error!.code).toBe(status.DEADLINE_EXCEEDED);
    expect(error!.details).toMatch(/no quorum: 2 of 4 validators .* may still commit/);
    expect(info).toMatchObject({ reason: 'NO_QUORUM', metadata: { quorum: '3', reachable: '2' } });

    server.node.quorum = true;
    chain.release();
    const again = await submit(transaction);
    expect(again.response!.receipt).not.toBeNull();
    expect([...chain.executions.values()]).toEqual([1]);
  });

  it('says that the outcome is unknown at the deadline when there is a quorum', async () => {
    await start();
    chain.held = true;
    const { error, info } = await submit(await signedTransfer(chain), 3000);
    expect(error!.code).toBe(status.DEADLINE_EXCEEDED);
    expect(info!.reason).toBe('OUTCOME_UNKNOWN');
  });

  it('answers a call without a deadline after the default wait', async () => {
    await start({ defaultSubmitWaitMs: 50 });
    chain.held = true;
    const { info } = await submit(await signedTransfer(chain), Infinity);
    expect(info!.reason).toBe('OUTCOME_UNKNOWN');
  });

  it('refuses a member with too many transactions in flight, and takes more when some are final', async () => {
    await start({ maxInFlightPerMember: 2 });
    chain.held = true;
    const waiting = [submit(await signedTransfer(chain)), submit(await signedTransfer(chain))];
    await until(() => chain.pendingCount === 2);
    const third = await signedTransfer(chain);
    const { error, info } = await submit(third);
    expect(error!.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(info!.reason).toBe('QUOTA_EXCEEDED');
    chain.release();
    await Promise.all(waiting);
    expect((await submit(third)).response).toBeDefined();
  });

  it('sends clients to another validator while the node is not ready', async () => {
    await start();
    server.node.isReady = false;
    const { error, info } = await submit(await signedTransfer(chain));
    expect([error!.code, info!.reason]).toEqual([status.UNAVAILABLE, 'NOT_READY']);
    expect(error!.details).toMatch(/catching up/);
    expect(server.node.submitted).toBe(0);
  });

  it('drops the wait of a caller that cancels, not the transaction', async () => {
    await start();
    chain.held = true;
    const transaction = await signedTransfer(chain);
    const envelope = decodeTransactionEnvelope(transaction.bytes);
    if (!envelope.ok) throw envelope.error;
    const call = client.submit(
      { envelope: { payload: envelope.value.payload, signatures: [...envelope.value.signatures] } },
      () => undefined,
    );
    await until(() => chain.pendingCount === 1);
    call.cancel();
    await until(() => server.metrics.inFlight === 0 && server.node.handles.size === 0);
    expect(chain.pendingCount).toBe(1);
    expect(server.metrics.calls).toEqual([{ method: 'LedgerService/Submit', code: 'CANCELLED' }]);
  });

  it('ends waiting calls with UNAVAILABLE when the server stops', async () => {
    await start();
    chain.held = true;
    const waiting = submit(await signedTransfer(chain));
    await until(() => chain.pendingCount === 1);
    await server.server.close();
    const { error, info } = await waiting;
    expect(error!.code).toBe(status.UNAVAILABLE);
    expect(info!.reason).toBe('SHUTTING_DOWN');
  });

  it('turns a defect into INTERNAL with an id, and keeps its message and stack in the log', async () => {
    await start();
    server.node.defect = new Error('secret detail');
    const { error, info } = await submit(await signedTransfer(chain));
    expect(error!.code).toBe(status.INTERNAL);
    expect(info!.reason).toBe('INTERNAL');
    const shown = `${error!.details} ${JSON.stringify(error!.metadata.toJSON())}`;
    expect(shown).not.toMatch(/secret|\.ts|\bat /);
    expect(server.log).toMatchObject([
      { level: 'error', fields: { code: 'API_DEFECT', errorId: info!.metadata['errorId'] } },
    ]);
  });
});
