/** What an institution hands out before there is a genesis: its public parts, by which it takes part. */
import type { KeyPolicy } from '../codec/model.js';
import { err, ok, toHex, type PublicKey, type Result } from '../types/index.js';
import { formatAddress, type Address } from './address.js';
import { readConfigDocument } from './document.js';
import { dialAddress } from './fields.js';
import { ids } from './ids.js';
import { ledgerFields, policy, publicKey } from './ledger-schema.js';
import { ConfigError } from './problems.js';
import { field, problemsOf } from './schema.js';

/** The public parts of an institution. */
export interface Participation {
  readonly network: string;
  readonly member: string;
  /** Which signatures act for the member. */
  readonly policy: KeyPolicy;
  /** Undefined for an institution that runs no validator. */
  readonly validator:
    { readonly id: string; readonly publicKey: PublicKey; readonly address: Address } | undefined;
  /** Certificates of its authority, PEM. */
  readonly authorityPem: string;
}

const schema = field.mapping({
  network: ledgerFields.network,
  member: ids.member(),
  policy: policy(),
  validator: field
    .mapping({ id: ids.validator(), publicKey: publicKey(), address: dialAddress() })
    .optional(),
  authority: field.text(
    /^(?:-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]{1,16000}-----END CERTIFICATE-----\s*){1,8}$/,
    'the certificates of an authority, PEM',
  ),
});

/** More than such a file can need. */
const maxFileBytes = 256 * 1024;

/** Reads the file in which an institution says who it is; the error lists every problem. */
export async function loadParticipation(path: string): Promise<Result<Participation, ConfigError>> {
  const document = await readConfigDocument(path, maxFileBytes);
  if (!document.ok) return document;
  const { data } = document.value;
  const parsed = schema.safeParse(data);
  if (!parsed.success) {
    const problems = problemsOf(schema, parsed.error.issues, document.value, data);
    return err(new ConfigError('CONFIG_INVALID', problems));
  }
  const { authority, ...rest } = parsed.data;
  return ok({ ...rest, validator: rest.validator, authorityPem: authority });
}

/** The text of such a file. */
export function renderParticipation(participation: Participation): string {
  const { network, member, validator, authorityPem } = participation;
  const keys = participation.policy.keys.map(
    (key) => `    - { publicKey: '${toHex(key.publicKey)}', weight: ${key.weight} }`,
  );
  const place =
    validator === undefined
      ? []
      : [
          'validator:',
          `  id: ${JSON.stringify(validator.id)}`,
          `  publicKey: '${toHex(validator.publicKey)}'`,
          `  address: ${JSON.stringify(formatAddress(validator.address))}`,
        ];
  return [
    '# Takes part in a Quaestor network: public parts only. Made by "quaestor genesis request".',
    `network: ${JSON.stringify(network)}`,
    `member: ${JSON.stringify(member)}`,
    'policy:',
    `  threshold: ${participation.policy.threshold}`,
    '  keys:',
    ...keys,
    ...place,
    'authority: |',
    ...authorityPem
      .trim()
      .split(/\r?\n/)
      .map((line) => `  ${line}`),
    '',
  ].join('\n');
}
