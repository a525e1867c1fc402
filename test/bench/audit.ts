/**
 * How quick the audit of a store is, against the machine's raw signature rate over all cores: the same signatures, checked
 * in threads, with nothing else.
 * node .ci/run-ts.mjs test/bench/audit.ts [blocks] [transactions a block] [accounts]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditStore } from '../../src/audit/index.js';
import { createVerifierPool, installNativeSha256 } from '../../src/crypto/native/index.js';
import type { SignatureCheck } from '../../src/crypto/types.js';
import { decodeTransaction, genesisChainId } from '../../src/ledger/index.js';
import { openStore } from '../../src/storage/index.js';
import { asHeight } from '../../src/types/index.js';
import { ExecutedChain } from '../helpers/executed-chain.js';
import { testGenesis } from '../helpers/fake-ledger.js';

const [blocks = 200, perBlock = 200, accounts = 10_000] = process.argv.slice(2).map(Number);
const threads = availableParallelism();
installNativeSha256();
const dir = await mkdtemp(join(tmpdir(), 'quaestor-audit-'));
try {
  const { genesis, validatorKeys } = testGenesis(4, accounts);
  const chainId = genesisChainId(genesis);
  const storeDir = join(dir, 'store');
  const opened = await openStore({
    dir: storeDir,
    engine: 'auto',
    chainId,
    validator: 'v1',
    createIfMissing: true,
  });
  if (!opened.ok) throw opened.error;
  const chain = await ExecutedChain.create({
    store: opened.value,
    genesis,
    keys: validatorKeys,
    transactionsPerBlock: perBlock,
    payee: (number) => `X${String(number % accounts).padStart(5, '0')}`,
  });
  await chain.append(blocks);
  const checks: SignatureCheck[] = [];
  for (let height = 1; height <= blocks; height++) {
    for (const envelope of (await opened.value.block(asHeight(height)))?.envelopes ?? []) {
      const decoded = decodeTransaction(envelope, chainId);
      if (decoded.ok) checks.push(...decoded.value.checks);
    }
  }
  await opened.value.close();
  const verifier = createVerifierPool({ threads, maxBatch: 512, cacheEntries: 0 });
  await verifier.verify(checks.slice(0, 1000));
  const rawMs = await took(async () => {
    for (let from = 0; from < checks.length; from += 4096)
      await verifier.verify(checks.slice(from, from + 4096));
  });
  await verifier.close();
  const stages = new Map<string, number>();
  let stage = '';
  const startedMs = performance.now();
  const audited = await auditStore({
    genesis,
    storeDir,
    workDir: join(dir, 'work'),
    threads,
    signal: new AbortController().signal,
    progressed: (progress) => {
      if (progress.stage !== stage) stages.set((stage = progress.stage), performance.now() - startedMs);
    },
  });
  const totalMs = performance.now() - startedMs;
  if (!audited.ok) throw new Error(audited.error.message);
  const rate = (ms: number): string => `${Math.round((checks.length / ms) * 1000)} transactions a second`;
  console.log(`${blocks} blocks of ${perBlock}, ${accounts} accounts, ${threads} threads`);
  console.log(`raw signatures  ${rate(rawMs)}`);
  console.log(`audit           ${rate(totalMs)}, ${((100 * rawMs) / totalMs).toFixed(0)} % of raw`);
  const recordsMs = stages.get('records') ?? totalMs;
  console.log(`  executing     ${rate(recordsMs)}, ${((100 * rawMs) / recordsMs).toFixed(0)} % of raw`);
  console.log(`  comparing     ${audited.value.records} records in ${Math.round(totalMs - recordsMs)} ms`);
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function took(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
