import {
  encodeNewView,
  encodeViewChange,
  type ConsensusMessage,
  type VotePhase,
  type VoteSignature,
} from '../codec/index.js';
import {
  checkpointSigningBytes,
  newViewSigningBytes,
  viewChangeSigningBytes,
  voteSigningBytes,
} from '../crypto/index.js';
import {
  invariant,
  type Digest,
  type Hash,
  type Height,
  type Result,
  type Signature,
  type ValidatorIndex,
  type View,
} from '../types/index.js';
import {
  parseNewView,
  parseViewChange,
  type AuthenticationError,
  type PendingAuthentication,
} from './authenticate.js';
import type { BlockRef, ConsensusConfig, NewViewStatement, Statement, VerifiedMessage } from './types.js';

/** A statement with its signatures: what goes over the wire, and what goes back into `step` as a message from self. */
export interface SignedStatement {
  readonly kind: 'signed';
  readonly message: ConsensusMessage;
  readonly verified: VerifiedMessage;
}

/** Bytes to sign, and what to do with the signatures of each, in order: a new-view signs its proposals first and then
 * the whole, which contains their signatures. */
export interface SigningStep {
  readonly kind: 'sign';
  readonly toSign: readonly Uint8Array[];
  readonly next: (signatures: readonly Signature[]) => SigningStep | SignedStatement;
}

/** Starts signing a statement with the key of `config.self`. Pure: the caller signs. */
export function beginSigning(statement: Statement, config: ConsensusConfig): SigningStep {
  const { chainId, validatorSetHash, self } = config;
  invariant(self !== undefined, 'an observer says nothing');
  switch (statement.kind) {
    case 'prePrepare': {
      const { block, view } = statement;
      const { transactionHashes } = block;
      invariant(transactionHashes !== undefined, 'a proposal names its transactions');
      const { height } = block.header;
      return one(voteBytes(config, 'prePrepare', view, height, block.digest), self, (signature) =>
        signedProposal(view, { ...block, transactionHashes }, signature),
      );
    }
    case 'prepare':
    case 'commit': {
      const { kind, view, height, digest } = statement;
      return one(voteBytes(config, kind, view, height, digest), self, (signature) => {
        const vote = { view, height, digest, signature };
        if (kind === 'prepare') {
          const message = { kind, ...vote } as const;
          return { kind: 'signed', message, verified: { kind, message } };
        }
        const message = { kind, ...vote } as const;
        return { kind: 'signed', message, verified: { kind, message } };
      });
    }
    case 'checkpoint': {
      const { height, digest } = statement;
      const bytes = checkpointSigningBytes({ chainId, validatorSetHash, height, digest });
      return one(bytes, self, (signature) => {
        const message = { kind: 'checkpoint', height, digest, signature } as const;
        return { kind: 'signed', message, verified: { kind: 'checkpoint', message } };
      });
    }
    case 'viewChange': {
      const viewChange = encodeViewChange(statement.body);
      return one(viewChangeSigningBytes(viewChange), self, ({ signature }) => {
        const message = { kind: 'viewChange', viewChange, signature } as const;
        const { verified } = own(parseViewChange(message, config));
        return { kind: 'signed', message, verified: { kind: 'viewChange', message, viewChange: verified } };
      });
    }
    case 'newView':
      return signNewView(statement, config, self);
  }
}

function voteBytes(
  { chainId, validatorSetHash }: ConsensusConfig,
  phase: VotePhase,
  view: View,
  height: Height,
  digest: Digest,
): Uint8Array {
  return voteSigningBytes({ chainId, validatorSetHash, phase, view, height, digest });
}

function one(
  bytes: Uint8Array,
  self: ValidatorIndex,
  assemble: (signature: VoteSignature) => SigningStep | SignedStatement,
): SigningStep {
  return {
    kind: 'sign',
    toSign: [bytes],
    next: ([signature]) => {
      invariant(signature !== undefined, 'each byte string gets its signature');
      return assemble({ validator: self, signature });
    },
  };
}

function signedProposal(
  view: View,
  block: BlockRef & { readonly transactionHashes: readonly Hash[] },
  signature: VoteSignature,
): SignedStatement {
  const message = {
    kind: 'prePrepare',
    view,
    header: block.headerBytes,
    transactionHashes: block.transactionHashes,
    signature,
  } as const;
  return { kind: 'signed', message, verified: { kind: 'prePrepare', message, block } };
}

function signNewView(
  statement: NewViewStatement,
  config: ConsensusConfig,
  self: ValidatorIndex,
): SigningStep {
  const { chainId, validatorSetHash } = config;
  const { view, viewChanges } = statement;
  return {
    kind: 'sign',
    toSign: statement.reproposals.map(({ height, digest }) =>
      voteBytes(config, 'prePrepare', view, height, digest),
    ),
    next: (signatures) => {
      const reproposals = statement.reproposals.map((reproposal, index) => {
        const signature = signatures[index];
        invariant(signature !== undefined, 'each byte string gets its signature');
        return { ...reproposal, signature };
      });
      const newView = encodeNewView({
        chainId,
        validatorSetHash,
        view,
        validator: self,
        viewChanges,
        reproposals,
      });
      return one(newViewSigningBytes(newView), self, ({ signature }) => {
        const message = { kind: 'newView', newView, signature } as const;
        return { kind: 'signed', message, verified: own(parseNewView(message, config)).verified };
      });
    },
  };
}

/** What this replica says itself has the structure that it demands of others. */
function own<V>(parsed: Result<PendingAuthentication<V>, AuthenticationError>): PendingAuthentication<V> {
  invariant(parsed.ok, 'own statements are well-formed');
  return parsed.value;
}
