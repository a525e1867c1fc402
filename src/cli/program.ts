import { Command } from 'commander';
import { accountsCommand } from './commands/accounts.js';
import { blocksCommand } from './commands/blocks.js';
import { devnetCommand } from './commands/devnet.js';
import { initCommand } from './commands/init.js';
import { keysCommand } from './commands/keys.js';
import { paymentsCommand } from './commands/payments.js';
import { startCommand } from './commands/start.js';
import { statusCommand } from './commands/status.js';
import { submitCommand } from './commands/submit.js';
import { verifyReceiptCommand } from './commands/verify-receipt.js';
import { exitCodesHelp } from './exit-codes.js';
import { softwareVersion } from './version.js';

/** The command line: every command, its options and its help. */
export function buildProgram(): Command {
  const program = new Command('quaestor')
    .description('A permissioned Byzantine-fault-tolerant ledger for consortia of financial institutions.')
    .version(softwareVersion())
    .showSuggestionAfterError()
    .addHelpText('after', `\n${exitCodesHelp}`);
  for (const command of [
    initCommand(),
    keysCommand(),
    startCommand(),
    devnetCommand(),
    submitCommand(),
    paymentsCommand(),
    accountsCommand(),
    blocksCommand(),
    statusCommand(),
    verifyReceiptCommand(),
  ]) {
    program.addCommand(command);
  }
  exitByException(program);
  return program;
}

/** commander would end the process by itself; the entry decides. */
function exitByException(command: Command): void {
  command.exitOverride();
  command.configureHelp({ sortSubcommands: false });
  for (const child of command.commands) exitByException(child);
}
