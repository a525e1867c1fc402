/** The genesis (ledger/v1/state.proto). */
import { limits, type Result } from '../types/index.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import { idRules } from './ids.js';
import type { Genesis, OpeningBalance } from './model.js';
import type { Reader } from './reader.js';
import { message, repeated, schema, string, uint32, uint64 } from './schema.js';
import {
  readAccount,
  readAsset,
  readMember,
  readParameters,
  writeAccount,
  writeAsset,
  writeMember,
  writeParameters,
} from './state.js';
import { readValidators, writeValidator } from './validator.js';
import type { Writer } from './writer.js';

const openingBalanceFields = schema('quaestor.ledger.v1.OpeningBalance', {
  account: string(1),
  asset: string(2),
  amount: string(3),
});
const genesisFields = schema('quaestor.ledger.v1.Genesis', {
  network: string(1),
  timeUnixMs: uint64(2),
  validators: repeated(3, 'quaestor.ledger.v1.Validator'),
  members: repeated(4, 'quaestor.ledger.v1.Member'),
  assets: repeated(5, 'quaestor.ledger.v1.Asset'),
  accounts: repeated(6, 'quaestor.ledger.v1.Account'),
  balances: repeated(7, 'quaestor.ledger.v1.OpeningBalance'),
  parameters: message(8, 'quaestor.ledger.v1.Parameters'),
  rulesVersion: uint32(9),
});

function writeOpeningBalance(writer: Writer, value: OpeningBalance): void {
  writer.text(openingBalanceFields.account, value.account);
  writer.text(openingBalanceFields.asset, value.asset);
  writer.amount(openingBalanceFields.amount, value.amount);
}

function readOpeningBalance(reader: Reader): OpeningBalance {
  const value: OpeningBalance = {
    account: reader.id(openingBalanceFields.account, idRules.account),
    asset: reader.id(openingBalanceFields.asset, idRules.asset),
    amount: reader.amount(openingBalanceFields.amount, 1n),
  };
  reader.end(openingBalanceFields);
  return value;
}

function writeGenesis(writer: Writer, value: Genesis): void {
  writer.text(genesisFields.network, value.network);
  writer.uint(genesisFields.timeUnixMs, value.timeMs);
  writer.messages(genesisFields.validators, value.validators, writeValidator);
  writer.messages(genesisFields.members, value.members, writeMember);
  writer.messages(genesisFields.assets, value.assets, writeAsset);
  writer.messages(genesisFields.accounts, value.accounts, writeAccount);
  writer.messages(genesisFields.balances, value.balances, writeOpeningBalance);
  writer.message(genesisFields.parameters, value.parameters, writeParameters);
  writer.uint(genesisFields.rulesVersion, value.rulesVersion ?? 0);
}

// Ids are ASCII, so the order of strings is the order of their bytes.
function readGenesis(reader: Reader): Genesis {
  const fields = genesisFields;
  const most = bounds.maxGenesisItems;
  const network = reader.text(fields.network, 4 * bounds.maxNetworkNameLength);
  // Counted in code points.
  if (Array.from(network).length > bounds.maxNetworkNameLength) {
    reader.fail('TOO_LARGE', fields.network, `has more than ${bounds.maxNetworkNameLength} characters`);
  }
  const value: Genesis = {
    network,
    timeMs: reader.uint(fields.timeUnixMs, 0, limits.maxTimeMs),
    validators: readValidators(reader, fields.validators),
    members: reader.messages(fields.members, 0, most, readMember, (a, b) => a.member < b.member),
    assets: reader.messages(fields.assets, 0, most, readAsset, (a, b) => a.asset < b.asset),
    accounts: reader.messages(fields.accounts, 0, most, readAccount, (a, b) => a.account < b.account),
    balances: reader.messages(
      fields.balances,
      0,
      most,
      readOpeningBalance,
      (a, b) => a.account < b.account || (a.account === b.account && a.asset < b.asset),
    ),
    parameters: reader.requiredMessage(fields.parameters, readParameters),
  };
  const rulesVersion = reader.uint(fields.rulesVersion, 0, bounds.maxRulesVersion);
  reader.end(fields);
  if (rulesVersion === 1) reader.fail('NOT_CANONICAL', fields.rulesVersion, 'is 1, which must be left out');
  return rulesVersion === 0 ? value : { ...value, rulesVersion };
}

/** Canonical bytes of a genesis: what is hashed to the chain id. Lists must be in their order already. */
export const encodeGenesis: (value: Genesis) => Uint8Array = encoder('Genesis', writeGenesis);
/**
 * Reads a genesis. Checks its form; whether its parts agree with each other (owners, issuers, supplies) is for
 * src/ledger. The byte values of the result are views of `bytes`.
 */
export const decodeGenesis: (bytes: Uint8Array) => Result<Genesis, CodecError> = decoder(
  'Genesis',
  bounds.maxGenesisBytes,
  readGenesis,
);
