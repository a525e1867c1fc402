/** From a profile to a connection: what commands act with. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { join, dirname } from 'node:path';
import { Option } from 'commander';
import { AdminClient, QuaestorClient, type ClientTls } from '../../client/index.js';
import type { Genesis } from '../../codec/index.js';
import {
  formatAddress,
  loadClientProfile,
  loadGenesis,
  loadNodeConfig,
  profileFileName,
  type ClientProfile,
} from '../../config/index.js';
import type { Signer } from '../../crypto/index.js';
import { openKeyFile } from '../../crypto/native/index.js';
import { usageError } from '../command-error.js';

/** A profile in use. */
export interface OpenProfile {
  readonly profile: ClientProfile;
  /** Folder of the profile. */
  readonly dir: string;
  readonly genesis: Genesis;
  readonly client: QuaestorClient;
}

export interface ProfileOptions {
  readonly profile?: string;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** The option --profile. */
export function profileOption(): Option {
  return new Option(
    '-p, --profile <folder>',
    'profile of the member or operator to act for, or a folder of such profiles',
  ).env('QUAESTOR_PROFILE');
}

/** Opens the profile of the options; of a folder of profiles the first. */
export async function openProfile(options: ProfileOptions): Promise<OpenProfile> {
  const [first] = await profileFolders(options.profile);
  if (first === undefined) throw noProfile(options.profile ?? '');
  return open(first, options.timeout);
}

/** Opens the profile of the options, or all profiles of such a folder. */
export async function openProfiles(options: ProfileOptions): Promise<readonly OpenProfile[]> {
  const folders = await profileFolders(options.profile);
  return Promise.all(folders.map((folder) => open(folder, options.timeout)));
}

/** A node as its operator reaches it. */
export interface OpenNode {
  readonly admin: AdminClient;
  readonly validator: string;
  readonly genesis: Genesis;
}

/** Opens the AdminService of the node of a configuration file, as the operator of the options' profile. */
export async function openNode(configFile: string, options: ProfileOptions): Promise<OpenNode> {
  const [folder] = await profileFolders(options.profile);
  if (folder === undefined) throw noProfile(options.profile ?? '');
  const loaded = await loadClientProfile(folder);
  if (!loaded.ok) throw loaded.error;
  // The node's own variables, not the one of the commands; its keys need not be readable for its operator.
  const { QUAESTOR_PROFILE: _profile, ...environment } = process.env;
  const config = await loadNodeConfig(configFile, environment, { checkFiles: false });
  if (!config.ok) throw config.error;
  const genesis = await loadGenesis(loaded.value.genesisFile);
  if (!genesis.ok) throw genesis.error;
  const { validator, listen } = config.value;
  const admin = new AdminClient({
    address: formatAddress(listen.admin),
    validator,
    network: genesis.value.network,
    tls: await readTls(loaded.value),
    ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
  });
  return { admin, validator, genesis: genesis.value };
}

/** Keys of a profile, opened. */
export function openSigners({ profile }: OpenProfile): Promise<readonly Signer[]> {
  return Promise.all(profile.keys.map(({ file, passwordFile }) => openKeyFile(file, passwordFile)));
}

async function profileFolders(path: string | undefined): Promise<readonly string[]> {
  if (path === undefined) {
    throw usageError(
      'Whose request is it? Give --profile FOLDER or set QUAESTOR_PROFILE; "quaestor init" makes profiles under clients/ and operator/.',
    );
  }
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw usageError(`There is no profile ${path}.`);
  if (!found.isDirectory() || (await exists(join(path, profileFileName)))) return [path];
  const names = (await readdir(path)).sort();
  const folders: string[] = [];
  for (const name of names) {
    if (await exists(join(path, name, profileFileName))) folders.push(join(path, name));
  }
  if (folders.length === 0) throw noProfile(path);
  return folders;
}

function noProfile(path: string): Error {
  return usageError(`The folder ${path} has no ${profileFileName}, nor has any folder in it.`);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function open(folder: string, timeoutMs: number | undefined): Promise<OpenProfile> {
  const loaded = await loadClientProfile(folder);
  if (!loaded.ok) throw loaded.error;
  const profile = loaded.value;
  const genesis = await loadGenesis(profile.genesisFile);
  if (!genesis.ok) throw genesis.error;
  const client = QuaestorClient.connect({
    validators: profile.validators,
    tls: await readTls(profile),
    genesis: genesis.value,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return { profile, dir: dirname(profile.file), genesis: genesis.value, client };
}

async function readTls({ tls }: ClientProfile): Promise<ClientTls> {
  const [caPem, certificatePem, privateKeyPem] = await Promise.all([
    readFile(tls.ca, 'utf8'),
    readFile(tls.cert, 'utf8'),
    readFile(tls.key, 'utf8'),
  ]);
  return { caPem, certificatePem, privateKeyPem };
}
