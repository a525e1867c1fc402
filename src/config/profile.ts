import { dirname, join, resolve } from 'node:path';
import { stat } from 'node:fs/promises';
import type { z } from 'zod';
import { err, limits, ok } from '../types/index.js';
import type { Result } from '../types/index.js';
import { formatAddress, parseAddress } from './address.js';
import { readConfigDocument, readFailure } from './document.js';
import { ids } from './ids.js';
import type { TlsFiles } from './node.js';
import { ConfigError } from './problems.js';
import type { ConfigProblem } from './problems.js';
import { field, problemsOf } from './schema.js';
import { secretFileProblem } from './secret-file.js';

/** Name of the file in the folder of a profile. */
export const profileFileName = 'profile.yaml';

/** What a client needs to act for one identity of a network. Paths are absolute. */
export interface ClientProfile {
  /** Absolute path of the file that it came from. */
  readonly file: string;
  /** The member that transactions are sent for; undefined for an operator, who only reads. */
  readonly member: string | undefined;
  /** The genesis that everything is checked against. */
  readonly genesisFile: string;
  /** Where validators serve clients. */
  readonly validators: readonly { readonly id: string; readonly address: string }[];
  readonly tls: TlsFiles;
  /** Keys that sign the member's transactions; none for an operator. */
  readonly keys: readonly { readonly file: string; readonly passwordFile: string }[];
}

const path = () => field.text(/^[^\0]{1,1024}$/, 'the path of a file');

const profileSchema = field.mapping({
  member: ids.member().optional(),
  genesis: path(),
  validators: field.list(
    field.mapping({
      id: ids.validator(),
      address: field.parsed((text) => {
        const address = parseAddress(text);
        return address !== undefined && address.port > 0 ? address : undefined;
      }, 'an address "host:port" with a port from 1 to 65535'),
    }),
    1,
    limits.maxValidators,
  ),
  tls: field.mapping({ ca: path(), cert: path(), key: path() }),
  keys: field
    .list(field.mapping({ file: path(), passwordFile: path() }), 0, limits.maxSignatures)
    .default([]),
});

const maxFileBytes = 1024 * 1024;

/**
 * Reads the profile of a client: a folder with a profile.yaml, or such a file.
 *
 * @returns the profile, or an error that lists every problem with its place.
 */
export async function loadClientProfile(folderOrFile: string): Promise<Result<ClientProfile, ConfigError>> {
  const isFolder = await stat(folderOrFile).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(folderOrFile, profileFileName) : folderOrFile;
  const read = await readConfigDocument(file, maxFileBytes);
  if (!read.ok) return read;
  const document = read.value;
  const parsed = profileSchema.safeParse(document.data ?? {});
  if (!parsed.success) {
    const problems = problemsOf(profileSchema, parsed.error.issues, document, document.data ?? {});
    return err(new ConfigError('CONFIG_INVALID', problems));
  }
  const profile = profileOf(parsed.data, resolve(file));
  const problems: ConfigProblem[] = [];
  const check = async (place: readonly PropertyKey[], name: string, secret: boolean): Promise<void> => {
    const problem = secret ? await secretFileProblem(name) : await missingFile(name);
    if (problem !== undefined) problems.push(document.problemAt(place, problem));
  };
  await check(['genesis'], profile.genesisFile, false);
  await check(['tls', 'ca'], profile.tls.ca, false);
  await check(['tls', 'cert'], profile.tls.cert, false);
  await check(['tls', 'key'], profile.tls.key, true);
  return problems.length > 0 ? err(new ConfigError('CONFIG_INVALID', problems)) : ok(profile);
}

async function missingFile(name: string): Promise<string | undefined> {
  try {
    return (await stat(name)).isFile() ? undefined : `${name}: Found no file; expected one.`;
  } catch (error) {
    return `${name}: ${readFailure(error)}`;
  }
}

function profileOf(data: z.output<typeof profileSchema>, file: string): ClientProfile {
  const folder = dirname(file);
  const { tls } = data;
  return {
    file,
    member: data.member,
    genesisFile: resolve(folder, data.genesis),
    validators: data.validators.map(({ id, address }) => ({ id, address: formatAddress(address) })),
    tls: { ca: resolve(folder, tls.ca), cert: resolve(folder, tls.cert), key: resolve(folder, tls.key) },
    keys: data.keys.map((key) => ({
      file: resolve(folder, key.file),
      passwordFile: resolve(folder, key.passwordFile),
    })),
  };
}
