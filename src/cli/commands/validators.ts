import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { encodeValidatorSetChanges, isId, isPeerAddress, type Validator } from '../../codec/index.js';
import { validatorSetHash, validatorSetProposalHash } from '../../crypto/index.js';
import { asHeight, asPublicKey, fromHex, limits, quorumOf, toHex } from '../../types/index.js';
import type { ProfileOptions } from '../client/open-profile.js';
import { profiled, speaking, submit, withProfile, type SpeakerOptions } from '../client/speaker.js';
import { define, parse } from '../command.js';
import { usageError } from '../command-error.js';
import { count } from '../output.js';

/** Proposals expire after so many blocks unless the command says otherwise. */
const defaultExpiryBlocks = 10_000;

interface ProposeOptions extends SpeakerOptions {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly keyOf?: readonly string[];
  readonly addressOf?: readonly string[];
  readonly notBefore?: number;
  readonly expires?: number;
}

/** `quaestor validators`. */
export function validatorsCommand(): Command {
  return new Command('validators')
    .addCommand(listCommand())
    .addCommand(proposeCommand())
    .addCommand(approveCommand())
    .addCommand(withdrawCommand())
    .addCommand(exportCommand());
}

function listCommand(): Command {
  const command = profiled(
    new Command('list').description(
      'Shows the validator set in force, proven from the genesis by the chain of changes, and what is decided and ' +
        'proposed, as one validator tells it.',
    ),
  ).summary('show who validates, and what is decided and proposed');
  return define<ProfileOptions>(
    command,
    'quaestor validators list --profile data/devnet/operator',
    ({ output, signal }, options) =>
      withProfile(options, async ({ client }) => {
        const { height, current, scheduled, proposals } = await client.getValidators({ signal });
        output.line(
          `Validator set ${current.epoch}, in force from height ${current.activationHeight}, ` +
            `${output.colours.green('proven')} from the genesis`,
        );
        output.table(
          ['validator', 'member', 'key', 'address'],
          current.validators.map(({ id, member, publicKey, address }) => [
            id,
            member,
            toHex(publicKey),
            address ?? '(by configuration)',
          ]),
        );
        output.line();
        if (scheduled !== undefined) {
          output.line(`Decided: from height ${scheduled.activationHeight} on ${idsOf(scheduled.validators)}`);
        }
        const needed = quorumOf(current.validators.length);
        for (const { proposal, approvals } of proposals) {
          output.line(
            `Proposed by ${proposal.validator} (${toHex(validatorSetProposalHash(proposal))}): ` +
              `${idsOf(proposal.validators)}; approved by ${approvals.join(', ')}, ${approvals.length} of ${needed} ` +
              `needed; until height ${proposal.expiresHeight}`,
          );
        }
        if (proposals.length === 0) output.line('No proposals.');
        output.document({
          height,
          current,
          scheduled,
          proposals: proposals.map(({ proposal, approvals }) => ({
            proposal,
            hash: toHex(validatorSetProposalHash(proposal)),
            approvals,
          })),
        });
      }),
  );
}

const idsOf = (validators: readonly Validator[]): string => validators.map(({ id }) => id).join(', ');

function proposeCommand(): Command {
  const command = speaking(
    new Command('propose').description(
      'Proposes the set in force with changes, and approves it for the validator. It is decided once a quorum of the ' +
        'validators approves, and takes over more than a window of blocks later.',
    ),
  )
    .summary('propose the next validator set')
    .option(
      '--add <id,member,key,address...>',
      'validators to add: id, member, public key in hexadecimal, host:port',
    )
    .option('--remove <id...>', 'validators to remove')
    .option('--key-of <id,key...>', 'validators that get another public key')
    .option('--address-of <id,address...>', 'validators that get another address')
    .option(
      '--not-before <height>',
      'lowest height at which it may take over',
      parse.integer(1, limits.maxHeight),
    )
    .option(
      '--expires <blocks>',
      'how many blocks it may wait for approvals',
      parse.integer(1, limits.maxGovernanceBlocks - 1),
    );
  return define<ProposeOptions>(
    command,
    'quaestor validators propose --profile clients/bank-alba --validator validator-1 --key key/validator.key \\\n' +
      '  --password-file key/validator.password --remove validator-3',
    (context, options) =>
      withProfile(options, async (open) => {
        const state = await open.client.getValidators({ signal: context.signal });
        const proposal = {
          kind: 'proposeValidatorSet',
          validator: options.validator,
          baseValidatorSetHash: validatorSetHash(state.current),
          validators: changed(state.current.validators, options),
          notBeforeHeight: asHeight(options.notBefore ?? 0),
          expiresHeight: asHeight(state.height + (options.expires ?? defaultExpiryBlocks)),
        } as const;
        const hash = toHex(validatorSetProposalHash(proposal));
        await submit(open, context, options, proposal, { hash });
        context.output.line(
          `Others approve it with: quaestor validators approve --proposer ${options.validator} --hash ${hash}`,
        );
      }),
  );
}

/** The validators with the changes of the options. */
function changed(validators: readonly Validator[], options: ProposeOptions): readonly Validator[] {
  const next = new Map(validators.map((validator) => [validator.id, validator]));
  const known = (id: string): Validator => {
    const validator = next.get(id);
    if (validator === undefined)
      throw usageError(`"${id}" is not among the validators: ${idsOf(validators)}.`);
    return validator;
  };
  for (const id of options.remove ?? []) {
    known(id);
    next.delete(id);
  }
  for (const text of options.keyOf ?? []) {
    const [id = '', key = ''] = text.split(',');
    next.set(id, { ...known(id), publicKey: publicKeyOf(key) });
  }
  for (const text of options.addressOf ?? []) {
    const [id = '', address = ''] = text.split(',');
    next.set(id, { ...known(id), address: addressOf(address) });
  }
  for (const text of options.add ?? []) {
    const [id = '', member = '', key = '', address = ''] = text.split(',');
    if (!isId('validator', id) || !isId('member', member)) {
      throw usageError(`"${text}" is not "id,member,key,address".`);
    }
    if (next.has(id)) throw usageError(`"${id}" is a validator already.`);
    next.set(id, { id, member, publicKey: publicKeyOf(key), address: addressOf(address) });
  }
  if (next.size === 0) throw usageError('Somebody has to validate: not all can be removed.');
  return [...next.values()];
}

function publicKeyOf(text: string): Validator['publicKey'] {
  const bytes = fromHex(text);
  if (bytes?.length !== 32) throw usageError(`"${text}" is no public key: 64 hexadecimal digits.`);
  return asPublicKey(bytes);
}

function addressOf(text: string): string {
  if (isPeerAddress(text)) return text;
  throw usageError(`"${text}" is no address: "host:port", or "[ipv6]:port".`);
}

function approveCommand(): Command {
  const command = speaking(
    new Command('approve').description(
      'Approves a proposal: the one that "quaestor validators list" shows with this hash, and no other.',
    ),
  )
    .summary('approve a proposed validator set')
    .requiredOption('--proposer <id>', 'validator that proposed')
    .requiredOption('--hash <hash>', 'hash of the proposal, as it was read and agreed to');
  return define<SpeakerOptions & { readonly proposer: string; readonly hash: string }>(
    command,
    'quaestor validators approve --profile clients/bank-borealis --validator validator-2 --key key/validator.key \\\n' +
      '  --password-file key/validator.password --proposer validator-1 --hash 5f1d…',
    (context, options) =>
      withProfile(options, async (open) => {
        const state = await open.client.getValidators({ signal: context.signal });
        const { validator, proposer } = options;
        const found = state.proposals.find(({ proposal }) => proposal.validator === proposer)?.proposal;
        const hash = found === undefined ? undefined : validatorSetProposalHash(found);
        if (hash === undefined || toHex(hash) !== options.hash.toLowerCase()) {
          throw usageError(`There is no proposal of ${proposer} with the hash ${options.hash}.`);
        }
        await submit(open, context, options, {
          kind: 'approveValidatorSet',
          validator,
          proposer,
          proposalHash: hash,
        });
      }),
  );
}

function withdrawCommand(): Command {
  const command = speaking(
    new Command('withdraw').description(
      'Takes back what the validator proposed, as long as it is not decided.',
    ),
  ).summary('take a proposal back');
  return define<SpeakerOptions>(
    command,
    'quaestor validators withdraw --profile clients/bank-alba --validator validator-1 --key key/validator.key \\\n' +
      '  --password-file key/validator.password',
    (context, options) =>
      withProfile(options, (open) =>
        submit(open, context, options, { kind: 'withdrawValidatorSet', validator: options.validator }),
      ),
  );
}

function exportCommand(): Command {
  const command = profiled(
    new Command('export').description(
      'Writes the chain of changes of the validator set since the genesis, each proven by the set before. With it, ' +
        '"quaestor verify-receipt" and others check offline what later sets have signed.',
    ),
  )
    .summary('write the proofs of all changes to a file')
    .requiredOption('-o, --out <file>', 'file to write');
  return define<ProfileOptions & { readonly out: string }>(
    command,
    'quaestor validators export --profile data/devnet/operator --out validators.changes',
    ({ output, signal }, options) =>
      withProfile(options, async ({ client }) => {
        const { changes, current } = await client.getValidators({ signal });
        await writeFile(options.out, encodeValidatorSetChanges({ changes }));
        output.line(
          `${count(changes.length, 'change')} in ${options.out}; set ${current.epoch} is in force from height ` +
            `${current.activationHeight}.`,
        );
        output.document({ file: options.out, changes: changes.length, epoch: current.epoch });
      }),
  );
}
