/** Checks what validators send against the pinned genesis. Each certificate is checked once and kept for a while, since
 * many receipts share it. */
import { LRUCache } from 'lru-cache';
import {
  decodeBlockHeader,
  decodeTransactionResult,
  encodeBlockHeader,
  type CommitCertificate,
  type Genesis,
  type Receipt,
  firstValidatorSet,
  type StateProof,
  type ValidatorSet,
  type ValidatorSetChange,
} from '../codec/index.js';
import { headerDigest, StateTree } from '../crypto/index.js';
import { verifyZip215Natively } from '../crypto/native/index.js';
import { genesisHeader, genesisWrites } from '../ledger/index.js';
import {
  asHeight,
  equalBytes,
  toHex,
  type ChainId,
  type Digest,
  type Result,
  type TxId,
} from '../types/index.js';
import {
  followSetChanges,
  trustGenesis,
  verifyHeader,
  verifyInclusion,
  verifyStateUnder,
  type CertifiedHeader,
  type ChainTrust,
  type ResultInclusion,
  type VerifiedReceipt,
  type VerifiedState,
  type VerifyError,
} from '../verify/index.js';
import { VerificationError } from './errors.js';

/** A block that was proven final, with the certificate that proved it. */
export interface ProvenBlock {
  readonly certified: CertifiedHeader;
  /** Absent at height 0. */
  readonly certificate?: CommitCertificate;
}

const keptBlocks = 256;

export class Verifier {
  readonly genesis: Genesis;
  #trust: ChainTrust;
  #setChanges: readonly ValidatorSetChange[] = [];
  readonly #proven = new LRUCache<string, ProvenBlock>({ max: keptBlocks });
  #withGenesisDigest: Promise<ChainTrust> | undefined;

  constructor(genesis: Genesis) {
    this.genesis = genesis;
    this.#trust = trustGenesis(genesis, { checkSignature: verifyZip215Natively });
  }

  /** What is believed now: the genesis, and the validator sets that it led to. */
  get trust(): ChainTrust {
    return this.#trust;
  }

  /** The latest validator set that is known. */
  get validatorSet(): ValidatorSet {
    return this.#trust.validatorSets.at(-1)?.set ?? firstValidatorSet(this.genesis.validators);
  }

  /** The changes that lead from the genesis to the latest validator set that is known. */
  get setChanges(): readonly ValidatorSetChange[] {
    return this.#setChanges;
  }

  /** Follows changes of the validator set. True when they lead further than was known. Throws VerificationError. */
  follow(changes: readonly ValidatorSetChange[], from: string): boolean {
    let further = false;
    for (const change of changes) {
      const followed = valid(followSetChanges(this.#trust, [change]), from);
      // A change that was known already changes nothing.
      if (followed.validatorSets.length === this.#trust.validatorSets.length) continue;
      this.#trust = followed;
      this.#setChanges = [...this.#setChanges, change];
      further = true;
    }
    return further;
  }

  get chainId(): ChainId {
    return this.trust.chainId;
  }

  /** Checks a header and its certificate. `from` is the validator's address, for the error. Throws VerificationError. */
  block(headerBytes: Uint8Array, certificate: CommitCertificate, from: string): ProvenBlock {
    const key = toHex(headerDigest(headerBytes));
    const known = this.#proven.get(key);
    if (known !== undefined) return known;
    const certified = valid(verifyHeader(this.trust, headerBytes, certificate), from);
    const proven = { certified, certificate };
    this.#proven.set(key, proven);
    return proven;
  }

  /** Checks the header of the genesis block. */
  async genesisBlock(headerBytes: Uint8Array, from: string): Promise<ProvenBlock> {
    // Derived only when asked for: it takes the whole state of the genesis.
    this.#withGenesisDigest ??= genesisDigest(this.genesis).then((digest) =>
      trustGenesis(this.genesis, { checkSignature: verifyZip215Natively, genesisDigest: digest }),
    );
    return { certified: valid(verifyHeader(await this.#withGenesisDigest, headerBytes, undefined), from) };
  }

  /** Checks that a block holds the result of a transaction. */
  inclusion(proven: ProvenBlock, inclusion: ResultInclusion, txId: TxId, from: string): VerifiedReceipt {
    return valid(verifyInclusion(proven.certified, inclusion, { expectedTxId: txId }), from);
  }

  /** Checks a receipt. What is given back carries the certificate that was checked. */
  receipt(
    receipt: Receipt,
    txId: TxId,
    from: string,
  ): { readonly verified: VerifiedReceipt; readonly receipt: Receipt } {
    const proven = this.block(receipt.header, receipt.certificate, from);
    const verified = this.inclusion(proven, receipt, txId, from);
    return { verified, receipt: { ...receipt, certificate: proven.certificate ?? receipt.certificate } };
  }

  /** Checks what a key of the state has. */
  async state(proof: StateProof, key: string, from: string): Promise<VerifiedState> {
    const proven =
      proof.certificate === undefined
        ? await this.genesisBlock(proof.header, from)
        : this.block(proof.header, proof.certificate, from);
    return valid(verifyStateUnder(proven.certified, proof, { expectedKey: key }), from);
  }
}

/** The value of a check, or the error that says who sent something false. */
export function valid<T>(result: Result<T, VerifyError>, from: string): T {
  if (result.ok) return result.value;
  throw new VerificationError(from, result.error.message, result.error);
}

/** Digest of the genesis block, which follows from the genesis. */
async function genesisDigest(genesis: Genesis): Promise<Digest> {
  const writes = genesisWrites(genesis);
  if (!writes.ok) throw new RangeError(`The genesis is not valid: ${writes.error.message}`);
  const tree = new StateTree({ maxBytes: 0 });
  const nothing = { readNodes: (keys: readonly Uint8Array[]) => Promise.resolve(keys.map(() => undefined)) };
  const { root } = await tree.update(nothing, undefined, asHeight(0), writes.value);
  return headerDigest(encodeBlockHeader(genesisHeader(genesis, root)));
}

/** Reads what receipts of one block say, unchecked but for the transaction that they name: for callers that check
 * receipts elsewhere. */
export function receiptReader(
  headerBytes: Uint8Array,
  from: string,
): (inclusion: ResultInclusion, txId: TxId) => VerifiedReceipt {
  const header = decodeBlockHeader(headerBytes);
  if (!header.ok) throw new VerificationError(from, 'The header is malformed.', header.error);
  const { height, timeMs, stateRoot } = header.value;
  const digest = headerDigest(headerBytes);
  return (inclusion, txId) => {
    const result = decodeTransactionResult(inclusion.result);
    if (!result.ok || !equalBytes(result.value.txId, txId)) {
      throw new VerificationError(from, 'The receipt is malformed or of another transaction.');
    }
    return { ...result.value, height, index: inclusion.index, timeMs, digest, stateRoot, signers: [] };
  };
}
