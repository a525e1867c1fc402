/**
 * The state of height 0 and the header that commits to it: both follow from the genesis file alone.
 */
import {
  decodeGenesis,
  encodeChecked,
  encodeGenesis,
  encodeParameters,
  encodeValidatorSet,
  firstValidatorSet,
  type Genesis,
  type Supply,
  type BlockHeader,
} from '../codec/index.js';
import { chainIdOf, merkleRoot, validatorSetHash } from '../crypto/index.js';
import {
  asDigest,
  asHeight,
  asValidatorIndex,
  asView,
  err,
  limits,
  newestRules,
  ok,
  type ChainId,
  type Hash,
  type Result,
  type StateKey,
} from '../types/index.js';
import { balanceId, stateKeys } from './keys.js';
import { recordKey, records, type RecordKind } from './records.js';
import type { StateWrites } from './types.js';

/** What is wrong with a genesis; the set is closed. */
export interface GenesisError {
  readonly code:
    /** Not what the codec can write and read back: order, ids, bounds. */
    | 'MALFORMED'
    | 'UNKNOWN_MEMBER'
    | 'UNKNOWN_ACCOUNT'
    | 'UNKNOWN_ASSET'
    /** The opening balances of an asset add up to more than 2^128 - 1. */
    | 'AMOUNT_OVERFLOW'
    /** A parameter that no network can work with, or that does not fit another one. */
    | 'PARAMETER_OUT_OF_RANGE'
    /** An account that says it was opened later than at genesis. */
    | 'OPENED_HEIGHT'
    /** Rules that this software does not know. */
    | 'RULES_UNKNOWN';
  /** Where, for example "accounts[3].owner". */
  readonly path: string;
  /** A sentence for people. */
  readonly message: string;
}

/** The records of height 0, in the order of the genesis. */
export function genesisWrites(genesis: Genesis): Result<StateWrites, GenesisError> {
  const canonical = encodeChecked(encodeGenesis, decodeGenesis, genesis);
  if (!canonical.ok) {
    return err({ code: 'MALFORMED', path: canonical.error.path, message: canonical.error.message });
  }
  const supplies = new Map<string, Supply>();
  const error =
    rulesError(genesis) ??
    referenceError(genesis) ??
    parameterError(genesis.parameters) ??
    sumBalances(genesis, supplies);
  if (error !== undefined) return err(error);

  const writes = new Map<StateKey, Uint8Array>();
  const put = <T>(kind: RecordKind<T>, id: string, value: T): void => {
    writes.set(recordKey(kind, id), kind.encode(value));
  };
  writes.set(stateKeys.parameters, encodeParameters(genesis.parameters));
  const validators = encodeValidatorSet(firstValidatorSet(genesis.validators));
  writes.set(stateKeys.currentValidators, validators);
  writes.set(stateKeys.epochValidators(0), validators);
  const { rulesVersion } = genesis;
  if (rulesVersion !== undefined) put(records.governance, '', { rulesVersion, scheduled: [] });
  for (const member of genesis.members) put(records.member, member.member, member);
  for (const asset of genesis.assets) {
    put(records.asset, asset.asset, asset);
    put(records.supply, asset.asset, supplies.get(asset.asset) ?? { issued: 0n, burned: 0n });
  }
  for (const account of genesis.accounts) put(records.account, account.account, account);
  for (const { account, asset, amount } of genesis.balances) {
    put(records.balance, balanceId(account, asset), { amount });
  }
  return ok(writes);
}

/** Id of the chain that a genesis fixes. */
export function genesisChainId(genesis: Genesis): ChainId {
  return chainIdOf(encodeGenesis(genesis));
}

/** Header of height 0, given the root of the state that `genesisWrites` makes. */
export function genesisHeader(genesis: Genesis, stateRoot: Hash): BlockHeader {
  const validators = validatorSetHash(firstValidatorSet(genesis.validators));
  const empty = merkleRoot([]);
  return {
    version: 1,
    chainId: genesisChainId(genesis),
    height: asHeight(0),
    view: asView(0),
    prevHash: asDigest(new Uint8Array(32)),
    transactionsRoot: empty,
    resultsRoot: empty,
    stateRoot,
    validatorSetHash: validators,
    nextValidatorSetHash: validators,
    timeMs: genesis.timeMs,
    proposer: asValidatorIndex(0),
    transactionCount: 0,
  };
}

function rulesError({ rulesVersion = 1 }: Genesis): GenesisError | undefined {
  if (rulesVersion <= newestRules) return undefined;
  return {
    code: 'RULES_UNKNOWN',
    path: 'rules_version',
    message: `The genesis is under version ${rulesVersion} of the ledger's rules; this software knows versions up to ${newestRules}. Install a later version of the software.`,
  };
}

/** The first name that leads nowhere. */
function referenceError(genesis: Genesis): GenesisError | undefined {
  const members = new Set(genesis.members.map(({ member }) => member));
  const accounts = new Set(genesis.accounts.map(({ account }) => account));
  const assets = new Set(genesis.assets.map(({ asset }) => asset));
  const missing = (code: GenesisError['code'], path: string, what: string, id: string): GenesisError => ({
    code,
    path,
    message: `The genesis names the ${what} "${id}" at ${path}, but does not define it. Add it to the ${what}s or correct the id.`,
  });
  for (const [index, { member }] of genesis.validators.entries()) {
    if (!members.has(member))
      return missing('UNKNOWN_MEMBER', `validators[${index}].member`, 'member', member);
  }
  for (const [index, { issuer }] of genesis.assets.entries()) {
    if (!members.has(issuer)) return missing('UNKNOWN_MEMBER', `assets[${index}].issuer`, 'member', issuer);
  }
  for (const [index, { owner, openedHeight }] of genesis.accounts.entries()) {
    if (!members.has(owner)) return missing('UNKNOWN_MEMBER', `accounts[${index}].owner`, 'member', owner);
    if (openedHeight !== 0) {
      const path = `accounts[${index}].opened_height`;
      return {
        code: 'OPENED_HEIGHT',
        path,
        message: `An account of the genesis is opened at height 0, not ${openedHeight} (${path}).`,
      };
    }
  }
  for (const [index, { account, asset }] of genesis.balances.entries()) {
    const path = `balances[${index}]`;
    if (!accounts.has(account)) return missing('UNKNOWN_ACCOUNT', `${path}.account`, 'account', account);
    if (!assets.has(asset)) return missing('UNKNOWN_ASSET', `${path}.asset`, 'asset', asset);
  }
  return undefined;
}

/** The first parameter that does not fit the others; the codec has checked each by itself. */
function parameterError(parameters: Genesis['parameters']): GenesisError | undefined {
  const { maxBlockBytes, validityWindowBlocks, pipelineWindowBlocks } = parameters;
  if (maxBlockBytes < limits.maxEnvelopeBytes) {
    return {
      code: 'PARAMETER_OUT_OF_RANGE',
      path: 'parameters.max_block_bytes',
      message: `parameters.max_block_bytes is ${maxBlockBytes}, less than the largest envelope: a valid transaction would fit no block. Set at least ${limits.maxEnvelopeBytes}.`,
    };
  }
  if (validityWindowBlocks < pipelineWindowBlocks) {
    return {
      code: 'PARAMETER_OUT_OF_RANGE',
      path: 'parameters.validity_window_blocks',
      message: `parameters.validity_window_blocks is ${validityWindowBlocks}, less than parameters.pipeline_window_blocks, ${pipelineWindowBlocks}: transactions would expire while their block is in flight.`,
    };
  }
  return undefined;
}

/** Adds up what the opening balances issue of each asset. */
function sumBalances(genesis: Genesis, supplies: Map<string, Supply>): GenesisError | undefined {
  for (const [index, { asset, amount }] of genesis.balances.entries()) {
    const issued = (supplies.get(asset)?.issued ?? 0n) + amount;
    if (issued > limits.maxAmount) {
      const path = `balances[${index}].amount`;
      return {
        code: 'AMOUNT_OVERFLOW',
        path,
        message: `The opening balances of "${asset}" add up to more than 2^128 - 1 at ${path}.`,
      };
    }
    supplies.set(asset, { issued, burned: 0n });
  }
  return undefined;
}
