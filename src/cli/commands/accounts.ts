import { Command } from 'commander';

export function accountsCommand(): Command {
  return new Command('accounts');
}
