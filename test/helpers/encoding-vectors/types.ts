/** What the files of test/vectors/encoding hold (see README.md there). */
export interface CanonicalVector {
  readonly name: string;
  readonly message: string;
  /** ProtoJSON. */
  readonly value: unknown;
  readonly canonical: string;
}
export interface HashVector {
  readonly name: string;
  /** The parts of the preimage in order, in hexadecimal. */
  readonly preimage: readonly string[];
  readonly sha256: string;
}
export interface SignatureVector {
  readonly name: string;
  readonly signer: string;
  readonly seed: string;
  readonly publicKey: string;
  readonly signed: string;
  readonly signature: string;
}
export interface RefusedVector {
  readonly message: string;
  readonly why: string;
  readonly code: string;
  readonly bytes: string;
}
export interface ProofVector {
  readonly name: string;
  readonly message: 'Receipt' | 'StateProof';
  readonly proof: string;
  /** Absent when the proof holds. */
  readonly refusedAs?: string;
  /** What it proves, when it holds. */
  readonly proves?: Readonly<Record<string, string | number>>;
}
export interface EncodingVectors {
  readonly 'canonical.json': readonly CanonicalVector[];
  readonly 'hashes.json': readonly HashVector[];
  readonly 'signatures.json': readonly SignatureVector[];
  readonly 'refused.json': readonly RefusedVector[];
  readonly 'proofs.json': {
    readonly genesis: string;
    readonly chainId: string;
    readonly genesisDigest: string;
    readonly cases: readonly ProofVector[];
  };
}

/** Full names of messages. */
export const ledger = (name: string): string => `quaestor.ledger.v1.${name}`;
export const peer = (name: string): string => `quaestor.peer.v1.${name}`;
