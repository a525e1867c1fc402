/** The part of sodium-native that is used here. Functions without a documented result throw when they fail. */
declare module 'sodium-native' {
  const sodium: {
    crypto_hash_sha256(output: Uint8Array, input: Uint8Array): void;
    crypto_hash_sha512(output: Uint8Array, input: Uint8Array): void;
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
    crypto_core_ed25519_add(sum: Uint8Array, left: Uint8Array, right: Uint8Array): void;
    crypto_core_ed25519_scalar_reduce(scalar: Uint8Array, wide: Uint8Array): void;
    crypto_scalarmult_ed25519_noclamp(product: Uint8Array, scalar: Uint8Array, point: Uint8Array): void;
    crypto_scalarmult_ed25519_base_noclamp(product: Uint8Array, scalar: Uint8Array): void;
    randombytes_buf(bytes: Uint8Array): void;
    sodium_malloc(byteLength: number): Uint8Array;
    sodium_memzero(bytes: Uint8Array): void;
  };
  export default sodium;
}
