import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../helpers/eventually.js';
import type { Image } from './build.js';
import { Container } from './container.js';

const user = 65532;
const validators = ['validator-1', 'validator-2', 'validator-3', 'validator-4'];
const payment = [
  ...['--from', 'IT17M9990101600000000100001', '--to', 'CH4699701000000200002'],
  ...['--amount', '12.50', '--asset', 'EUR', '--end-to-end-id', 'IMAGE-1'],
];

/** Makes a network with the image, runs its validators each in a container, pays, verifies, stops. */
export async function runNetwork(image: Image, work: string): Promise<void> {
  const volume = join(work, 'volume');
  mkdirSync(volume);
  chownSync(volume, user, user);
  const home = '/var/lib/quaestor';
  const command = async (...args: string[]): Promise<string> => {
    const { exitCode, output } = await new Container(image, volume, args).ended;
    if (exitCode !== 0)
      throw new Error(`quaestor ${args.join(' ')} ended with ${exitCode ?? 'a signal'}:\n${output}`);
    return output;
  };
  await command('--version');
  await command('init', '--dir', `${home}/network`, '--validators', String(validators.length));
  const running = validators.map(
    (id) =>
      new Container(image, volume, ['start', '--config', `${home}/network/validators/${id}/validator.yaml`]),
  );
  try {
    await Promise.all(running.map((container) => becomesReady(container)));
    for (const container of running) checkPrivileges(container);
    process.stdout.write(`${running.length} validators run, each as process 1 of its container.\n`);
    const profile = ['--profile', `${home}/network/clients/bank-alba`];
    await command('submit', ...profile, ...payment, '--save-receipts', `${home}/receipts`);
    const verified = await command(
      ...['verify-receipt', '--genesis', `${home}/network/genesis.yaml`],
      ...[
        '--receipt',
        `${home}/receipts/IMAGE-1.receipt`,
        '--transaction',
        `${home}/receipts/IMAGE-1.transaction`,
      ],
    );
    process.stdout.write(verified);
    for (const container of running) {
      const { exitCode, output } = await container.stop();
      if (exitCode !== 0 || !output.includes('Stopped.')) {
        throw new Error(`A validator did not stop cleanly on SIGTERM (${exitCode ?? 'signal'}):\n${output}`);
      }
    }
    process.stdout.write('All stopped on SIGTERM with exit code 0.\n');
  } finally {
    for (const container of running) container.kill();
  }
}

async function becomesReady(container: Container): Promise<void> {
  let over = false;
  void container.ended.then(() => (over = true));
  const listens = (): boolean => container.output.includes('Listening for clients.');
  await eventually('a validator listens, or ends', () => over || listens());
  if (!listens()) throw new Error(`A validator ended:\n${container.output}`);
}

function checkPrivileges(container: Container): void {
  const [uid] = container.status('Uid').split(/\s+/);
  const inner = container.status('NSpid').split(/\s+/).at(-1);
  const found = {
    uid,
    inner,
    capabilities: container.status('CapEff'),
    permitted: container.status('CapPrm'),
    noNewPrivileges: container.status('NoNewPrivs'),
  };
  const none = '0000000000000000';
  if (
    uid !== String(user) ||
    inner !== '1' ||
    found.capabilities !== none ||
    found.permitted !== none ||
    found.noNewPrivileges !== '1'
  ) {
    throw new Error(`The validator has other rights than it should: ${JSON.stringify(found)}`);
  }
  const root = readFileSync(`/proc/${container.pid}/mounts`, 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[1] === '/');
  if (!/ ro[, ]/.test(root ?? ''))
    throw new Error(`The root file system is not read-only: ${root ?? 'none'}`);
}
