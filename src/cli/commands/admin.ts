import { Argument, Command, Option } from 'commander';
import { writeFile } from 'node:fs/promises';
import type { AdminClient } from '../../client/index.js';
import { toHex } from '../../types/index.js';
import { openNode, profileOption, type ProfileOptions } from '../client/open-profile.js';
import { define, durationOption, type CommandContext } from '../command.js';
import type { Output } from '../output.js';

interface NodeOptions extends ProfileOptions {
  readonly config: string;
}

interface Answer {
  /** For people. */
  readonly show: (output: Output) => void;
  /** For --json. */
  readonly document: unknown;
}

/** `quaestor admin`. */
export function adminCommand(): Command {
  return new Command('admin')
    .addCommand(infoCommand())
    .addCommand(peersCommand())
    .addCommand(consensusCommand())
    .addCommand(mempoolCommand())
    .addCommand(logLevelCommand())
    .addCommand(handOverCommand())
    .addCommand(drainCommand())
    .addCommand(resumeCommand())
    .addCommand(pruneNowCommand())
    .addCommand(bundleCommand());
}

/** Within this the operator's own node answers. */
const defaultTimeoutMs = 10_000;

const addressed = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '-c, --config <file>',
        "the node's configuration: where its admin service listens",
      ).makeOptionMandatory(),
    )
    .addOption(profileOption())
    .addOption(durationOption('--timeout', 'how long the node is waited for', defaultTimeoutMs));

const example = (verb: string): string =>
  `quaestor admin ${verb} --config data/devnet/validators/validator-1/validator.yaml --profile data/devnet/operator`;

/** A command that asks the node one thing. */
function asking(
  name: string,
  summary: string,
  description: string,
  ask: (admin: AdminClient, validator: string) => Promise<Answer>,
): Command {
  return define<NodeOptions>(
    addressed(new Command(name).summary(summary).description(description)),
    example(name),
    (context, options) => answer(context, options, ask),
  );
}

async function answer(
  { output }: CommandContext,
  options: NodeOptions,
  ask: (admin: AdminClient, validator: string) => Promise<Answer>,
): Promise<undefined> {
  const { admin, validator } = await openNode(options.config, options);
  try {
    const { show, document } = await ask(admin, validator);
    show(output);
    output.document(document);
  } finally {
    admin.close();
  }
}

const infoCommand = (): Command =>
  asking('info', 'what runs there', 'Shows version, store and age of a running node.', async (admin) => {
    const { validator, version, storageEngine, dataDir, pid, uptimeMs } = await admin.nodeInfo();
    const document = { validator, version, storageEngine, dataDir, pid, uptimeMs: uptimeMs };
    return { document, show: (output) => showFields(output, document) };
  });

const peersCommand = (): Command =>
  asking(
    'peers',
    'how it is connected',
    'Shows the other validators as the node sees them: connected or why not, how far, what waits to be sent.',
    async (admin) => {
      const peers = await admin.peers();
      return {
        document: peers,
        show: (output) =>
          output.table(
            ['validator', 'address', 'connected', 'height', 'view', 'queued bytes', 'last error'],
            peers.map((peer) => [
              peer.validator,
              peer.address,
              peer.connected ? 'yes' : 'no',
              String(peer.height),
              String(peer.view),
              String(peer.queuedBytes),
              peer.lastError,
            ]),
          ),
      };
    },
  );

const consensusCommand = (): Command =>
  asking(
    'consensus',
    'where the protocol stands',
    'Shows view, heights and blocks in flight of the node.',
    async (admin) => {
      const state = await admin.consensusState();
      const inFlight = state.inFlight.map(({ height, digest, prepares, commits }) => ({
        height: height,
        digest: toHex(digest),
        prepares,
        commits,
      }));
      const document = {
        view: state.view,
        viewChangeInProgress: state.viewChangeInProgress,
        committedHeight: state.committedHeight,
        stableCheckpointHeight: state.stableCheckpointHeight,
      };
      return {
        document: { ...document, inFlight },
        show: (output) => {
          showFields(output, document);
          if (inFlight.length === 0) return;
          output.line();
          output.table(
            ['height in flight', 'digest', 'prepares', 'commits'],
            inFlight.map(({ height, digest, prepares, commits }) => [
              String(height),
              digest,
              String(prepares),
              String(commits),
            ]),
          );
        },
      };
    },
  );

const mempoolCommand = (): Command =>
  asking(
    'mempool',
    'what waits to be committed',
    'Shows how much waits on the node, and for how long.',
    async (admin) => {
      const { pending, inFlight, bytes, members, oldestAgeMs, awaited } = await admin.mempool();
      const document = {
        pending,
        inFlight,
        bytes: bytes,
        members,
        oldestAgeMs: oldestAgeMs,
        awaited,
      };
      return { document, show: (output) => showFields(output, document) };
    },
  );

const handOverCommand = (): Command =>
  asking(
    'hand-over',
    'make another validator the primary',
    'The primary gives its view up, and the next validator takes over at once. Refused by a node that is not the primary.',
    async (admin) => {
      const { primary } = await admin.handOver();
      return { document: { primary }, show: (output) => output.line(`${primary} is the primary now.`) };
    },
  );

const drainCommand = (): Command =>
  asking(
    'drain',
    'prepare a stop',
    'The node hands over whenever it is the primary, takes nothing from clients (the SDK goes to another validator) and ' +
      'is not ready (/readyz). It goes on voting. Ends by "resume" or a restart. SIGTERM does the same before it stops.',
    async (admin, validator) => {
      const { primary, handedOver } = await admin.drain();
      const outcome = handedOver
        ? `${primary} is the primary`
        : `it still is the primary: no other could take over`;
      return {
        document: { validator, primary, handedOver },
        show: (output) => output.line(`${validator} is drained; ${outcome}.`),
      };
    },
  );

const resumeCommand = (): Command =>
  asking('resume', 'end a drain', 'The node takes transactions again.', async (admin, validator) => {
    const { wasDrained } = await admin.resume();
    const text = wasDrained ? `${validator} takes transactions again.` : `${validator} was not drained.`;
    return { document: { validator, wasDrained }, show: (output) => output.line(text) };
  });

const pruneNowCommand = (): Command =>
  asking(
    'prune-now',
    'give back the room of old blocks',
    'Seals and removes now what the node need not keep (storage.retain and storage.segments of its configuration), and ' +
      'gives back the room on its disk. The node does so by itself too, little by little. May take minutes: see --timeout.',
    async (admin) => {
      const { oldestBlock, oldestState, removedEntries, freedBytes } = await admin.pruneNow();
      const document = { oldestBlock, oldestState, removedEntries, freedBytes };
      return { document, show: (output) => showFields(output, document) };
    },
  );

function logLevelCommand(): Command {
  const command = addressed(
    new Command('log-level')
      .summary('change the level of its log')
      .description('Changes the level of the log until the next restart.')
      .addArgument(new Argument('<level>').choices(['trace', 'debug', 'info', 'warn', 'error'])),
  );
  return define<NodeOptions, [string]>(command, example('log-level debug'), (context, options, level) =>
    answer(context, options, async (admin) => {
      const previous = await admin.setLogLevel(level);
      return {
        document: { level, previous },
        show: (output) => output.line(`${level} now, ${previous} before.`),
      };
    }),
  );
}

function bundleCommand(): Command {
  const command = addressed(
    new Command('bundle')
      .summary('a file for who is to help')
      .description(
        'Writes what an engineer far away wants to know of the node into one file: versions, state, peers, configuration, ' +
          'metrics, the last lines of the log. No keys, passwords or payloads.',
      ),
  ).requiredOption('-o, --out <file>', 'file to make; it must not exist');
  return define<NodeOptions & { readonly out: string }>(
    command,
    `${example('bundle')} --out validator-1.json`,
    (context, options) =>
      answer(context, options, async (admin) => {
        await writeFile(options.out, `${await admin.diagnosis()}\n`, { flag: 'wx', mode: 0o600 });
        return {
          document: { file: options.out },
          show: (output) => output.line(`Written to ${options.out}. Read it before you pass it on.`),
        };
      }),
  );
}

function showFields(output: Output, fields: Readonly<Record<string, string | number | boolean>>): void {
  output.table(
    ['', ''],
    Object.entries(fields).map(([name, value]) => [spaced(name), String(value)]),
  );
}

/** "stableCheckpointHeight" is "stable checkpoint height". */
const spaced = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
