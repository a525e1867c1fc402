/** Commands by which a member speaks for the validator that it runs. */
import type { Command } from 'commander';
import type { Operation } from '../../codec/index.js';
import type { Signer } from '../../crypto/index.js';
import { openKeyFile } from '../../crypto/native/index.js';
import { compareBytes, toHex } from '../../types/index.js';
import { durationOption, type CommandContext } from '../command.js';
import { usageError } from '../command-error.js';
import {
  openProfile,
  openSigners,
  profileOption,
  type OpenProfile,
  type ProfileOptions,
} from './open-profile.js';

/** Options of `speaking`. */
export interface SpeakerOptions extends ProfileOptions {
  readonly validator: string;
  readonly key: string;
  readonly passwordFile: string;
}

/** Options of a profile. */
export const profiled = (command: Command): Command =>
  command
    .addOption(profileOption())
    .addOption(durationOption('--timeout', 'how long an answer is waited for'));

/** Options of who speaks for a validator: the profile is that of the member that runs it. */
export const speaking = (command: Command): Command =>
  profiled(command)
    .requiredOption(
      '--validator <id>',
      'validator to speak for; the profile is that of the member that runs it',
    )
    .requiredOption('--key <file>', "the validator's key file, of the key in force")
    .requiredOption('--password-file <file>', 'file with the password of the key file');

/** Does something with the client of a profile, and closes it. */
export async function withProfile(
  options: ProfileOptions,
  work: (open: OpenProfile) => Promise<void>,
): Promise<undefined> {
  const open = await openProfile(options);
  try {
    await work(open);
  } finally {
    open.client.close();
  }
}

/** Signs with the member's keys and the validator's, submits, waits. */
export async function submit(
  open: OpenProfile,
  { output, signal }: CommandContext,
  { key, passwordFile }: SpeakerOptions,
  operation: Operation,
  document: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { client, profile } = open;
  if (profile.member === undefined) {
    throw usageError('The profile is of an operator, who cannot sign for a member.');
  }
  const own = await openKeyFile(key, passwordFile);
  const signers = distinct([...(await openSigners(open)), own]);
  const final = await client.execute(profile.member, [operation], signers, { signal });
  output.line(`${output.colours.green('done')} in block ${final.height}`);
  output.document({ txId: toHex(final.txId), height: final.height, ...document });
}

const distinct = (signers: readonly Signer[]): readonly Signer[] =>
  signers.filter(
    ({ publicKey }, index) =>
      signers.findIndex((other) => compareBytes(other.publicKey, publicKey) === 0) === index,
  );
