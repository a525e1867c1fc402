import { Command } from 'commander';

export function submitCommand(): Command {
  return new Command('submit');
}
