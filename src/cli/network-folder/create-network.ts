/** Makes the folder of a new network: keys, certificates, genesis, a folder for each validator, a profile for each
 * client. All or nothing: it is built beside its place and then moved there. */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Genesis } from '../../codec/index.js';
import { genesisFromWorld, loadWorld, renderGenesis, type World } from '../../config/index.js';
import {
  generateKeyPair,
  wipe,
  writeKeystore,
  writePasswordFile,
  type KeyFileError,
} from '../../crypto/native/index.js';
import { genesisChainId } from '../../ledger/index.js';
import { createAuthority, issueCertificate, type IdentityRole } from '../../network/pki/index.js';
import type { ChainId, PublicKey, Result } from '../../types/index.js';
import { exitCodes } from '../exit-codes.js';
import { CommandError } from '../command-error.js';
import { isMissing } from '../is-missing.js';
import { NetworkLayout, operatorName } from './layout.js';
import { choosePorts } from './ports.js';
import { renderNodeConfig, renderProfile, type ValidatorPlace } from './render.js';

export interface CreateNetworkOptions {
  readonly dir: string;
  /** World file: members, assets, accounts. */
  readonly world: string;
  /** Number of validators; by default those of the world. */
  readonly validators?: number | undefined;
  /** Number of observers; default 0. */
  readonly observers?: number | undefined;
  /** First port of the first validator is ten above; by default the first free range is taken. */
  readonly basePort?: number | undefined;
  /** Host that the validators listen on and are reached at. */
  readonly host: string;
  /** Days that the certificates hold. */
  readonly days: number;
}

export interface CreatedNetwork {
  readonly layout: NetworkLayout;
  readonly genesis: Genesis;
  readonly chainId: ChainId;
  readonly validators: readonly ValidatorPlace[];
  readonly observers: readonly ValidatorPlace[];
}

/** A password that is made by a machine needs no slow hash against guessing: 256 bits are out of reach. This is the
 * least cost that a key file may have. */
const generatedPasswordCost = { n: 2 ** 14, r: 8, p: 1 };
const authorityDays = 3650;

/** Makes a network. Throws a QuaestorError, having left nothing behind. */
export async function createNetwork(options: CreateNetworkOptions): Promise<CreatedNetwork> {
  const dir = resolve(options.dir);
  await refuseToOverwrite(dir);
  const world = withValidators(await readWorld(options.world), options.validators);
  const observerIds = Array.from({ length: options.observers ?? 0 }, (_, index) => `observer-${index + 1}`);
  const ids = [...world.validators.map(({ id }) => id), ...observerIds];
  const ports = await choosePorts(ids.length, options.host, options.basePort);
  const all = ids.map((id, index): ValidatorPlace => {
    const own = ports[index];
    if (own === undefined) throw new RangeError('there are ports for each node');
    return { id, ports: own };
  });
  const places = all.slice(0, world.validators.length);
  const observers = all.slice(world.validators.length);
  await mkdir(dirname(dir), { recursive: true });
  const draft = await mkdtemp(join(dirname(dir), `.${basename(dir)}-`));
  try {
    const genesis = await fill(new NetworkLayout(draft), world, places, observers, options);
    // Replaces an empty folder, which may be there already.
    await rename(draft, dir);
    return {
      layout: new NetworkLayout(dir),
      genesis,
      chainId: genesisChainId(genesis),
      validators: places,
      observers,
    };
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

async function refuseToOverwrite(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  if (names.length === 0) return;
  throw new CommandError(
    'FOLDER_NOT_EMPTY',
    `The folder ${dir} is not empty and was left as it is. Choose another one with --dir, or remove it first.`,
    exitCodes.usage,
  );
}

async function readWorld(file: string): Promise<World> {
  const world = await loadWorld(file);
  if (!world.ok) throw world.error;
  return world.value;
}

/** The world with so many validators: the first of its own, then more, dealt out to the members in turn. */
function withValidators(world: World, wanted = world.validators.length): World {
  const validators = world.validators.slice(0, wanted);
  const taken = new Set(validators.map(({ id }) => id));
  const hosts = world.members.map(({ member }) => member);
  // Who has none yet comes first.
  const turns = hosts.sort(
    (left, right) => Number(hasValidator(world, left)) - Number(hasValidator(world, right)),
  );
  for (let number = 1, turn = 0; validators.length < wanted; number++) {
    const id = `validator-${number}`;
    const member = turns[turn % turns.length];
    if (taken.has(id) || member === undefined) continue;
    validators.push({ id, member });
    turn++;
  }
  return { ...world, validators };
}

function hasValidator(world: World, member: string): boolean {
  return world.validators.some((validator) => validator.member === member);
}

async function fill(
  layout: NetworkLayout,
  world: World,
  places: readonly ValidatorPlace[],
  observers: readonly ValidatorPlace[],
  options: CreateNetworkOptions,
): Promise<Genesis> {
  const nowMs = Date.now();
  await Promise.all([
    ...places.flatMap(({ id }) =>
      ['key', 'tls'].map((name) => privateFolder(join(layout.validator(id), name))),
    ),
    ...world.members.flatMap(({ member }) =>
      ['keys', 'tls'].map((name) => privateFolder(join(layout.client(member), name))),
    ),
    ...observers.map(({ id }) => privateFolder(join(layout.observer(id), 'tls'))),
    privateFolder(join(layout.operator, 'tls')),
    privateFolder(layout.authority),
  ]);

  const validatorKeys = await makeKeys(
    places.map(({ id }) => [id, join(layout.validator(id), 'key', 'validator')]),
  );
  const memberKeys = await makeKeys(
    world.members.map(({ member }) => [member, join(layout.client(member), 'keys', 'member')]),
  );
  const made = genesisFromWorld(
    world,
    {
      validators: validatorKeys,
      members: new Map(
        [...memberKeys].map(([member, publicKey]) => [
          member,
          { threshold: 1, keys: [{ publicKey, weight: 1 }] },
        ]),
      ),
    },
    nowMs,
  );
  if (!made.ok) throw new CommandError('GENESIS_INCOMPLETE', made.error);
  const genesis = made.value;
  await writeFile(layout.genesis, renderGenesis(genesis));

  const authority = await createAuthority(world.network, { nowMs, days: authorityDays });
  await writeFile(join(layout.authority, 'ca.pem'), authority.certificatePem);
  await writeSecret(join(layout.authority, 'ca-key.pem'), authority.privateKeyPem);
  const certify = async (role: IdentityRole, id: string, folder: string, name: string): Promise<void> => {
    const identity = { network: world.network, role, id };
    const hosts = role === 'validator' || role === 'observer' ? [options.host, 'localhost'] : [];
    const certified = await issueCertificate(authority, { identity, hosts }, { nowMs, days: options.days });
    await writeFile(join(folder, 'tls', 'ca.pem'), authority.certificatePem);
    await writeFile(join(folder, 'tls', `${name}.pem`), certified.certificatePem);
    await writeSecret(join(folder, 'tls', `${name}-key.pem`), certified.privateKeyPem);
  };
  for (const place of places) {
    const folder = layout.validator(place.id);
    await certify('validator', place.id, folder, 'validator');
    await copyFile(layout.genesis, join(folder, 'genesis.yaml'));
    await writeFile(
      layout.validatorConfig(place.id),
      renderNodeConfig('validator', place, places, options.host),
    );
  }
  for (const place of observers) {
    const folder = layout.observer(place.id);
    await certify('observer', place.id, folder, 'observer');
    await copyFile(layout.genesis, join(folder, 'genesis.yaml'));
    await writeFile(
      layout.observerConfig(place.id),
      renderNodeConfig('observer', place, places, options.host),
    );
  }
  for (const member of [undefined, ...world.members.map((entry) => entry.member)]) {
    const folder = member === undefined ? layout.operator : layout.client(member);
    await certify(member === undefined ? 'operator' : 'member', member ?? operatorName, folder, 'client');
    await copyFile(layout.genesis, join(folder, 'genesis.yaml'));
    await writeFile(join(folder, 'profile.yaml'), renderProfile(member, places, options.host));
  }
  return genesis;
}

/** Makes a key file and a password file at each path ("….key", "….password"). */
async function makeKeys(
  wanted: readonly (readonly [id: string, path: string])[],
): Promise<ReadonlyMap<string, PublicKey>> {
  const made = await Promise.all(
    wanted.map(async ([id, path]) => {
      const pair = generateKeyPair();
      const password = randomBytes(32).toString('base64url');
      expectDone(await writeKeystore(`${path}.key`, pair, password, { scryptCost: generatedPasswordCost }));
      expectDone(await writePasswordFile(`${path}.password`, password));
      wipe(pair.seed);
      return [id, pair.publicKey] as const;
    }),
  );
  return new Map(made);
}

function expectDone(result: Result<void, KeyFileError>): void {
  if (!result.ok) throw result.error;
}

async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

async function writeSecret(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flag: 'wx' });
}
