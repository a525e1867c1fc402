import { Command } from 'commander';
import { ClientError, type ValidatorStatus } from '../../client/index.js';
import { firstValidatorSet, type ValidatorSet } from '../../codec/index.js';
import { quorumOf, toHex } from '../../types/index.js';
import { openProfile, profileOption, type OpenProfile, type ProfileOptions } from '../client/open-profile.js';
import { define, durationOption } from '../command.js';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { printable, type Output } from '../output.js';

/** Asked by hand, so an answer is wanted soon: who is down should not keep one waiting. */
const defaultTimeoutMs = 3_000;

type Answer =
  | { readonly id: string; readonly address: string; readonly status: ValidatorStatus }
  | { readonly id: string; readonly address: string; readonly error: Error };

/** `quaestor status`. */
export function statusCommand(): Command {
  const command = new Command('status')
    .description(
      'Asks every node of the profile where it stands. Exit code 0 if a quorum of the validators in force answers, is ' +
        'synced and agrees, 3 if not, 4 if two of one height have different states.',
    )
    .addOption(profileOption())
    .addOption(durationOption('--timeout', 'how long a validator is waited for', defaultTimeoutMs));
  return define<ProfileOptions>(
    command,
    'quaestor status --profile data/devnet/operator',
    async ({ output, signal }, options) => {
      const open = await openProfile(options);
      const { client, profile, genesis } = open;
      try {
        const ids = new Map(profile.validators.map(({ id, address }) => [address, id]));
        const answers = (
          await client.getStatusOfAll({ timeoutMs: options.timeout ?? defaultTimeoutMs, signal })
        ).map((answer): Answer => ({ id: ids.get(answer.address) ?? '', ...answer }));
        const { set, proven } = await setInForce(open, answers, signal);
        const quorum = quorumOf(set.validators.length);
        const judged = judge(answers, set, quorum);
        show(output, answers);
        output.line();
        const place = `${set.validators.length} validators of set ${set.epoch} decide from height ${set.activationHeight} on`;
        output.line(
          proven
            ? `${place}, proven from the genesis.`
            : `${place}, as far as is known: nobody proved a later one.`,
        );
        output.line(judged.exitCode === exitCodes.ok ? judged.text : output.colours.red(judged.text));
        output.document({
          network: genesis.network,
          chainId: client.chainId,
          epoch: set.epoch,
          quorum,
          verdict: judged.text,
          validators: answers.map(documentOf),
        });
        return judged.exitCode;
      } finally {
        client.close();
      }
    },
  );
}

/** The validator set in force, proven by whoever answers; the latest that is known when nobody does. */
async function setInForce(
  { client, genesis }: OpenProfile,
  answers: readonly Answer[],
  signal: AbortSignal,
): Promise<{ readonly set: ValidatorSet; readonly proven: boolean }> {
  if (answers.some((answer) => 'status' in answer)) {
    try {
      const { current } = await client.getValidators({ timeoutMs: defaultTimeoutMs, signal });
      return { set: current, proven: true };
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
    }
  }
  return { set: firstValidatorSet(genesis.validators), proven: false };
}

function judge(
  answers: readonly Answer[],
  { validators }: ValidatorSet,
  quorum: number,
): { readonly text: string; readonly exitCode: ExitCode } {
  const statuses = answers.flatMap((answer) => ('status' in answer ? [answer.status] : []));
  const roots = new Map<number, ValidatorStatus>();
  for (const status of statuses) {
    const other = roots.get(status.height);
    if (other !== undefined && toHex(other.stateRoot) !== toHex(status.stateRoot)) {
      return {
        text: `${other.validator} and ${status.validator} have different states at height ${status.height}.`,
        exitCode: exitCodes.unverified,
      };
    }
    roots.set(status.height, status);
  }
  const inForce = new Set(validators.map(({ id }) => id));
  const voting = statuses.filter(({ validator, validates }) => validates && inForce.has(validator));
  const working = voting.filter(({ synced }) => synced).length;
  if (working < quorum) {
    const known = answers.filter(({ id }) => inForce.has(id)).length;
    const unknown = known < validators.length ? ` The profile names ${known} of them.` : '';
    return {
      text: `There is no quorum: ${working} of ${validators.length} validators answer and are synced; ${quorum} are needed to commit.${unknown}`,
      exitCode: exitCodes.unreachable,
    };
  }
  const height = Math.max(...statuses.map((status) => status.height));
  return {
    text: `${working} of ${validators.length} validators work (quorum ${quorum}), height ${height}.`,
    exitCode: exitCodes.ok,
  };
}

function show(output: Output, answers: readonly Answer[]): void {
  const { green, red, yellow } = output.colours;
  output.table(
    [
      'node',
      'address',
      '>height',
      '>set',
      'votes',
      '>view',
      'primary',
      'state root',
      'synced',
      'connected',
      '>pending',
    ],
    answers.map((answer) => {
      if ('error' in answer) {
        return [answer.id, answer.address, '', '', '', '', red('does not answer'), '', '', '', ''];
      }
      const { status, id, address } = answer;
      return [
        id,
        address,
        String(status.height),
        String(status.epoch),
        status.validates ? green('yes') : yellow('no, follows'),
        `${status.view}${status.viewChangeInProgress ? '…' : ''}`,
        printable(status.primary),
        toHex(status.stateRoot).slice(0, 12),
        status.synced ? green('yes') : yellow('no'),
        `${status.connectedValidators} of ${status.validators}`,
        String(status.pendingTransactions),
      ];
    }),
  );
  for (const answer of answers) {
    if ('error' in answer) output.line(`${answer.id}: ${printable(plainReason(answer.error.message))}`);
  }
}

/** What the gRPC library says of a connection that failed, in the words of people. */
function plainReason(message: string): string {
  const refused = /connect ECONNREFUSED ([^\s]+?)\.?(\s|$)/.exec(message);
  if (refused !== null) return `nothing listens at ${refused[1] ?? ''}`;
  return message
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/ Resolution note: ?$/, '');
}

function documentOf(answer: Answer): Record<string, unknown> {
  const { id, address } = answer;
  return 'error' in answer
    ? { id, address, answers: false, error: answer.error.message }
    : { id, address, answers: true, ...answer.status };
}
