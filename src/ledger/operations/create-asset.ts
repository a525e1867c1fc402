import { stateKeys } from '../keys.js';
import { records } from '../records.js';
import type { OperationHandler } from '../types.js';
import { refuse } from './refusals.js';

/** Defines an asset, of which nothing is issued yet. The sender is an asset administrator. */
export const createAsset: OperationHandler<'createAsset'> = {
  kind: 'createAsset',
  reads: (operation, into) => {
    into.add(records.asset, operation.asset);
    into.add(records.member, operation.issuer);
    into.add(records.supply, operation.asset);
  },
  payer: () => undefined,
  apply: ({ asset, exponent, issuer, name }, context) => {
    const sender = context.get(records.member, context.sender);
    if (sender?.roles.includes('assetAdmin') !== true) {
      return refuse('ROLE_REQUIRED', stateKeys.member(context.sender), sender?.roles.join(' '), 'assetAdmin');
    }
    if (context.get(records.asset, asset) !== undefined) {
      return refuse('ASSET_EXISTS', stateKeys.asset(asset));
    }
    if (context.get(records.member, issuer) === undefined) {
      return refuse('UNKNOWN_MEMBER', stateKeys.member(issuer));
    }
    context.set(records.asset, asset, { asset, exponent, issuer, name });
    context.set(records.supply, asset, { issued: 0n, burned: 0n });
    return 'OK';
  },
};
