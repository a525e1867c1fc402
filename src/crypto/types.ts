import type { PublicKey, Signature } from '../types/index.js';

/** Signs with one Ed25519 key. It may be a file, a remote process or a hardware module. */
export interface Signer {
  readonly publicKey: PublicKey;
  /** Ed25519 signature (RFC 8032) of the message. Rejects with a QuaestorError when the key cannot be used now. */
  sign(message: Uint8Array): Promise<Signature>;
  /** Tells a signer that has a memory of its own (src/signer) that a view is entered by this canonical SignedNewView. */
  entered?(newView: Uint8Array): void;
}

/** One signature to check. */
export interface SignatureCheck {
  readonly publicKey: PublicKey;
  readonly message: Uint8Array;
  readonly signature: Signature;
}

/** `consensus`: votes, blocks and what they need. `transactions`: what waits for a block, of which there may be much. */
export type CheckUrgency = 'consensus' | 'transactions';

/** Checks signatures under ZIP-215. */
export interface SignatureVerifier {
  /** Whether each check holds, in order. Those of consensus, the default, go before those of transactions. */
  verify(checks: readonly SignatureCheck[], urgency?: CheckUrgency): Promise<readonly boolean[]>;
  close(): Promise<void>;
}
