import { Command } from 'commander';

export function verifyReceiptCommand(): Command {
  return new Command('verify-receipt');
}
