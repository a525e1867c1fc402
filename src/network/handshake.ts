/**
 * Hello and HelloProof: both sides prove that they hold the validator's key, bound to this TLS connection by the
 * fingerprints of both certificates and to this moment by both nonces. A certificate alone is not enough, and a proof
 * cannot be passed on to another connection, because there the fingerprints differ.
 */
import type { KeyObject } from 'node:crypto';
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { tags } from '../codec/tags.js';
import type { Signer } from '../crypto/types.js';
import type { ChainId, PublicKey, VersionRange } from '../types/index.js';
import { concatBytes, equalBytes, highestCommonVersion } from '../types/index.js';
import type { DisconnectReason, PeerValidator } from './types.js';
import type { ConnectMessage, Hello } from './wire/connect.js';
import { encodeHello, encodeProof } from './wire/connect.js';
import { noCommonVersion } from './wire/versions.js';

export interface HandshakeContext {
  readonly chainId: ChainId;
  /** What this node speaks. */
  readonly versions: VersionRange;
  /** What the peer says beside the messages that it speaks, if it does. */
  offered(): VersionRange | undefined;
  /** Own id. */
  readonly self: string;
  /** Whom the other side's certificate names. */
  readonly peer: PeerValidator;
  /** The keys of which it has to prove one: a change of the validator set may come in the middle. */
  peerKeys(): readonly PublicKey[];
  readonly signer: Signer;
  /** SHA-256 fingerprints of the certificates on this connection. The peer's is known once it has spoken. */
  readonly ownFingerprint: Uint8Array;
  peerFingerprint(): Uint8Array | undefined;
  send(message: Buffer): void;
  /** Called once; a reason means failure. */
  finish(failure: { readonly reason: DisconnectReason; readonly detail: string } | undefined): void;
}

/** The keys that a validator may prove. */
export const keysOf = ({ publicKey, otherKeys = [] }: PeerValidator): readonly PublicKey[] =>
  publicKey === undefined ? [] : [publicKey, ...otherKeys];

/** What a HelloProof signs. */
export function helloSigningBytes(parts: {
  readonly chainId: ChainId;
  readonly nonceReceived: Uint8Array;
  readonly nonceSent: Uint8Array;
  readonly signerFingerprint: Uint8Array;
  readonly receiverFingerprint: Uint8Array;
}): Uint8Array {
  return concatBytes(
    tags.hello,
    parts.chainId,
    parts.nonceReceived,
    parts.nonceSent,
    parts.signerFingerprint,
    parts.receiverFingerprint,
  );
}

/**
 * One side of the handshake. The dialing side greets and proves first: the accepting side thus signs nothing for a
 * stranger.
 */
export class Handshake {
  readonly #context: HandshakeContext;
  readonly #dialing: boolean;
  readonly #nonce = randomBytes(32);
  #awaiting: 'hello' | 'proof' | 'nothing' = 'hello';
  #peerNonce: Uint8Array | undefined;
  #finished = false;
  #provenKey: PublicKey | undefined;
  #version: number | undefined;

  constructor(context: HandshakeContext, side: 'dialing' | 'accepting') {
    this.#context = context;
    this.#dialing = side === 'dialing';
  }

  start(): void {
    if (this.#dialing) this.#greet(this.#context.versions.oldest);
  }

  /** Takes the peer's next message. */
  receive(message: ConnectMessage): void {
    if (this.#finished) return;
    if (message.kind === 'hello' && this.#awaiting === 'hello') this.#onHello(message.hello);
    else if (message.kind === 'proof' && this.#awaiting === 'proof') this.#onProof(message.signature);
    else this.#fail('garbage', `a ${message.kind} message came out of turn in the handshake`);
  }

  /** The key that the peer has proven. */
  get provenKey(): PublicKey | undefined {
    return this.#provenKey;
  }

  /** The version of the protocol that both speak. */
  get version(): number | undefined {
    return this.#version;
  }

  /** Stops without an outcome. */
  cancel(): void {
    this.#finished = true;
  }

  #greet(protocolVersion: number): void {
    const { chainId, self, peer } = this.#context;
    this.#context.send(
      encodeHello({ protocolVersion, chainId, validator: self, peer: peer.id, nonce: this.#nonce }),
    );
  }

  #onHello(hello: Hello): void {
    const { chainId, self, peer, versions } = this.#context;
    const said = { oldest: hello.protocolVersion, newest: hello.protocolVersion };
    // Who accepts has chosen already.
    const theirs = this.#dialing ? said : (this.#context.offered() ?? said);
    const version = highestCommonVersion(versions, theirs);
    if (version === undefined) {
      this.#fail('version', noCommonVersion(versions, theirs));
    } else if (!equalBytes(hello.chainId, chainId)) {
      this.#fail('chain', 'it belongs to another chain');
    } else if (hello.validator !== peer.id || hello.peer !== self) {
      this.#fail('identity', 'it names other validators than the certificates do');
    } else {
      this.#version = version;
      this.#peerNonce = hello.nonce;
      this.#awaiting = 'proof';
      if (this.#dialing) this.#prove(hello.nonce);
      else this.#greet(version);
    }
  }

  #onProof(signature: Uint8Array): void {
    const { chainId, ownFingerprint } = this.#context;
    const peerFingerprint = this.#context.peerFingerprint();
    const nonce = this.#peerNonce;
    this.#awaiting = 'nothing';
    if (nonce !== undefined && peerFingerprint !== undefined) {
      const message = helloSigningBytes({
        chainId,
        nonceReceived: this.#nonce,
        nonceSent: nonce,
        signerFingerprint: peerFingerprint,
        receiverFingerprint: ownFingerprint,
      });
      this.#provenKey = this.#context.peerKeys().find((key) => verifies(key, message, signature));
    }
    if (nonce === undefined || this.#provenKey === undefined) {
      this.#fail('proof', "it did not prove that it holds the validator's key");
    } else if (this.#dialing) this.#finish(undefined);
    else this.#prove(nonce);
  }

  #prove(nonceReceived: Uint8Array): void {
    const { chainId, signer, ownFingerprint } = this.#context;
    const peerFingerprint = this.#context.peerFingerprint();
    if (peerFingerprint === undefined) {
      this.#fail('tls', 'its certificate is not to be had');
      return;
    }
    const message = helloSigningBytes({
      chainId,
      nonceReceived,
      nonceSent: this.#nonce,
      signerFingerprint: ownFingerprint,
      receiverFingerprint: peerFingerprint,
    });
    signer.sign(message).then(
      (signature) => {
        if (this.#finished) return;
        this.#context.send(encodeProof(signature));
        if (!this.#dialing) this.#finish(undefined);
      },
      (error: unknown) => {
        this.#fail('proof', `the own key cannot sign: ${String(error)}`);
      },
    );
  }

  #fail(reason: DisconnectReason, detail: string): void {
    this.#finish({ reason, detail });
  }

  #finish(failure: { reason: DisconnectReason; detail: string } | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#context.finish(failure);
  }
}

/** Strict RFC 8032 verification: this signature decides nothing that others must decide alike. */
function verifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  let key: KeyObject;
  try {
    const x = Buffer.from(publicKey).toString('base64url');
    key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  } catch {
    return false;
  }
  return verify(null, message, key, signature);
}
