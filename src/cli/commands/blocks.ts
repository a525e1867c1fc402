import { Command } from 'commander';

export function blocksCommand(): Command {
  return new Command('blocks');
}
