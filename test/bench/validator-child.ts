/** A validator that can be profiled, as a process of its own: validator-child.js CONFIG PROFILE. Stops on SIGTERM.
 * SIGUSR2 starts a CPU profile of the main thread, and the next one writes it there. */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { loadNodeConfig } from '../../src/config/index.js';
import { runNode } from '../../src/node/run.js';
import { createLogger } from '../../src/telemetry/index.js';

async function launch() {
  const config = await loadNodeConfig(process.argv[2] ?? '', {});
  if (!config.ok) throw config.error;
  const log = createLogger({ ...config.value.log, fields: { validator: config.value.validator } });
  return { log, validator: await runNode({ config: config.value, log, version: 'bench' }) };
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
