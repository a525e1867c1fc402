import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { readChangeProposal, readGovernance } from '../../client/index.js';
import {
  decodeProposeChange,
  encodeProposeChange,
  type Change,
  type ChangeProposal,
  type ProposeChange,
  type Vote,
} from '../../codec/index.js';
import { proposalId, validatorSetHash } from '../../crypto/index.js';
import {
  asHash,
  asHeight,
  fromHex,
  limits,
  newestRules,
  quorumOf,
  toHex,
  type Hash,
} from '../../types/index.js';
import type { OpenProfile, ProfileOptions } from '../client/open-profile.js';
import { profiled, speaking, submit, withProfile, type SpeakerOptions } from '../client/speaker.js';
import { define, parse } from '../command.js';
import { usageError } from '../command-error.js';

/** Proposals expire after so many blocks unless the command says otherwise. */
const defaultExpiryBlocks = 10_000;

/** `quaestor governance`. */
export function governanceCommand(): Command {
  return new Command('governance')
    .addCommand(showCommand())
    .addCommand(proposeRulesCommand())
    .addCommand(voteCommand())
    .addCommand(withdrawCommand());
}

const changeText = ({ version }: Change): string => `version ${version} of the ledger's rules`;

function proposalLines({ proposal, approvals, rejections, status, ...heights }: ChangeProposal): string[] {
  const ends = {
    open: `open until height ${proposal.expiresHeight}`,
    decided: `decided in block ${heights.closedHeight}; in force from height ${heights.effectiveHeight} on`,
    rejected: `rejected in block ${heights.closedHeight}`,
    withdrawn: `withdrawn in block ${heights.closedHeight}`,
  };
  return [
    `Proposal      ${toHex(proposalId(proposal))}`,
    `Change        ${changeText(proposal.change)}`,
    `Proposed by   ${proposal.validator}${proposal.reason === '' ? '' : `: ${proposal.reason}`}`,
    `Status        ${ends[status]}`,
    `Approved by   ${approvals.join(', ')}`,
    `Rejected by   ${rejections.length === 0 ? 'nobody' : rejections.join(', ')}`,
  ];
}

interface ShowOptions extends ProfileOptions {
  readonly id?: string;
}

function showCommand(): Command {
  const command = profiled(
    new Command('show').description(
      "Shows the version of the ledger's rules in force, and what is decided and waits; with an id, a proposal and its " +
        'tally. All of it is proven from the genesis.',
    ),
  )
    .summary('show the rules in force, and a proposal with its tally')
    .option('--id <id>', 'id of a proposal, in hexadecimal');
  return define<ShowOptions>(
    command,
    'quaestor governance show --profile data/devnet/operator',
    ({ output, signal }, options) =>
      withProfile(options, async ({ client }) => {
        const { height, value } = await readGovernance(client, { signal });
        output.line(
          `Version ${value.rulesVersion} of the ledger's rules is in force at height ${height + 1}, ` +
            `${output.colours.green('proven')} from the genesis; this software knows versions up to ${newestRules}.`,
        );
        for (const { height: from, change } of value.scheduled) {
          output.line(`Decided: ${changeText(change)} from height ${from} on`);
        }
        const id = options.id === undefined ? undefined : idOf(options.id);
        const found = id === undefined ? undefined : (await readChangeProposal(client, id, { signal })).value;
        if (id !== undefined && found === undefined) throw usageError(`There is no proposal ${toHex(id)}.`);
        if (found !== undefined) output.line();
        for (const line of found === undefined ? [] : proposalLines(found)) output.line(line);
        output.document({
          height,
          ...value,
          known: newestRules,
          ...(found !== undefined && { proposal: found }),
        });
      }),
  );
}

interface ProposeOptions extends SpeakerOptions {
  readonly out: string;
  readonly reason: string;
  readonly notBefore?: number;
  readonly expires?: number;
}

function proposeRulesCommand(): Command {
  const command = speaking(
    new Command('propose-rules').description(
      "Proposes a version of the ledger's rules, and approves it for the validator. Upgrade all nodes first: one whose " +
        'software does not know the version stops below its height. The proposal is written to a file for the others, ' +
        'who vote on what is in it.',
    ),
  )
    .summary("propose a version of the ledger's rules")
    .argument('<version>', 'version to propose', parse.integer(1, 65_535))
    .requiredOption('-o, --out <file>', 'file to write the proposal to')
    .option('--reason <text>', 'why', '')
    .option(
      '--not-before <height>',
      'lowest height at which it may take effect',
      parse.integer(1, limits.maxHeight),
    )
    .option(
      '--expires <blocks>',
      'how many blocks it may wait for votes',
      parse.integer(1, limits.maxGovernanceBlocks - 1),
    );
  return define<ProposeOptions, [number]>(
    command,
    'quaestor governance propose-rules 2 --profile clients/bank-alba --validator validator-1 --key key/validator.key \\\n' +
      '  --password-file key/validator.password --out rules-2.proposal',
    (context, options, version) =>
      withProfile(options, async (open) => {
        const state = await open.client.getValidators({ signal: context.signal });
        const proposal: ProposeChange = {
          kind: 'proposeChange',
          validator: options.validator,
          baseValidatorSetHash: validatorSetHash(state.current),
          change: { kind: 'rulesVersion', version },
          notBeforeHeight: asHeight(options.notBefore ?? 0),
          expiresHeight: asHeight(state.height + (options.expires ?? defaultExpiryBlocks)),
          reason: options.reason,
        };
        const id = toHex(proposalId(proposal));
        await submit(open, context, options, proposal, { id, file: options.out });
        await writeFile(options.out, encodeProposeChange(proposal));
        const needed = quorumOf(state.current.validators.length);
        context.output.line(
          `Proposal ${id} is in ${options.out}; ${needed} of ${state.current.validators.length} have to approve. Others: ` +
            `quaestor governance vote approve ${options.out}`,
        );
      }),
  );
}

function voteCommand(): Command {
  const command = speaking(
    new Command('vote').description(
      'Approves or rejects the proposal in a file: just what is in it, and nothing else.',
    ),
  )
    .summary('vote on a proposal')
    .argument('<vote>', '"approve" or "reject"')
    .argument('<file>', 'file of the proposal');
  return define<SpeakerOptions, [string, string]>(
    command,
    'quaestor governance vote approve rules-2.proposal --profile clients/bank-borealis --validator validator-2 \\\n' +
      '  --key key/validator.key --password-file key/validator.password',
    (context, options, vote, file) =>
      withProfile(options, async (open) => {
        if (vote !== 'approve' && vote !== 'reject') throw usageError(`A vote is "approve" or "reject".`);
        const decoded = decodeProposeChange(new Uint8Array(await readFile(file)));
        if (!decoded.ok) throw usageError(`${file} is no proposal: ${decoded.error.message}`);
        await cast(open, context, options, decoded.value, vote);
      }),
  );
}

async function cast(
  open: OpenProfile,
  context: Parameters<typeof submit>[1],
  options: SpeakerOptions,
  proposal: ProposeChange,
  vote: Vote,
): Promise<void> {
  const { validator } = options;
  const id = proposalId(proposal);
  context.output.line(`${toHex(id)}: ${changeText(proposal.change)}`);
  await submit(
    open,
    context,
    options,
    { kind: 'voteOnChange', validator, proposal, vote },
    { id: toHex(id), vote },
  );
  const { value } = await readChangeProposal(open.client, id, { signal: context.signal });
  for (const line of value === undefined ? [] : proposalLines(value)) context.output.line(line);
}

function withdrawCommand(): Command {
  const command = speaking(
    new Command('withdraw').description(
      'Takes back what the validator proposed, as long as it is not closed.',
    ),
  )
    .summary('take a proposal back')
    .argument('<id>', 'id of the proposal, in hexadecimal');
  return define<SpeakerOptions, [string]>(
    command,
    'quaestor governance withdraw 5f1d… --profile clients/bank-alba --validator validator-1 --key key/validator.key \\\n' +
      '  --password-file key/validator.password',
    (context, options, id) =>
      withProfile(options, (open) =>
        submit(open, context, options, {
          kind: 'withdrawChange',
          validator: options.validator,
          proposalId: idOf(id),
        }),
      ),
  );
}

function idOf(text: string): Hash {
  const bytes = fromHex(text.toLowerCase());
  if (bytes?.length !== 32) throw usageError(`"${text}" is no id of a proposal: 64 hexadecimal digits.`);
  return asHash(bytes);
}
