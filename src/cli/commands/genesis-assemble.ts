import { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Genesis } from '../../codec/index.js';
import {
  formatAddress,
  genesisFromWorld,
  loadParticipation,
  loadWorld,
  parseAddress,
  renderGenesis,
  renderParticipation,
  type Participation,
} from '../../config/index.js';
import { readKeystorePublicKey } from '../../crypto/native/index.js';
import { genesisChainId } from '../../ledger/index.js';
import { asPublicKey, equalBytes, fromHex, type PublicKey } from '../../types/index.js';
import { define, parse } from '../command.js';
import { CommandError, usageError } from '../command-error.js';
import { exitCodes } from '../exit-codes.js';
import { count } from '../output.js';
import { writeWholeFile } from '../whole-file.js';
import { groupedChainId } from './genesis-text.js';

interface RequestOptions {
  readonly network: string;
  readonly member: string;
  readonly memberKey: readonly string[];
  readonly threshold: number;
  readonly validator?: string;
  readonly validatorKey?: string;
  readonly address?: string;
  readonly authority: string;
  readonly out: string;
}

/** `quaestor genesis request`. */
export function requestCommand(): Command {
  const command = new Command('request')
    .summary('say who you are, for the genesis')
    .description(
      'Writes the public parts of an institution to a file for whoever puts the genesis together: the keys of the member, and ' +
        'of its validator with the address at which the others reach it, and the certificate of its own authority. Holds no ' +
        'secret, and needs no password.',
    )
    .requiredOption('--network <name>', 'name of the network')
    .requiredOption('--member <id>', 'id of the member')
    .requiredOption('--member-key <file...>', 'key files of the member, or public keys')
    .option('--threshold <number>', 'how many of these keys have to sign', parse.integer(1, 255), 1)
    .option('--validator <id>', 'id of its validator')
    .option('--validator-key <file>', 'key file of the validator, or its public key')
    .option('--address <host:port>', 'where the other validators reach it')
    .requiredOption('--authority <file>', 'certificate of the own authority, PEM (never its key)')
    .requiredOption('-o, --out <file>', 'file to write');
  return define<RequestOptions>(
    command,
    'quaestor genesis request --network example-consortium --member bank-alba --member-key keys/member.key --validator validator-1 --validator-key key/validator.key --address validator-1.alba.example:7050 --authority authority/ca.pem --out bank-alba.yaml',
    async ({ output }, options) => {
      const keys = await Promise.all(options.memberKey.map(publicKeyOf));
      if (options.threshold > keys.length) {
        throw usageError(
          `--threshold is ${options.threshold}, and there are only ${count(keys.length, 'key')}.`,
        );
      }
      const participation: Participation = {
        network: options.network,
        member: options.member,
        policy: { threshold: options.threshold, keys: keys.map((publicKey) => ({ publicKey, weight: 1 })) },
        validator: await validatorOf(options),
        authorityPem: await readFile(options.authority, 'utf8'),
      };
      if (participation.authorityPem.includes('PRIVATE KEY')) {
        throw usageError(
          `${options.authority} holds a private key. Name the file with the certificate alone.`,
        );
      }
      await writeWholeFile(options.out, [renderParticipation(participation)]);
      const written = await loadParticipation(options.out);
      if (!written.ok) throw written.error;
      output.line(`Written to ${options.out}: send it to whoever puts the genesis together.`);
      output.document({ file: options.out });
      return undefined;
    },
  );
}

async function validatorOf({
  validator,
  validatorKey,
  address,
}: RequestOptions): Promise<Participation['validator']> {
  if (validator === undefined && validatorKey === undefined && address === undefined) return undefined;
  if (validator === undefined || validatorKey === undefined || address === undefined) {
    throw usageError('--validator, --validator-key and --address belong together.');
  }
  const parsed = parseAddress(address);
  if (parsed === undefined) throw usageError(`Found --address ${address}; expected "host:port".`);
  return { id: validator, publicKey: await publicKeyOf(validatorKey), address: parsed };
}

/** The public key that is written out, or that of a key file. */
async function publicKeyOf(text: string): Promise<PublicKey> {
  const bytes = fromHex(text);
  if (bytes?.length === 32) return asPublicKey(bytes);
  const read = await readKeystorePublicKey(text);
  if (!read.ok) throw read.error;
  return read.value;
}

interface AssembleOptions {
  readonly world: string;
  readonly time: string;
  readonly request: readonly string[];
  readonly dir: string;
}

/** `quaestor genesis assemble`. */
export function assembleCommand(): Command {
  const command = new Command('assemble')
    .summary('put the genesis together')
    .description(
      'Makes the genesis of the world file (members, assets, accounts, parameters, which the institutions have agreed upon) ' +
        'and what each institution handed out. The same files and the same time give the same genesis, wherever it is done. ' +
        'Beside it: the addresses for the configurations, and the certificates of all authorities.',
    )
    .requiredOption('-w, --world <file>', 'world file')
    .requiredOption('--time <time>', 'ledger time of height 0, for example 2026-12-01T08:00:00Z')
    .requiredOption('-r, --request <file...>', 'what each institution handed out')
    .requiredOption(
      '-d, --dir <folder>',
      'folder for genesis.yaml, peers.yaml and ca.pem; it has to be there',
    );
  return define<AssembleOptions>(
    command,
    'quaestor genesis assemble --world world.yaml --time 2026-12-01T08:00:00Z --request bank-alba.yaml bank-borealis.yaml --dir ceremony',
    async ({ output }, options) => {
      const timeMs = Date.parse(options.time);
      if (!/T.*(Z|[+-]\d{2}:\d{2})$/.test(options.time) || !Number.isSafeInteger(timeMs)) {
        throw usageError(
          `Found --time ${options.time}; expected a time with its zone, such as 2026-12-01T08:00:00Z.`,
        );
      }
      const world = await loadWorld(options.world);
      if (!world.ok) throw world.error;
      const requests = await Promise.all(options.request.map(readRequest));
      const members = new Map<string, Participation>();
      for (const [index, request] of requests.entries()) {
        const file = options.request[index] ?? '';
        const wrong = whyNot(request, world.value, members);
        if (wrong !== undefined)
          throw new CommandError('REQUEST_UNFIT', `${file}: ${wrong}`, exitCodes.usage);
        members.set(request.member, request);
      }
      const validators = requests.flatMap(({ validator }) => (validator === undefined ? [] : [validator]));
      const made = genesisFromWorld(
        world.value,
        {
          members: new Map([...members].map(([member, { policy }]) => [member, policy])),
          validators: new Map(validators.map(({ id, publicKey }) => [id, publicKey])),
        },
        timeMs,
      );
      if (!made.ok) throw new CommandError('GENESIS_INCOMPLETE', made.error, exitCodes.usage);
      const peers = world.value.validators.map(({ id }) => {
        const address = validators.find((validator) => validator.id === id)?.address;
        return `  - { validator: ${JSON.stringify(id)}, address: ${JSON.stringify(address === undefined ? '' : formatAddress(address))} }`;
      });
      const place = (name: string): string => join(options.dir, name);
      await writeWholeFile(place('genesis.yaml'), [renderGenesis(made.value)]);
      await writeWholeFile(place('peers.yaml'), ['peers:\n', peers.join('\n'), '\n']);
      const authorities = [...new Set(requests.map(({ authorityPem }) => `${authorityPem.trim()}\n`))].sort();
      await writeWholeFile(place('ca.pem'), authorities);
      const chainId = genesisChainId(made.value);
      output.line(`Genesis       ${place('genesis.yaml')}`);
      output.line(`Addresses     ${place('peers.yaml')}, for the configurations`);
      output.line(`Authorities   ${place('ca.pem')}, for the configurations`);
      output.line();
      output.line(`Chain id      ${groupedChainId(chainId)}`);
      output.document({
        chainId,
        genesis: place('genesis.yaml'),
        peers: place('peers.yaml'),
        ca: place('ca.pem'),
      });
      return undefined;
    },
  );
}

async function readRequest(file: string): Promise<Participation> {
  const read = await loadParticipation(file);
  if (!read.ok) throw read.error;
  return read.value;
}

/** Why what an institution handed out does not fit the world, if it does not. */
function whyNot(
  { network, member, validator }: Participation,
  world: Pick<Genesis, 'network'> & {
    readonly members: readonly { readonly member: string }[];
    readonly validators: readonly { readonly id: string; readonly member: string }[];
  },
  known: ReadonlyMap<string, Participation>,
): string | undefined {
  if (network !== world.network) return `it is for the network "${network}", not for "${world.network}".`;
  if (!world.members.some((entry) => entry.member === member)) return `the world has no member "${member}".`;
  if (known.has(member)) return `the member "${member}" is there a second time.`;
  if (validator === undefined) return undefined;
  const place = world.validators.find(({ id }) => id === validator.id);
  if (place === undefined) return `the world has no validator "${validator.id}".`;
  if (place.member !== member)
    return `"${validator.id}" is the validator of ${place.member}, not of ${member}.`;
  const same = [...known.values()].find(
    (other) => other.validator && equalBytes(other.validator.publicKey, validator.publicKey),
  );
  return same === undefined ? undefined : `its validator has the key of that of ${same.member}.`;
}
