import { z } from 'zod';
import { asPublicKey, fromHex, limits, newestRules } from '../types/index.js';
import type { PublicKey } from '../types/index.js';
import { ids } from './ids.js';
import { field } from './schema.js';

/** A public key in hexadecimal or in base64. */
function parsePublicKey(text: string): PublicKey | undefined {
  if (text.length === 64) {
    const bytes = fromHex(text);
    return bytes === undefined ? undefined : asPublicKey(bytes);
  }
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return undefined;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  // The last character holds two bits more than 32 bytes need: only one spelling of a key is accepted.
  return btoa(String.fromCharCode(...bytes)) === text ? asPublicKey(bytes) : undefined;
}

const timePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/;

function parseTime(text: string): number | undefined {
  const ms = timePattern.test(text) ? Date.parse(text) : NaN;
  return Number.isSafeInteger(ms) && ms >= 0 && ms <= limits.maxTimeMs ? ms : undefined;
}

export const publicKey = () =>
  field.parsed(
    parsePublicKey,
    'an Ed25519 public key of 32 bytes, in quotes, as 64 hexadecimal digits or in base64',
  );

const name = () =>
  field.parsed(
    (text) => (new TextEncoder().encode(text).length <= limits.maxNameBytes ? text : undefined),
    `a name of at most ${limits.maxNameBytes} bytes`,
  );

export const policy = () =>
  field.mapping({
    threshold: field.integer(1, 255 * limits.maxPolicyKeys),
    keys: field.list(
      field.mapping({ publicKey: publicKey(), weight: field.integer(1, 255).default(1) }),
      1,
      limits.maxPolicyKeys,
    ),
  });

const role = field.oneOf(['registrar', 'assetAdmin']);

/** Fields that a genesis and a world have alike. */
export const ledgerFields = {
  network: field.text(/^[^\p{Cc}]{1,64}$/u, 'a name of 1 to 64 characters'),
  time: field.parsed(parseTime, 'a time such as "2026-11-02T08:00:00.000Z"'),
  parameters: field
    .mapping({
      validityWindowBlocks: field.integer(1, limits.maxValidityWindowBlocks).default(1000),
      maxBlockTransactions: field.integer(1, limits.maxBlockTransactions).default(2000),
      maxBlockBytes: field.integer(limits.maxEnvelopeBytes, limits.maxBlockBytes).default(4 * 1024 * 1024),
      maxClockSkewMs: field.integer(1, 3_600_000).default(5_000),
      checkpointIntervalBlocks: field.integer(1, 100_000).default(100),
      pipelineWindowBlocks: field.integer(1, limits.maxPipelineWindow).default(8),
    })
    .prefault({}),
  member: {
    id: ids.member(),
    name: name(),
    roles: field.list(role, 0, Infinity).default([]),
  },
  validator: { id: ids.validator(), member: ids.member() },
  asset: {
    id: ids.asset(),
    exponent: field.integer(0, limits.maxAssetExponent),
    issuer: ids.member(),
    name: name(),
  },
  account: {
    id: ids.account(),
    owner: ids.member(),
    /** Decimal texts in major units by asset; how many decimals an asset has is checked afterwards. */
    balances: z
      .record(z.string(), z.string({ error: 'a decimal number in quotes, such as "1000.00"' }), {
        error: 'a mapping of asset ids to amounts',
      })
      .default({}),
  },
};

export const genesisSchema = field.mapping({
  network: ledgerFields.network,
  time: ledgerFields.time,
  parameters: ledgerFields.parameters,
  /** Files from before there were versions of the rules name none. */
  rulesVersion: field.integer(1, 65_535).default(1),
  members: field.list(field.mapping({ ...ledgerFields.member, policy: policy() }), 1, Infinity),
  validators: field.list(
    field.mapping({ ...ledgerFields.validator, publicKey: publicKey() }),
    1,
    limits.maxValidators,
  ),
  assets: field.list(field.mapping(ledgerFields.asset), 0, Infinity).default([]),
  accounts: field
    .list(field.mapping({ ...ledgerFields.account, policy: policy().optional() }), 0, Infinity)
    .default([]),
});

export const worldSchema = field.mapping({
  network: ledgerFields.network,
  parameters: ledgerFields.parameters,
  rulesVersion: field.integer(1, 65_535).default(newestRules),
  members: field.list(field.mapping(ledgerFields.member), 1, Infinity),
  validators: field.list(field.mapping(ledgerFields.validator), 1, limits.maxValidators),
  assets: field.list(field.mapping(ledgerFields.asset), 0, Infinity).default([]),
  accounts: field.list(field.mapping(ledgerFields.account), 0, Infinity).default([]),
});

export type GenesisFile = z.output<typeof genesisSchema>;
export type WorldFile = z.output<typeof worldSchema>;
