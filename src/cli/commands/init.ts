import { Command } from 'commander';
import { join, relative } from 'node:path';
import { limits, toHex } from '../../types/index.js';
import { define, parse } from '../command.js';
import { usageError } from '../command-error.js';
import { maxBasePort } from '../network-folder/ports.js';
import { softwareFolder } from '../version.js';

interface InitOptions {
  readonly dir: string;
  readonly world: string;
  readonly validators?: number;
  readonly observers: number;
  readonly basePort?: number;
  readonly host: string;
  readonly days: number;
}

/** World that comes with the software. */
export const defaultWorld = join(softwareFolder, 'configs', 'devnet.yaml');

/** `quaestor init`. */
export function initCommand(): Command {
  const command = new Command('init')
    .description(
      'Makes the folder of a new network from a world file (members, assets, accounts): keys, the certificates of a ' +
        'consortium authority, the genesis, a folder for each validator and a profile for each member and an ' +
        'operator. Nothing that exists is overwritten.',
    )
    .option('-d, --dir <folder>', 'folder to make', join('data', 'network'))
    .option('-w, --world <file>', 'world file', defaultWorld)
    .option(
      '-n, --validators <number>',
      'number of validators (default: those of the world)',
      parse.integer(1, limits.maxValidators),
    )
    .option(
      '--observers <number>',
      'number of observers: nodes that follow and serve, but never vote',
      parse.integer(0, limits.maxValidators),
      0,
    )
    .option(
      '--base-port <port>',
      'validator k uses the ports from base + 10 k on (default: the first free range from 7100)',
      parse.integer(1024, 65_000),
    )
    .option('--host <host>', 'host that the validators listen on and are reached at', '127.0.0.1')
    .option('--days <number>', 'days that the certificates hold', parse.integer(1, 3650), 825);
  return define<InitOptions>(
    command,
    'quaestor init --dir data/consortium --world configs/devnet.yaml --validators 7',
    async ({ output }, options) => {
      checkBasePort(options.basePort, (options.validators ?? limits.maxValidators) + options.observers);
      const { createNetwork } = await import('../network-folder/create-network.js');
      const { layout, genesis, chainId, validators, observers } = await createNetwork(options);
      output.line(`Network "${genesis.network}" in ${layout.dir}`);
      output.line(`Chain id ${toHex(chainId)}`);
      output.line();
      output.table(
        ['validator', 'member', '>peer', '>client', '>admin', '>metrics'],
        genesis.validators.map(({ id, member }, index) => {
          const ports = validators[index]?.ports;
          return [id, member, ...[ports?.peer, ports?.client, ports?.admin, ports?.http].map(String)];
        }),
      );
      for (const { id, ports } of observers) {
        output.line(
          `Observer ${id}: clients ${ports.client}, operators ${ports.admin}, metrics ${ports.http}`,
        );
      }
      const here = (path: string): string => relative(process.cwd(), path);
      const first = validators[0]?.id ?? '';
      output.line();
      output.line(`Run all on this machine:   quaestor devnet run --dir ${here(layout.dir)}`);
      output.line(
        `Or each by itself:         quaestor start --config ${here(layout.validatorConfig(first))}`,
      );
      output.document({
        network: genesis.network,
        chainId,
        dir: layout.dir,
        genesis: layout.genesis,
        validators: validators.map(({ id, ports }) => ({ id, config: layout.validatorConfig(id), ports })),
        observers: observers.map(({ id, ports }) => ({ id, config: layout.observerConfig(id), ports })),
        profiles: Object.fromEntries(genesis.members.map(({ member }) => [member, layout.client(member)])),
        operatorProfile: layout.operator,
      });
      return undefined;
    },
  );
}

/** Refuses a base port from which the ports of so many validators would end beyond the last one. */
export function checkBasePort(basePort: number | undefined, validators: number | undefined): void {
  const max = maxBasePort(validators ?? limits.maxValidators);
  if (basePort !== undefined && basePort > max) {
    throw usageError(
      `The base port is ${basePort}; expected at most ${max}, so that all validators have ports.`,
    );
  }
}
