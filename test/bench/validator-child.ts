/** A validator that can be profiled, as a process of its own: validator-child.js CONFIG PROFILE. Stops on SIGTERM.
 * SIGUSR2 starts a CPU profile of the main thread, and the next one writes it there. */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { loadGenesis, loadNodeConfig } from '../../src/config/index.js';
import { startValidator } from '../../src/node/validator.js';
import { createLogger } from '../../src/telemetry/index.js';

/** As in the command: nothing keeps the genesis. */
async function launch() {
  const config = await loadNodeConfig(process.argv[2] ?? '', {});
  if (!config.ok) throw config.error;
  const genesis = await loadGenesis(config.value.network.genesisFile);
  if (!genesis.ok) throw genesis.error;
  const log = createLogger({ ...config.value.log, fields: { validator: config.value.validator } });
  const options = { config: config.value, genesis: genesis.value, log, version: 'bench' };
  return { log, validator: await startValidator(options) };
}

const { log, validator } = await launch();
process.once('SIGTERM', () => {
  void validator.stop().then(() => process.exit(0));
});
const profileFile = process.argv[3];
if (profileFile !== undefined) {
  const session = new Session();
  session.connect();
  let running = false;
  process.on('SIGUSR2', () => {
    void (async () => {
      running = !running;
      if (running) {
        await session.post('Profiler.enable');
        await session.post('Profiler.start');
      } else {
        const { profile } = await session.post('Profiler.stop');
        writeFileSync(profileFile, JSON.stringify(profile));
      }
    })();
  });
}
log.error({}, `The validator can not go on: ${await validator.failed}`);
process.exit(1);
