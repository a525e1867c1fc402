import { Command } from 'commander';
import type { KeyPolicy, Operation } from '../../codec/index.js';
import type { Signer } from '../../crypto/index.js';
import { openKeyFile } from '../../crypto/native/index.js';
import { compareBytes, limits, toHex } from '../../types/index.js';
import { openSigners, type ProfileOptions } from '../client/open-profile.js';
import { profiled, withProfile } from '../client/speaker.js';
import { define, parse } from '../command.js';
import { usageError } from '../command-error.js';
import { count } from '../output.js';

/** `quaestor members`. */
export function membersCommand(): Command {
  return new Command('members').addCommand(setKeysCommand());
}

interface SetKeysOptions extends ProfileOptions {
  readonly key: readonly string[];
  readonly passwordFile: readonly string[];
  readonly threshold?: number;
  readonly name?: string;
  readonly account?: string;
}

function setKeysCommand(): Command {
  const command = profiled(
    new Command('set-keys').description(
      "Installs new keys of the profile's member, or, with --account, of one of its accounts. The keys in force (those of " +
        'the profile) and the new ones sign. It takes effect at once: name the new key files in the profile afterwards. ' +
        'Needs version 2 of the rules.',
    ),
  )
    .summary('install new keys of a member or of an account')
    .requiredOption('--key <file...>', 'key files that are to sign from now on')
    .requiredOption(
      '--password-file <file...>',
      'files with their passwords, in the same order; one for all will do',
    )
    .option(
      '--threshold <count>',
      'how many of them have to sign; all by default',
      parse.integer(1, limits.maxPolicyKeys),
    )
    .option('--name <text>', "the member's name for people; with another one, this is changed too")
    .option('--account <id>', 'account that gets keys of its own');
  return define<SetKeysOptions>(
    command,
    'quaestor members set-keys --profile clients/bank-alba --key keys/new.key --password-file keys/new.password \\\n' +
      '  --name "Banca Alba"',
    ({ output, signal }, options) =>
      withProfile(options, async (open) => {
        const { member } = open.profile;
        if (member === undefined)
          throw usageError('The profile is of an operator, who has no keys of a member.');
        const added = await Promise.all(
          options.key.map((file, index) => openKeyFile(file, passwordFileOf(options.passwordFile, index))),
        );
        const policy = policyOf(added, options.threshold);
        const operation = operationOf(options, policy);
        const signers = distinct([...(await openSigners(open)), ...added]);
        const final = await open.client.execute(member, [operation], signers, { signal });
        output.line(
          `${output.colours.green('done')} in block ${final.height}: ${policy.threshold} of ` +
            `${count(policy.keys.length, 'key')} signs for ${options.account ?? member} from now on`,
        );
        output.document({ txId: toHex(final.txId), height: final.height, ...documentOf(policy) });
      }),
  );
}

function passwordFileOf(files: readonly string[], index: number): string {
  const file = files.length === 1 ? files[0] : files[index];
  if (file === undefined) throw usageError('There are fewer password files than key files.');
  return file;
}

function policyOf(keys: readonly Signer[], threshold = keys.length): KeyPolicy {
  const weighted = distinct(keys)
    .map(({ publicKey }) => ({ publicKey, weight: 1 }))
    .sort((left, right) => compareBytes(left.publicKey, right.publicKey));
  if (weighted.length < keys.length) throw usageError('Two of the key files hold the same key.');
  if (threshold > keys.length) throw usageError(`There are only ${keys.length} keys.`);
  return { threshold, keys: weighted };
}

function operationOf({ account, name }: SetKeysOptions, policy: KeyPolicy): Operation {
  if (account !== undefined) return { kind: 'updateAccount', account, policy };
  if (name === undefined)
    throw usageError('Say the name of the member with --name, as it is or as it shall be.');
  return { kind: 'updateMember', name, policy };
}

const documentOf = ({ threshold, keys }: KeyPolicy): object => ({
  threshold,
  keys: keys.map(({ publicKey }) => toHex(publicKey)),
});

const distinct = (signers: readonly Signer[]): readonly Signer[] =>
  signers.filter(
    ({ publicKey }, index) =>
      signers.findIndex((other) => compareBytes(other.publicKey, publicKey) === 0) === index,
  );
