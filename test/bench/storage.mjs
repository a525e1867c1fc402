// Measures what committing blocks costs: node test/bench/storage.mjs [leveldb|rocksdb|memory] [blocks] [accounts] [txs]
// With QUAESTOR_BENCH_KEEP=50 so many blocks and states are kept, and the rest is pruned meanwhile.
// A block has, per transaction: an envelope of 250 bytes, a result of 44, two state values, three nodes of the state
// tree of 300 bytes, two accounts touched. Run after `npm run build`. Prints one line of figures.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const dist = process.env.QUAESTOR_DIST ?? new URL('../../dist', import.meta.url).pathname;
const { createMemoryStore, MemoryDisk, openStore } = await import(`${dist}/storage/index.js`);
const { encodeBlockHeader } = await import(`${dist}/codec/index.js`);
const { headerDigest } = await import(`${dist}/crypto/index.js`);

const [engine = 'leveldb', blocks = '200', accounts = '100000', transactions = '500'] = process.argv.slice(2);
const perBlock = Number(transactions);
const dir = mkdtempSync(join(process.env.QUAESTOR_BENCH_DIR ?? tmpdir(), 'quaestor-bench-'));
const chainId = randomBytes(32);
/** CPU of the main thread so far; undefined off Linux. */
const mainThreadMs = () => {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return NaN;
  }
};
const keep = Number(process.env.QUAESTOR_BENCH_KEEP ?? 0);
let nextStale = [];
let pruning;
const pruned = { entries: 0 };
const random = (max) => Math.floor(Math.random() * max);
const accountName = (number) => `CH${String(number).padStart(19, '0')}`;
let parent;

function makeCommit() {
  const height = parent === undefined ? 0 : parent.height + 1;
  const count = height === 0 ? 0 : perBlock;
  const touchedAccounts = Array.from({ length: count }, () => [
    accountName(random(Number(accounts))),
    accountName(random(Number(accounts))),
  ]);
  const hash = () => new Uint8Array(randomBytes(32));
  const headerBytes = encodeBlockHeader({
    version: 1,
    chainId,
    height,
    view: 0,
    prevHash: parent?.digest ?? new Uint8Array(32),
    transactionsRoot: hash(),
    resultsRoot: hash(),
    stateRoot: hash(),
    validatorSetHash: hash(),
    nextValidatorSetHash: hash(),
    timeMs: 1_700_000_000_000 + height,
    proposer: 0,
    transactionCount: count,
  });
  const digest = headerDigest(headerBytes);
  const signatures = [0, 1, 2].map((validator) => ({
    validator,
    signature: new Uint8Array(randomBytes(64)),
  }));
  const path = Buffer.alloc(14);
  path.writeUIntBE(height, 0, 6);
  const stateWrites = new Map();
  for (const accounts of touchedAccounts)
    for (const account of accounts)
      stateWrites.set(`balance/${account}/CHF`, new Uint8Array(randomBytes(12)));
  const txIds = Array.from({ length: count }, hash);
  parent = { height, digest };
  const staleNodes = nextStale;
  nextStale = [];
  return {
    // Nodes of the block before.
    staleNodes,
    block: {
      height,
      digest,
      headerBytes,
      ...(height === 0 ? {} : { certificate: { view: 0, height, digest, signatures } }),
      envelopes: txIds.map(() => new Uint8Array(randomBytes(250))),
      results: txIds.map((id) => new Uint8Array(Buffer.concat([id, Buffer.alloc(12)]))),
    },
    txIds,
    stateWrites,
    touchedAccounts,
    treeNodes: Array.from({ length: 3 * count }, () => {
      path.fill(randomBytes(8), 6);
      nextStale.push(new Uint8Array(path));
      return { key: new Uint8Array(path), value: new Uint8Array(randomBytes(300)) };
    }),
  };
}

const opened =
  engine === 'memory'
    ? await createMemoryStore({ disk: new MemoryDisk(), chainId, validator: 'bench' })
    : await openStore({
        dir: join(dir, 'store'),
        engine,
        chainId,
        validator: 'bench',
        createIfMissing: true,
      });
if (!opened.ok) throw opened.error;
const store = opened.value;
async function prune(height) {
  await store.retain({ blocks: height, states: height });
  for (;;) {
    const step = await store.prune(2000);
    pruned.entries += step.entries;
    if (step.done) return;
  }
}

const totals = { wallMs: 0, cpuMs: 0, loopMs: 0, syncMs: 0, readMs: 0, loopReadMs: 0, maxMs: 0 };
let peak = 0;
let background = 0;
for (let number = 0; number <= Number(blocks); number++) {
  const wholeCpu = process.cpuUsage();
  const wholeMain = mainThreadMs();
  const commit = makeCommit();
  const keys = [...commit.stateWrites.keys()];
  const cpu = process.cpuUsage();
  const start = performance.now();
  const loop = mainThreadMs();
  await store.stateMany(keys);
  const loopRead = mainThreadMs();
  const read = performance.now();
  const promise = store.commitBlock(commit);
  const submitted = performance.now();
  await promise;
  const used = process.cpuUsage(cpu);
  if (number > 5) {
    totals.wallMs += performance.now() - read;
    totals.maxMs = Math.max(totals.maxMs, performance.now() - read);
    totals.readMs += read - start;
    totals.loopReadMs += loopRead - loop;
    totals.syncMs += submitted - read;
    totals.loopMs += mainThreadMs() - loop;
    totals.cpuMs += (used.user + used.system) / 1000;
  }
  if (keep > 0 && number > keep && number % 10 === 0)
    pruning ??= prune(number - keep).finally(() => (pruning = undefined));
  const all = process.cpuUsage(wholeCpu);
  background += (all.user + all.system) / 1000 - (mainThreadMs() - wholeMain);
  if (number % 50 === 0) peak = Math.max(peak, process.memoryUsage.rss());
}
const measured = Number(blocks) - 5;
const per = (ms) => (ms / measured).toFixed(2);
await pruning;
if (keep > 0) {
  const began = performance.now();
  await store.compact(true);
  console.log(`${pruned.entries} entries pruned; compacted in ${Math.round(performance.now() - began)} ms`);
}
const size = await store.sizeBytes();
console.log(
  `${engine}: per block of ${perBlock}: commit ${per(totals.wallMs)} ms (max ${totals.maxMs.toFixed(0)}), read ` +
    `${per(totals.readMs)} ms, main thread ${per(totals.loopMs)} ms (reads ${per(totals.loopReadMs)}), other threads ${per(background)} ms; ` +
    `per transaction: main thread ${((totals.loopMs * 1000) / measured / perBlock).toFixed(1)} us, CPU ` +
    `${((totals.cpuMs * 1000) / measured / perBlock).toFixed(1)} us, ` +
    `${Math.round(size / Number(blocks) / perBlock)} bytes on disk; RSS ${Math.round(peak / 2 ** 20)} MiB; ` +
    `synchronous part ${per(totals.syncMs)} ms`,
);
if (process.env.IO) {
  globalThis.gc?.();
  console.log(
    readFileSync('/proc/self/status', 'utf8')
      .split('\n')
      .filter((l) => /^(RssAnon|RssFile|VmRSS)/.test(l))
      .join(' ')
      .replace(/\s+/g, ' '),
    JSON.stringify(process.memoryUsage()),
  );
}
if (process.env.IO)
  console.log(
    readFileSync('/proc/self/io', 'utf8')
      .split('\n')
      .filter((l) => /^(wchar|rchar)/.test(l))
      .join(' '),
  );
await store.close();
rmSync(dir, { recursive: true, force: true });
