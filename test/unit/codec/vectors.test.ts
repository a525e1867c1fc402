/**
 * The files in test/vectors/encoding are the protocol as other implementations see it. They are kept: a change of an
 * existing vector is a change of the protocol. UPDATE_VECTORS=1 writes them anew, for vectors that are added.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import * as codec from '../../../src/codec/index.js';
import type { CodecError } from '../../../src/codec/index.js';
import { chainIdOf, verifyZip215 } from '../../../src/crypto/index.js';
import { asDigest, toHex, type Result } from '../../../src/types/index.js';
import { trustGenesis, verifyReceipt, verifyStateProof } from '../../../src/verify/index.js';
import { buildEncodingVectors, type EncodingVectors } from '../../helpers/encoding-vectors/index.js';
import { protoRoot } from '../../helpers/protobuf-oracle.js';
import { checkByOpenSsl, testKey } from '../../helpers/signed-chain.js';
import { hex, readVectors } from '../../helpers/vectors.js';
import { messages } from './messages.js';

const files = ['canonical.json', 'hashes.json', 'signatures.json', 'refused.json', 'proofs.json'] as const;

if (process.env['UPDATE_VECTORS'] === '1') {
  const built = await buildEncodingVectors();
  for (const file of files) {
    writeFileSync(
      new URL(`../../vectors/encoding/${file}`, import.meta.url),
      `${JSON.stringify(built[file], null, 2)}\n`,
    );
  }
}

const read = <File extends keyof EncodingVectors>(file: File): EncodingVectors[File] =>
  readVectors(`encoding/${file}`);
const caseOf = (message: string): (typeof messages)[number] => messages.find(({ name }) => name === message)!;

describe('vectors', () => {
  let built: EncodingVectors;
  beforeAll(async () => {
    built = await buildEncodingVectors();
  });

  it.each(files)('%s is what this implementation computes', (file) => {
    expect(built[file]).toEqual(read(file));
  });

  it('name every message that has bytes of its own', () => {
    const covered = new Set(read('canonical.json').map(({ message }) => message));
    const nestedOnly = ['quaestor.peer.v1.SignedViewChange', 'quaestor.peer.v1.SignedNewView'];
    expect(messages.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual(nestedOnly);
  });
});

describe('canonical bytes', () => {
  it.each(read('canonical.json'))('$name: from ProtoJSON, and back through the codec', (vector) => {
    const type = protoRoot.lookupType(vector.message);
    const message = type.fromObject(vector.value as Record<string, unknown>);
    expect(toHex(new Uint8Array(type.encode(message).finish()))).toBe(vector.canonical);
    const { encode, decode } = caseOf(vector.message);
    const decoded = decode(hex(vector.canonical));
    if (!decoded.ok) throw decoded.error;
    expect(toHex(encode(decoded.value))).toBe(vector.canonical);
  });
});

describe('refused bytes', () => {
  it.each(read('refused.json'))('$message: $why', ({ message, bytes, code }) => {
    const decoded: Result<unknown, CodecError> = caseOf(message).decode(hex(bytes));
    expect(decoded.ok ? 'accepted' : decoded.error.code).toBe(code);
  });
});

describe('hashes', () => {
  it.each(read('hashes.json'))('$name', ({ preimage, sha256 }) => {
    expect(
      createHash('sha256')
        .update(hex(preimage.join('')))
        .digest('hex'),
    ).toBe(sha256);
  });
});

describe('signatures', () => {
  it.each(read('signatures.json'))('$name by $signer', ({ seed, publicKey, signed, signature }) => {
    expect(toHex(testKey(hex(seed)[0]!).publicKey)).toBe(publicKey);
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey, 'hex').toString('base64url') },
      format: 'jwk',
    });
    expect(verify(null, hex(signed), key, hex(signature))).toBe(true);
  });

  it('hold under the portable check', () => {
    const { publicKey, signed, signature } = read('signatures.json')[0]!;
    expect(verifyZip215(hex(publicKey), hex(signed), hex(signature))).toBe(true);
  });
});

describe('proofs', () => {
  const { genesis: genesisHex, chainId, genesisDigest, cases } = read('proofs.json');
  const genesis = codec.decodeGenesis(hex(genesisHex));
  if (!genesis.ok) throw genesis.error;
  const trust = trustGenesis(genesis.value, {
    checkSignature: checkByOpenSsl,
    genesisDigest: asDigest(hex(genesisDigest)),
  });

  it('are of the chain that the genesis fixes', () => {
    expect(toHex(trust.chainId)).toBe(chainId);
    expect(toHex(chainIdOf(hex(genesisHex)))).toBe(chainId);
  });

  it.each(cases)('$message: $name', ({ message, proof, refusedAs, proves }) => {
    if (message === 'Receipt') {
      const receipt = codec.decodeReceipt(hex(proof));
      if (!receipt.ok) throw receipt.error;
      const verified = verifyReceipt(trust, receipt.value);
      if (!verified.ok) {
        expect(verified.error.code).toBe(refusedAs);
        return;
      }
      const { txId, code, failedOperation, height, index, timeMs, stateRoot } = verified.value;
      expect({
        txId: toHex(txId),
        ...{ code, failedOperation, height, index, timeMs },
        stateRoot: toHex(stateRoot),
      }).toEqual(proves);
    } else {
      const stateProof = codec.decodeStateProof(hex(proof));
      if (!stateProof.ok) throw stateProof.error;
      const verified = verifyStateProof(trust, stateProof.value);
      if (!verified.ok) {
        expect(verified.error.code).toBe(refusedAs);
        return;
      }
      const { key, value, height } = verified.value;
      expect({ key, ...(value !== undefined && { value: toHex(value) }), height }).toEqual(proves);
    }
  });
});
