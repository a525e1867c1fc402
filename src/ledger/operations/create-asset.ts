import { records } from '../records.js';
import type { OperationHandler } from '../types.js';

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
    if (sender?.roles.includes('assetAdmin') !== true) return 'ROLE_REQUIRED';
    if (context.get(records.asset, asset) !== undefined) return 'ASSET_EXISTS';
    if (context.get(records.member, issuer) === undefined) return 'UNKNOWN_MEMBER';
    context.set(records.asset, asset, { asset, exponent, issuer, name });
    context.set(records.supply, asset, { issued: 0n, burned: 0n });
    return 'OK';
  },
};
