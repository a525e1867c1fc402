/** Process that reads a large genesis and writes its block: see genesis-source.ts. Ends with the node that started it. */
import { loadGenesis } from '../config/index.js';
import { StateTree } from '../crypto/index.js';
import { installNativeSha256 } from '../crypto/native/index.js';
import { openStore } from '../storage/index.js';
import { checkChain, type GenesisTask } from './genesis-source.js';
import { summaryOf } from './genesis-summary.js';
import { ensureGenesis } from './recovery.js';

/** As for a validator with little memory. */
const treeBytes = 16 * 1024 * 1024;

process.once('message', (task: GenesisTask) => {
  void prepare(task).then(
    (summary) => process.send?.(summary, undefined, undefined, () => process.exit(0)),
    () => process.exit(1),
  );
});
process.once('disconnect', () => process.exit(1));

async function prepare(task: GenesisTask) {
  installNativeSha256();
  const genesis = await loadGenesis(task.genesisFile);
  if (!genesis.ok) throw genesis.error;
  const summary = summaryOf(genesis.value);
  checkChain(task, summary.chainId);
  const { storeDir: dir, engine, validator } = task;
  const opened = await openStore({ dir, engine, chainId: summary.chainId, validator, createIfMissing: true });
  if (!opened.ok) throw opened.error;
  try {
    await ensureGenesis(opened.value, new StateTree({ maxBytes: treeBytes }), genesis.value);
  } finally {
    await opened.value.close();
  }
  return summary;
}
