/**
 * Cost of a backup and speed of a restore: `node .ci/run-ts.mjs test/bench/backup.ts [accounts] [blocks]`, after a build.
 * Prints one JSON document. The target is a folder on the same disk.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listBackups, readBackup, restoreBackup, takeBackup, trustBackup } from '../../src/backup/index.js';
import { installNativeSha256, verifyZip215Natively } from '../../src/crypto/native/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import { openObjects } from '../../src/objects/index.js';
import { openStore } from '../../src/storage/index.js';
import { trustGenesis } from '../../src/verify/index.js';
import { ExecutedChain } from '../helpers/executed-chain.js';
import { testGenesis } from '../helpers/fake-ledger.js';

const [accounts = 50_000, blocks = 50] = process.argv.slice(2).map(Number);
const transactionsPerBlock = 100;

installNativeSha256();
const dir = await mkdtemp(join(tmpdir(), 'quaestor-backup-'));
try {
  const { genesis, validatorKeys } = testGenesis(4, accounts);
  const chainId = genesisChainId(genesis);
  const opened = await openStore({
    dir: join(dir, 'store'),
    engine: 'leveldb',
    chainId,
    validator: 'v1',
    createIfMissing: true,
  });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  const chain = await ExecutedChain.create({ store, genesis, keys: validatorKeys, transactionsPerBlock });
  await chain.append(blocks);
  const target = join(dir, 'backups');
  await mkdir(target);
  const genesisFile = join(dir, 'genesis.yaml');
  await writeFile(genesisFile, 'only for its place\n');
  const objects = openObjects(target);
  const take = () =>
    timed(() =>
      takeBackup({
        store,
        objects,
        genesisFile,
        writer: 'v1',
        software: 'bench',
        nowMs: Date.now(),
        spoolDir: join(dir, 'spool'),
      }),
    );
  const first = await take();
  await chain.append(1);
  const second = await take();
  await store.close();
  const trust = trustGenesis(genesis, { checkSignature: verifyZip215Natively });
  const [, id = ''] = await listBackups(objects);
  const restored = await timed(async () =>
    restoreBackup({
      objects,
      backup: trustBackup(trust, await readBackup(objects, chainId, id)),
      dataDir: join(dir, 'restored'),
      engine: 'leveldb',
      validator: 'v1',
      software: 'bench',
      signal: new AbortController().signal,
      progressed: () => undefined,
    }),
  );
  const { entries, bytes, transactions } = restored.value;
  const shown = ({ ms, cpuMs, value }: Timed<Awaited<ReturnType<typeof takeBackup>>>) => ({
    ms,
    cpuMs,
    parts: value.parts,
    writtenObjects: value.writtenObjects,
    writtenBytes: value.writtenBytes,
    sizeBytes: value.bytes,
  });
  process.stdout.write(
    `${JSON.stringify(
      {
        accounts,
        blocks,
        first: shown(first),
        next: shown(second),
        restore: {
          ms: restored.ms,
          cpuMs: restored.cpuMs,
          entries,
          bytes,
          transactions,
          entriesPerSecond: Math.round((entries * 1000) / restored.ms),
        },
        maxRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
      },
      null,
      2,
    )}\n`,
  );
} finally {
  await rm(dir, { recursive: true, force: true });
}

interface Timed<T> {
  readonly ms: number;
  /** Of all threads. */
  readonly cpuMs: number;
  readonly value: T;
}

async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const startMs = performance.now();
  const before = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return {
    ms: Math.round(performance.now() - startMs),
    cpuMs: Math.round((user + system) / 1000),
    value,
  };
}
