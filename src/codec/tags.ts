/**
 * Domain tags: the first bytes of everything that is hashed or signed, so that no hash or signature of one kind is
 * ever one of another kind. No tag begins another one (docs/encoding.md).
 */
const tag = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Domain tags as bytes. Shared: not to be written to. */
export const tags = {
  /** Transaction id: tag, chain id, payload. */
  tx: tag('quaestor/tx/v1'),
  /** Signature of a transaction: tag, transaction id. */
  txSignature: tag('quaestor/tx-signature/v1'),
  /** Digest of a block: tag, canonical BlockHeader. */
  header: tag('quaestor/header/v1'),
  /** Chain id: tag, canonical Genesis. */
  genesis: tag('quaestor/genesis/v1'),
  /** A validator's signature of its genesis: tag, chain id. */
  genesisSignature: tag('quaestor/genesis-signature/v1'),
  /** Hash of a validator set: tag, canonical ValidatorSet. */
  validatorSet: tag('quaestor/validator-set/v1'),
  /** Hash of a proposed validator set: tag, canonical ProposeValidatorSet. */
  validatorSetProposal: tag('quaestor/validator-set-proposal/v1'),
  /** Id of a proposal: tag, canonical ProposeChange. */
  proposal: tag('quaestor/proposal/v1'),
  /** Signature of a vote: tag, canonical VoteStatement. */
  vote: tag('quaestor/vote/v1'),
  /** Signature of a checkpoint: tag, canonical CheckpointStatement. */
  checkpoint: tag('quaestor/checkpoint/v1'),
  /** Signature of a view-change: tag, canonical ViewChange. */
  viewChange: tag('quaestor/view-change/v1'),
  /** Signature of a new-view: tag, canonical NewView. */
  newView: tag('quaestor/new-view/v1'),
  /** Signature of the handshake between validators, see HelloProof. */
  hello: tag('quaestor/hello/v1'),
  /** De-duplication hash: tag, sender, a zero byte, idempotency key. */
  idempotency: tag('quaestor/idempotency/v1'),
} as const;
