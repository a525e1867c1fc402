import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { err, ok } from '../types/index.js';
import type { Result } from '../types/index.js';
import type { Address } from './address.js';
import { readConfigDocument } from './document.js';
import { applyEnvironment } from './environment.js';
import type { Environment } from './environment.js';
import { ids } from './ids.js';
import { keyFields, keyProblem, keySourceOf, type HeldKey } from './key-source.js';
import { certificates, filePath, listenAddress } from './fields.js';
import type { TlsFiles } from './node.js';
import { ConfigError } from './problems.js';
import { field, problemsOf } from './schema.js';

/** The configuration file of a signer; configs/signer.yaml explains each field, and a test holds the two together. */
export const signerSchema = field.mapping({
  validator: ids.validator(),
  genesis: filePath(),
  stateDir: filePath(),
  listen: field
    .mapping({
      validator: listenAddress().default({ host: '0.0.0.0', port: 7090 }),
      http: listenAddress().default({ host: '127.0.0.1', port: 7091 }),
    })
    .prefault({}),
  tls: certificates(),
  key: field.mapping(keyFields()),
  log: field
    .mapping({
      level: field.oneOf(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
      format: field.oneOf(['json', 'pretty']).default('json'),
    })
    .prefault({}),
});

/** How a signer runs. Paths are absolute. */
export interface SignerConfig {
  /** Absolute path of the file that it came from. */
  readonly file: string;
  /** Sentences that the operator should read at start. */
  readonly warnings: readonly string[];
  /** Id of the validator whose key it is. */
  readonly validator: string;
  readonly genesisFile: string;
  /** Folder of what was signed: it must never be older than the last signature. */
  readonly stateDir: string;
  readonly listen: { readonly validator: Address; readonly http: Address };
  readonly tls: TlsFiles;
  readonly key: HeldKey;
  readonly log: z.output<typeof signerSchema>['log'];
}

const maxFileBytes = 1024 * 1024;

/** Reads a signer's configuration, puts the QUAESTOR_* variables in, and checks it; the error lists every problem. */
export async function loadSignerConfig(
  path: string,
  environment: Environment,
): Promise<Result<SignerConfig, ConfigError>> {
  const read = await readConfigDocument(path, maxFileBytes);
  if (!read.ok) return read;
  const document = read.value;
  const { data, warnings } = applyEnvironment(signerSchema, document.data ?? {}, environment);
  const parsed = signerSchema.safeParse(data);
  if (!parsed.success) {
    return err(
      new ConfigError('CONFIG_INVALID', problemsOf(signerSchema, parsed.error.issues, document, data)),
    );
  }
  const file = resolve(path);
  const folder = dirname(file);
  const { validator, genesis, stateDir, listen, tls, key, log } = parsed.data;
  const problem = keyProblem(key);
  const held = keySourceOf(key, folder);
  if (problem !== undefined || held === undefined || held.kind === 'remote') {
    return err(new ConfigError('CONFIG_INVALID', [document.problemAt(['key'], problem ?? '')]));
  }
  return ok({
    file,
    warnings,
    validator,
    genesisFile: resolve(folder, genesis),
    stateDir: resolve(folder, stateDir),
    listen,
    tls: { ca: resolve(folder, tls.ca), cert: resolve(folder, tls.cert), key: resolve(folder, tls.key) },
    key: held,
    log,
  });
}
