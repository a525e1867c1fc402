/** Bounds of everything that a peer or a client sends. They are part of the protocol: the same on every node. */
export const limits = {
  /** Largest height, 2^48 - 1: keeps arithmetic exact and fits 6-byte keys. */
  maxHeight: 2 ** 48 - 1,
  /** Largest view, 2^48 - 1. */
  maxView: 2 ** 48 - 1,
  /** Largest ledger time in milliseconds. */
  maxTimeMs: 2 ** 48 - 1,
  /** Most validators in a set. */
  maxValidators: 64,
  /** Largest transaction payload in bytes. */
  maxPayloadBytes: 64 * 1024,
  /** Largest encoded envelope in bytes. */
  maxEnvelopeBytes: 66 * 1024,
  /** Most signatures on an envelope. */
  maxSignatures: 16,
  /** Most operations in a transaction. */
  maxOperations: 64,
  /** Most keys in a key policy. */
  maxPolicyKeys: 16,
  /** Bytes of an idempotency key. */
  minIdempotencyKeyBytes: 16,
  maxIdempotencyKeyBytes: 32,
  /** Bytes of UTF-8 of names, memos and end-to-end ids. */
  maxNameBytes: 128,
  maxMemoBytes: 512,
  maxEndToEndIdBytes: 64,
  /** Most legs of an exchange. */
  maxExchangeLegs: 64,
  /** Most members that sign an exchange: one signature each at least. */
  maxExchangeParties: 16,
  /** Characters of the id of a hold, as ISO 20022's Max35Text. */
  maxHoldIdLength: 35,
  /** Bytes of the preimage of a hold's hash lock. */
  maxPreimageBytes: 64,
  /** Characters of ids. */
  maxIdLength: 64,
  maxAssetIdLength: 16,
  /** Largest exponent of an asset. */
  maxAssetExponent: 18,
  /** Largest amount, 2^128 - 1. */
  maxAmount: 2n ** 128n - 1n,
  /** Upper bounds of what a genesis may set. */
  maxBlockTransactions: 10_000,
  maxBlockBytes: 8 * 1024 * 1024,
  maxPipelineWindow: 64,
  maxValidityWindowBlocks: 100_000,
  /** How far ahead a proposed validator set may expire or have to wait, in blocks. */
  maxGovernanceBlocks: 100_000,
  /** Most changes of the validator set that a proof carries. */
  maxValidatorSetChanges: 10_000,
  /** Largest gRPC message between validators, in bytes. */
  maxPeerMessageBytes: 16 * 1024 * 1024,
  /** Largest gRPC message from a client, in bytes. */
  maxClientMessageBytes: 4 * 1024 * 1024,
  /** Most envelopes in one message of SubmitStream. */
  maxStreamBatch: 1000,
} as const;
