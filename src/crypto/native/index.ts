/**
 * Fast and secret parts of the cryptography for Node.js: hashing by libsodium, the pool that checks signatures on
 * worker threads, key generation, signers and encrypted key files. Decides nothing that src/crypto does not define.
 */
export { generatePkcs11Key, Pkcs11Signer, readPkcs11PublicKey, type Pkcs11Options } from './pkcs11-signer.js';
export { canPrompt, promptPassword, type Terminal } from './password-prompt.js';
export { generateKeyPair, keyPairFromSeed, KeySigner, wipe } from './keys.js';
export type { KeyPair } from './keys.js';
export {
  openKeyFile,
  openKeystore,
  readKeystore,
  readKeystorePublicKey,
  readPasswordFile,
  writeKeystore,
  writePasswordFile,
} from './keystore.js';
export type { WriteKeystoreOptions } from './keystore.js';
export type { ScryptCost } from './keystore-format.js';
export { KeyFileError } from './private-file.js';
export { verifyZip215Natively } from './native-check.js';
export { installNativeSha256 } from './sha256.js';
export { createVerifierPool } from './verifier-pool.js';
export type { VerifierPool, VerifierPoolOptions, VerifierPoolStats } from './verifier-pool.js';
