/**
 * How long the copy of a state takes, against the time that its bytes alone take: the same entries fetched from the same
 * peers over the same connections (gRPC with mTLS on loopback; another thread serves, as other machines would), each
 * hashed as the tree has it (path and value), and written once to a file, synced chunk by chunk.
 * node .ci/run-ts.mjs test/bench/state-copy.ts [accounts] [rounds]
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256, stateKeyPath } from '../../src/crypto/index.js';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import { systemClock } from '../../src/node/clock.js';
import { openInstall, openStore, targetOf } from '../../src/storage/index.js';
import { copyState, type StateSource } from '../../src/sync/index.js';
import { asHeight, asValidatorIndex } from '../../src/types/index.js';
import { ExecutedChain } from '../helpers/executed-chain.js';
import { testGenesis } from '../helpers/fake-ledger.js';
import { network, newAuthority, tlsFor } from '../helpers/peer-networks.js';
import { networkOf, startPeers, type PeerIdentity } from './state-peer.js';

const [accounts = 200_000, rounds = 3] = process.argv.slice(2).map(Number);
const blocks = 4;
const peers = [1, 2, 3].map(asValidatorIndex);
installNativeSha256();
const dir = await mkdtemp(join(tmpdir(), 'quaestor-state-copy-'));
const { genesis, validatorKeys } = testGenesis(4, accounts);
const chainId = genesisChainId(genesis);
const place = (name: string) => ({
  dir: join(dir, name),
  engine: 'auto' as const,
  chainId,
  validator: 'v3',
  createIfMissing: true,
});
const made = await openStore(place('full'));
if (!made.ok) throw made.error;
const full = made.value;
const chain = await ExecutedChain.create({
  store: full,
  genesis,
  keys: validatorKeys,
  transactionsPerBlock: 20,
});
await chain.append(blocks);
const header = await full.header(asHeight(blocks));
if (header === undefined) throw new Error('the last block is there');
const target = targetOf(header);
await full.close();

const authority = await newAuthority();
const identities: PeerIdentity[] = [];
for (let index = 0; index < 4; index++) {
  const id = `bank-${index}`;
  const tls = await tlsFor(authority, { network, role: 'validator', id });
  identities.push({ id, key: generateKeyPairSync('ed25519').privateKey, tls });
}
const serving = await startPeers({ store: place('full'), chainId, identities });
const { peer, records } = networkOf({ chainId, identities }, 0, serving.ports, undefined);
await peer.start();
await records.until(() => peer.connected().length === peers.length);

/** Milliseconds, and those of CPU of this thread and of those that work for it; the serving thread counts too. */
async function measured(work: () => Promise<void>): Promise<{ readonly ms: number; readonly cpuMs: number }> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const ms = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000 };
}

let entries = 0;
let bytes = 0;

/** Fetches the segments as a copy would; what happens with a chunk is given. */
async function fetchAll(take: (chunk: Awaited<ReturnType<typeof firstOf>>) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    peers.map(async (from) => {
      for (let segment = next++; segment < 16; segment = next++) {
        const first = new Uint8Array(32);
        const until = new Uint8Array(32).fill(255);
        first[0] = segment << 4;
        until[0] = (segment << 4) | 15;
        const request = { height: target.height, from: first, until, deadlineMs: 600_000 };
        for await (const chunk of peer.fetchState(from, request)) await take(chunk);
      }
    }),
  );
}
const firstOf = async (chunks: ReturnType<StateSource['fetchState']>) => {
  for await (const chunk of chunks) return chunk;
  throw new Error('there is no chunk');
};

async function copyBytes(round: number): Promise<void> {
  entries = 0;
  bytes = 0;
  const file = await open(join(dir, `bytes-${round}`), 'w');
  await fetchAll(async (chunk) => {
    const parts: Uint8Array[] = [];
    for (const { key, value } of chunk.entries) {
      stateKeyPath(key);
      sha256(value);
      entries++;
      bytes += key.length + value.length;
      parts.push(Buffer.from(key, 'latin1'), value);
    }
    await file.write(Buffer.concat(parts));
    await file.datasync();
  });
  await file.close();
}

async function copyWhole(round: number): Promise<void> {
  const opened = await openInstall(place(`copy-${round}`));
  if (!opened.ok) throw opened.error;
  const install = opened.value;
  await install.begin(target);
  const end = await copyState({ sink: install, source: peer, peers, clock: systemClock });
  if (end !== 'complete') throw new Error(end);
  await install.finish({ log: [], evidence: [], headers: [] });
  await install.close();
}

const ratios: number[] = [];
for (let round = 0; round <= rounds; round++) {
  const floor = await measured(() => copyBytes(round));
  const copy = await measured(() => copyWhole(round));
  await Promise.all(
    [`bytes-${round}`, `copy-${round}`].map((name) => rm(join(dir, name), { recursive: true, force: true })),
  );
  // The first round warms up.
  if (round === 0) continue;
  const each = (ms: number): string => `${((1000 * ms) / entries).toFixed(2)} µs`;
  ratios.push(copy.ms / floor.ms);
  process.stdout.write(
    `${entries} entries, ${bytes} bytes: bytes alone ${floor.ms.toFixed(0)} ms (${each(floor.ms)} an entry, ` +
      `CPU ${each(floor.cpuMs)}), copy ${copy.ms.toFixed(0)} ms (${each(copy.ms)}, CPU ${each(copy.cpuMs)}): ` +
      `${(copy.ms / floor.ms).toFixed(2)} times\n`,
  );
}
ratios.sort((left, right) => left - right);
process.stdout.write(`median ${(ratios[ratios.length >> 1] ?? NaN).toFixed(2)} times\n`);
await peer.stop();
await serving.close();
await rm(dir, { recursive: true, force: true });
