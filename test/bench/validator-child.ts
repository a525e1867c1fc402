/** A validator as a process of its own: validator-child.js CONFIG. Stops on SIGTERM. */
import { loadGenesis, loadNodeConfig } from '../../src/config/index.js';
import { startValidator } from '../../src/node/validator.js';
import { createLogger } from '../../src/telemetry/index.js';

const config = await loadNodeConfig(process.argv[2] ?? '', {});
if (!config.ok) throw config.error;
const genesis = await loadGenesis(config.value.network.genesisFile);
if (!genesis.ok) throw genesis.error;
const log = createLogger({ ...config.value.log, fields: { validator: config.value.validator } });
const validator = await startValidator({
  config: config.value,
  genesis: genesis.value,
  log,
  version: 'bench',
});
process.once('SIGTERM', () => {
  void validator.stop().then(() => process.exit(0));
});
log.error({}, `The validator can not go on: ${await validator.failed}`);
process.exit(1);
