import { Command } from 'commander';
import { exitCodesHelp } from './exit-codes.js';
import { softwareVersion } from './version.js';

/** Every command: its name, what the list of commands says of it, and where it is. Only the one that is called is
 * loaded, since a node's libraries take half a second. */
const commands: readonly {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}[] = [
  {
    name: 'init',
    summary: 'make the folder of a new network',
    load: async () => (await import('./commands/init.js')).initCommand(),
  },
  {
    name: 'keys',
    summary: 'signing keys and certificates',
    load: async () => (await import('./commands/keys.js')).keysCommand(),
  },
  {
    name: 'genesis',
    summary: 'a genesis that institutions make together',
    load: async () => (await import('./commands/genesis.js')).genesisCommand(),
  },
  {
    name: 'start',
    summary: 'run one validator',
    load: async () => (await import('./commands/start.js')).startCommand(),
  },
  {
    name: 'signer',
    summary: "hold a validator's key in a process of its own",
    load: async () => (await import('./commands/signer.js')).signerCommand(),
  },
  {
    name: 'devnet',
    summary: 'run a network on this machine, and pay',
    load: async () => (await import('./commands/devnet.js')).devnetCommand(),
  },
  {
    name: 'submit',
    summary: 'pay, and wait for verified receipts',
    load: async () => (await import('./commands/submit.js')).submitCommand(),
  },
  {
    name: 'payments',
    summary: 'check payments files',
    load: async () => (await import('./commands/payments.js')).paymentsCommand(),
  },
  {
    name: 'accounts',
    summary: 'accounts, balances, history',
    load: async () => (await import('./commands/accounts.js')).accountsCommand(),
  },
  {
    name: 'blocks',
    summary: 'final blocks',
    load: async () => (await import('./commands/blocks.js')).blocksCommand(),
  },
  {
    name: 'segments',
    summary: 'sealed segments of old blocks: list, read, verify offline',
    load: async () => (await import('./commands/segments.js')).segmentsCommand(),
  },
  {
    name: 'backup',
    summary: 'back up a node; list and verify backups offline',
    load: async () => (await import('./commands/backup.js')).backupCommand(),
  },
  {
    name: 'restore',
    summary: 'make the store of a node from a backup',
    load: async () => (await import('./commands/restore.js')).restoreCommand(),
  },
  {
    name: 'status',
    summary: 'where all validators stand',
    load: async () => (await import('./commands/status.js')).statusCommand(),
  },
  {
    name: 'admin',
    summary: 'inspect and steer one running node',
    load: async () => (await import('./commands/admin.js')).adminCommand(),
  },
  {
    name: 'divergence',
    summary: 'what differs on a node that halted',
    load: async () => (await import('./commands/divergence.js')).divergenceCommand(),
  },
  {
    name: 'validators',
    summary: 'who validates; propose, approve and withdraw changes',
    load: async () => (await import('./commands/validators.js')).validatorsCommand(),
  },
  {
    name: 'members',
    summary: 'new keys of a member or of an account',
    load: async () => (await import('./commands/members.js')).membersCommand(),
  },
  {
    name: 'governance',
    summary: "the ledger's rules: what is in force; propose, vote",
    load: async () => (await import('./commands/governance.js')).governanceCommand(),
  },
  {
    name: 'evidence',
    summary: 'proofs that a validator signed two different things',
    load: async () => (await import('./commands/evidence.js')).evidenceCommand(),
  },
  {
    name: 'verify',
    summary: 'audit a store, verify a receipt: offline',
    load: async () => (await import('./commands/verify.js')).verifyCommand(),
  },
  {
    name: 'verify-receipt',
    summary: 'the same as "verify receipt"',
    load: async () =>
      (await import('./commands/verify-receipt.js')).verifyReceiptCommand(
        'verify-receipt',
        'quaestor verify-receipt',
      ),
  },
];

/** The command line for the words that were typed: every command is listed, those that are named are complete. */
export async function buildProgram(words: readonly string[]): Promise<Command> {
  const program = new Command('quaestor')
    .description('A permissioned Byzantine-fault-tolerant ledger for consortia of financial institutions.')
    .version(softwareVersion())
    .showSuggestionAfterError()
    .addHelpText('after', `\nquaestor COMMAND --help shows an example of each.\n\n${exitCodesHelp}`);
  for (const { name, summary, load } of commands) {
    const command = words.includes(name) ? await load() : new Command(name);
    program.addCommand(command.summary(summary));
  }
  exitByException(program);
  return program;
}

/** commander would end the process by itself; the entry decides. */
function exitByException(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) exitByException(child);
}
