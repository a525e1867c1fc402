/** How fast one core checks Ed25519 signatures: the floor under what a transaction costs a validator. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import sodium from 'sodium-native';
import { generateKeyPair, KeySigner } from '../../src/crypto/native/index.js';
import { verifyZip215 } from '../../src/crypto/index.js';
import type { PublicKey, Signature } from '../../src/types/index.js';

export interface Floor {
  /** The fastest library: libsodium through sodium-native. */
  readonly floorVerifyPerSecond: number;
  /** CPU time of one check with it, in microseconds. */
  readonly floorVerifyCpuUs: number;
  /** node:crypto (OpenSSL) with keys that are kept parsed. */
  readonly opensslVerifyPerSecond: number;
  /** @noble/curves, which decides what libsodium refuses. */
  readonly nobleVerifyPerSecond: number;
}

interface Sample {
  readonly publicKey: PublicKey;
  readonly key: KeyObject;
  readonly message: Uint8Array;
  readonly signature: Signature;
}

const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
/** Length of what is signed of a transaction: a domain tag and its id. */
const messageBytes = 56;

async function samples(count: number): Promise<readonly Sample[]> {
  const made: Sample[] = [];
  for (let index = 0; index < count; index++) {
    const keys = generateKeyPair();
    const message = new Uint8Array(messageBytes).fill(index);
    made.push({
      publicKey: keys.publicKey,
      key: createPublicKey({
        key: Buffer.concat([spkiPrefix, keys.publicKey]),
        format: 'der',
        type: 'spki',
      }),
      message,
      signature: await new KeySigner(keys).sign(message),
    });
  }
  return made;
}

interface Rate {
  readonly perSecond: number;
  readonly cpuUs: number;
}

/** Best of several rounds: what the machine can do when nothing else takes its time. */
function measure(check: (sample: Sample) => boolean, items: readonly Sample[], roundMs: number): Rate {
  let best: Rate = { perSecond: 0, cpuUs: Infinity };
  for (let round = 0; round < 5; round++) {
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    let done = 0;
    let elapsedMs: number;
    do {
      for (const item of items) if (!check(item)) throw new Error('a valid signature was refused');
      done += items.length;
      elapsedMs = performance.now() - startMs;
    } while (elapsedMs < roundMs);
    const used = process.cpuUsage(cpu);
    best = {
      perSecond: Math.max(best.perSecond, (done * 1000) / elapsedMs),
      cpuUs: Math.min(best.cpuUs, (used.user + used.system) / done),
    };
  }
  return best;
}

/** Measures all libraries, one after the other. */
export async function measureFloor(roundMs: number): Promise<Floor> {
  const items = await samples(64);
  const fast = measure(
    ({ signature, message, publicKey }) => sodium.crypto_sign_verify_detached(signature, message, publicKey),
    items,
    roundMs,
  );
  const openssl = measure(
    ({ key, message, signature }) => verify(null, message, key, signature),
    items,
    roundMs,
  );
  const noble = measure(
    ({ publicKey, message, signature }) => verifyZip215(publicKey, message, signature),
    items.slice(0, 4),
    roundMs,
  );
  return {
    floorVerifyPerSecond: fast.perSecond,
    floorVerifyCpuUs: fast.cpuUs,
    opensslVerifyPerSecond: openssl.perSecond,
    nobleVerifyPerSecond: noble.perSecond,
  };
}
