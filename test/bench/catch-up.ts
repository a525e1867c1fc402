/**
 * How long a replica that was away needs, against the floor: reading and verifying the same blocks with nothing else
 * running (certificate, hashes, and what clients signed; it executes nothing and writes nothing). Another thread serves, as
 * another machine would. For copies of a state see state-copy.ts.
 * node .ci/run-ts.mjs test/bench/catch-up.ts [blocks] [transactions a block] [accounts]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValidatorSet } from '../../src/codec/index.js';
import { validatorSetHash } from '../../src/crypto/index.js';
import { createVerifierPool, installNativeSha256 } from '../../src/crypto/native/index.js';
import { decodeTransaction, genesisChainId } from '../../src/ledger/index.js';
import { systemClock } from '../../src/node/clock.js';
import { createReplicaOn } from '../../src/node/replica.js';
import { serveBlocks } from '../../src/node/serve-peers.js';
import { openStore, type Store } from '../../src/storage/index.js';
import { verifyBlock } from '../../src/sync/index.js';
import { asHeight, asValidatorIndex, asView } from '../../src/types/index.js';
import { patientSettings, silentObserver } from '../helpers/driver-net.js';
import { ExecutedChain } from '../helpers/executed-chain.js';
import { testGenesis } from '../helpers/fake-ledger.js';
import { CatchUpPeer } from './catch-up-peer.js';

const [blocks = 1000, perBlock = 20, accounts = 50_000] = process.argv.slice(2).map(Number);
installNativeSha256();
const dir = await mkdtemp(join(tmpdir(), 'quaestor-catch-up-'));
const { genesis, validatorKeys } = testGenesis(4, accounts);
const chainId = genesisChainId(genesis);
const place = (name: string) => ({
  dir: join(dir, name),
  engine: 'auto' as const,
  chainId,
  validator: 'v3',
  createIfMissing: true,
});
async function storeAt(name: string): Promise<Store> {
  const opened = await openStore(place(name));
  if (!opened.ok) throw opened.error;
  return opened.value;
}
const full = await storeAt('full');
const chain = await ExecutedChain.create({
  store: full,
  genesis,
  keys: validatorKeys,
  transactionsPerBlock: perBlock,
  payee: (number) => `X${String(number % accounts).padStart(5, '0')}`,
});
await chain.append(blocks);
const verifier = createVerifierPool({ threads: 1 });
const validatorSet = firstValidatorSet(genesis.validators);
const electorate = { chainId, validatorSet, validatorSetHash: validatorSetHash(validatorSet) };
const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
};

const read = async (clients: boolean): Promise<void> => {
  for await (const block of serveBlocks(full, asHeight(1), blocks)) {
    const { height } = block.certificate;
    const checked = await verifyBlock(block, height, electorate, verifier);
    if (!checked.ok) throw new Error(checked.error);
    if (!clients) continue;
    const checks = block.envelopes.flatMap((envelope) => {
      const decoded = decodeTransaction(envelope, chainId);
      if (!decoded.ok) throw new Error(decoded.error.message);
      return decoded.value.checks;
    });
    if (!(await verifier.verify(checks)).every(Boolean)) throw new Error('a signature is wrong');
  }
};
const certificates = await seconds(() => read(false));
const floor = await seconds(() => read(true));

await full.close();
const peer = new CatchUpPeer(place('full'));

const behind = await storeAt('behind');
const halts: string[] = [];
const ignore = (): void => undefined;
const { driver } = await createReplicaOn({
  genesis,
  self: asValidatorIndex(3),
  settings: { ...patientSettings, treeBytes: 64 * 1024 * 1024 },
  ports: {
    clock: systemClock,
    store: behind,
    peers: {
      sendConsensus: ignore,
      sendStatus: ignore,
      relayTransactions: ignore,
      requestBodies: ignore,
      sendBodies: ignore,
      sendEvidence: ignore,
      connected: () => [0, 1, 2].map(asValidatorIndex),
    },
    verifier,
    signer: validatorKeys[3],
  },
  blocks: { fetchBlocks: (_peer, { fromHeight, maxBlocks }) => peer.fetchBlocks(fromHeight, maxBlocks) },
  observer: silentObserver(halts),
});
driver.start();
const caughtUp = await seconds(async () => {
  const status = {
    view: asView(0),
    viewChangeInProgress: false,
    committedHeight: asHeight(blocks),
    stableCheckpointHeight: asHeight(0),
  };
  for (const peer of [0, 1, 2].map(asValidatorIndex)) driver.receiveStatus(peer, status);
  while ((behind.head()?.height ?? 0) < blocks && halts.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});
if (halts.length > 0) throw new Error(halts.join('\n'));
await driver.stop();

const times = (value: number, of: number): string =>
  `${value.toFixed(2)} s (${(value / of).toFixed(2)} times)`;
process.stdout.write(
  `leveldb, ${blocks} blocks of ${perBlock}, ${accounts} accounts: reading and verifying ${floor.toFixed(2)} s ` +
    `(certificates and hashes alone ${certificates.toFixed(2)} s), catching up ${times(caughtUp, floor)}\n`,
);
await Promise.all([peer.close(), behind.close(), verifier.close()]);
await rm(dir, { recursive: true, force: true });
