import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  QuaestorClient,
  VerificationError,
  type Block,
  type FollowOptions,
} from '../../../src/client/index.js';
import { decodeBlockHeader, encodeBlockHeader } from '../../../src/codec/index.js';
import { headerDigest } from '../../../src/crypto/index.js';
import { asDigest, asHeight } from '../../../src/types/index.js';
import { serve, signedTransfer, TestPki, type TestServer } from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let pki: TestPki;
let chain: FakeChain;
let servers: TestServer[];
const open: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pki = await TestPki.create();
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(count: number, blocks: number): Promise<QuaestorClient> {
  chain = await FakeChain.create();
  for (let height = 1; height <= blocks; height++) await chain.commit();
  servers = [];
  for (let index = 0; index < count; index++) {
    const server = await serve(new FakeNode(chain, index), pki, { heartbeatMs: 30 });
    servers.push(server);
    open.push(() => server.server.close(50));
  }
  const client = QuaestorClient.connect({
    validators: servers.map(({ address }) => ({ address })),
    tls: await pki.issue('member', 'alpha'),
    genesis: chain.genesis,
    preferredValidator: 0,
  });
  open.push(() => client.close());
  return client;
}

/** Follows in the background. */
function follow(
  client: QuaestorClient,
  options: FollowOptions,
): { blocks: Block[]; ended: Promise<unknown> } {
  const blocks: Block[] = [];
  const ended = (async (): Promise<unknown> => {
    try {
      for await (const block of client.blocks(options)) blocks.push(block);
      return undefined;
    } catch (error) {
      return error;
    }
  })();
  return { blocks, ended };
}

const heights = (blocks: readonly Block[]): number[] => blocks.map(({ header }) => header.height);
const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('blocks', () => {
  it('gives old and new blocks in order, with their transactions when asked', async () => {
    const client = await start(1, 5);
    const { blocks } = follow(client, { fromHeight: asHeight(2), transactions: true });
    await until(() => blocks.length === 4);
    const transaction = await signedTransfer(chain);
    chain.admit(
      transaction.bytes,
      0,
      { finalized: () => undefined, refused: () => undefined },
      { open: true },
    );
    await until(() => blocks.length === 5);
    expect(heights(blocks)).toEqual(range(2, 6));
    expect(blocks[4]!.results).toMatchObject([{ txId: transaction.txId, code: 'OK' }]);
  });

  it('goes on with another validator without gap or repeat when one stops', async () => {
    const client = await start(3, 10);
    const { blocks } = follow(client, { fromHeight: asHeight(1) });
    await until(() => blocks.length === 10);
    await servers[0]!.server.close(0);
    for (let round = 0; round < 5; round++) await chain.commit();
    await until(() => blocks.length === 15);
    await servers[1]!.server.close(0);
    for (let round = 0; round < 5; round++) await chain.commit();
    await until(() => blocks.length === 20);
    expect(heights(blocks)).toEqual(range(1, 20));
  });

  it('leaves a validator that falls silent', async () => {
    const client = await start(2, 3);
    const { blocks } = follow(client, { fromHeight: asHeight(1), silenceTimeoutMs: 100 });
    await until(() => blocks.length === 3);
    // From now on the first validator neither sends blocks nor heartbeats.
    servers[0]!.node.block = () => new Promise(() => undefined);
    servers[0]!.node.header = () => new Promise(() => undefined);
    await chain.commit();
    await until(() => blocks.length === 4);
    expect(heights(blocks)).toEqual(range(1, 4));
  });

  it('does not take a slow caller for a silent validator', async () => {
    const client = await start(1, 3);
    const seen: number[] = [];
    for await (const block of client.blocks({ fromHeight: asHeight(1), silenceTimeoutMs: 60 })) {
      seen.push(block.header.height);
      await new Promise((resolve) => setTimeout(resolve, 80));
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(servers[0]!.metrics.calls.length).toBeLessThanOrEqual(1);
  });

  it('rejects a block that does not link to the one before, though a quorum signed it', async () => {
    const client = await start(1, 3);
    servers[0]!.node.tamper = (block) => {
      if (block.height !== 3) return block;
      const header = decodeBlockHeader(block.headerBytes);
      if (!header.ok) throw header.error;
      const headerBytes = encodeBlockHeader({
        ...header.value,
        prevHash: asDigest(new Uint8Array(32).fill(1)),
      });
      return {
        ...block,
        headerBytes,
        digest: headerDigest(headerBytes),
        certificate: chain.certify(headerBytes),
      };
    };
    const { blocks, ended } = follow(client, { fromHeight: asHeight(1) });
    const error = await ended;
    expect(error).toBeInstanceOf(VerificationError);
    expect((error as Error).message).toMatch(/names another block as the one before/);
    expect(heights(blocks)).toEqual([1, 2]);
  });

  it('gets a block that one validator leaves out from another', async () => {
    const client = await start(2, 4);
    servers[0]!.node.header = (height) => Promise.resolve(chain.blocks[height === 3 ? 4 : height]);
    const { blocks } = follow(client, { fromHeight: asHeight(1) });
    await until(() => blocks.length === 4);
    expect(heights(blocks)).toEqual([1, 2, 3, 4]);
  });

  it('ends with the reason of the signal, and frees the stream when the caller breaks off', async () => {
    const client = await start(1, 2);
    const controller = new AbortController();
    const { blocks, ended } = follow(client, { fromHeight: asHeight(1), signal: controller.signal });
    await until(() => blocks.length === 2);
    controller.abort(new Error('enough'));
    expect(await ended).toMatchObject({ message: 'enough' });
    for await (const block of client.blocks({ fromHeight: asHeight(1) }))
      if (block.header.height === 1) break;
    await until(() => servers[0]!.metrics.open === 0);
  });

  it('throws what the validators refuse for good', async () => {
    const client = await start(1, 2);
    const { ended } = follow(client, { fromHeight: asHeight(0) });
    expect(await ended).toMatchObject({ code: 'INVALID_FIELD' });
  });
});
