/** What stays on the screen while a development network runs. */
import { formatAddress } from '../../config/index.js';
import type { Output } from '../output.js';
import { selfCommand, shellWord } from '../version.js';
import type { DevNetwork } from './open-network.js';
import type { ValidatorProcess } from './validator-process.js';

/** The command that starts one validator again. */
export function restartCommand(config: string): string {
  return [...selfCommand, 'start', '--config', config].map(shellWord).join(' ');
}

/** Addresses, processes, and commands to try. */
export function showRunning(
  output: Output,
  network: DevNetwork,
  processes: readonly ValidatorProcess[],
): void {
  const { bold, dim } = output.colours;
  const { layout, configs, genesis } = network;
  output.line(bold('The network runs.'));
  output.table(
    ['validator', '>pid', 'clients (gRPC)', 'operators (gRPC)', 'metrics'],
    configs.map(({ validator, listen }, index) => [
      validator,
      String(processes[index]?.pid ?? ''),
      formatAddress(listen.client),
      formatAddress(listen.admin),
      `http://${formatAddress(listen.http)}/metrics`,
    ]),
  );
  const quaestor = selfCommand.map(shellWord).join(' ');
  const member = genesis.members[0]?.member ?? '';
  const [first, second] = genesis.accounts.filter(({ owner }) => owner === member);
  const last = processes.at(-1);
  const lastConfig = configs.at(-1);
  output.line();
  output.line(`Logs: ${layout.logs}`);
  output.line();
  output.line(bold('In another terminal:'));
  output.line(`  alias quaestor=${shellWord(quaestor)}`);
  output.line(`  export QUAESTOR_PROFILE=${shellWord(layout.client(member))}`);
  output.line('  quaestor status');
  if (first !== undefined && second !== undefined) {
    output.line(`  quaestor accounts show ${shellWord(first.account)}`);
    output.line(
      `  quaestor submit --from ${shellWord(first.account)} --to ${shellWord(second.account)} --amount 12.50 --asset ${assetOf(network, first.account)}`,
    );
  }
  output.line('  quaestor blocks follow');
  if (last !== undefined && lastConfig !== undefined) {
    output.line();
    output.line(`Kill ${last.validator} and start it again (the others go on without it):`);
    output.line(`  kill -9 ${last.pid}`);
    output.line(`  ${restartCommand(lastConfig.file)}`);
  }
  output.line();
  output.line(dim('Ctrl-C stops the network; the same command resumes it.'));
}

function assetOf({ genesis }: DevNetwork, account: string): string {
  return (
    genesis.balances.find((balance) => balance.account === account)?.asset ?? genesis.assets[0]?.asset ?? ''
  );
}
