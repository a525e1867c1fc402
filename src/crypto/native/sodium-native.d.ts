/** The part of sodium-native that is used here. Functions without a documented result throw when they fail. */
declare module 'sodium-native' {
  const sodium: {
    crypto_hash_sha256(output: Uint8Array, input: Uint8Array): void;
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
    randombytes_buf(bytes: Uint8Array): void;
    sodium_malloc(byteLength: number): Uint8Array;
    sodium_memzero(bytes: Uint8Array): void;
  };
  export default sodium;
}
