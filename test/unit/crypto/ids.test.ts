import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import {
  firstValidatorSet,
  encodeCheckpointStatement,
  encodeValidatorSet,
  encodeVoteStatement,
} from '../../../src/codec/index.js';
import {
  chainIdOf,
  genesisSigningBytes,
  checkpointSigningBytes,
  headerDigest,
  idempotencyHash,
  newViewSigningBytes,
  transactionId,
  transactionSigningBytes,
  validatorSetHash,
  viewChangeSigningBytes,
  voteSigningBytes,
} from '../../../src/crypto/index.js';
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asTxId,
  asView,
  toHex,
} from '../../../src/types/index.js';

const bytes = (fill: number, length = 32): Uint8Array => new Uint8Array(length).fill(fill);
const chainId = asChainId(bytes(1));
const text = (value: string): Buffer => Buffer.from(value, 'utf8');
const hashOf = (...parts: Uint8Array[]): string =>
  createHash('sha256').update(Buffer.concat(parts)).digest('hex');
const joined = (...parts: Uint8Array[]): string => Buffer.concat(parts).toString('hex');

describe('ids and signing preimages', () => {
  it('hash and sign under the tags that the protocol files name', () => {
    const payload = bytes(7, 300);
    expect(toHex(headerDigest(payload))).toBe(hashOf(text('quaestor/header/v1'), payload));
    expect(toHex(transactionId(chainId, payload))).toBe(hashOf(text('quaestor/tx/v1'), chainId, payload));
    expect(toHex(chainIdOf(payload))).toBe(hashOf(text('quaestor/genesis/v1'), payload));
    expect(toHex(genesisSigningBytes(chainId))).toBe(joined(text('quaestor/genesis-signature/v1'), chainId));
    const txId = asTxId(bytes(9));
    expect(toHex(transactionSigningBytes(txId))).toBe(joined(text('quaestor/tx-signature/v1'), txId));
    expect(toHex(viewChangeSigningBytes(payload))).toBe(joined(text('quaestor/view-change/v1'), payload));
    expect(toHex(newViewSigningBytes(payload))).toBe(joined(text('quaestor/new-view/v1'), payload));
    expect(toHex(idempotencyHash('bank-ä', bytes(3, 16)))).toBe(
      hashOf(text('quaestor/idempotency/v1'), text('bank-ä'), Uint8Array.of(0), bytes(3, 16)),
    );
  });

  it('sign the canonical bytes of statements', () => {
    const checkpoint = {
      chainId,
      validatorSetHash: asHash(bytes(2)),
      height: asHeight(5),
      digest: asDigest(bytes(3)),
    };
    expect(toHex(checkpointSigningBytes(checkpoint))).toBe(
      joined(text('quaestor/checkpoint/v1'), encodeCheckpointStatement(checkpoint)),
    );
    const vote = { ...checkpoint, phase: 'commit', view: asView(4) } as const;
    expect(toHex(voteSigningBytes(vote))).toBe(joined(text('quaestor/vote/v1'), encodeVoteStatement(vote)));
    expect(voteSigningBytes({ ...vote, phase: 'prepare' })).not.toEqual(voteSigningBytes(vote));
    const set = firstValidatorSet([{ id: 'v0', member: 'bank-a', publicKey: asPublicKey(bytes(6)) }]);
    expect(toHex(validatorSetHash(set))).toBe(
      hashOf(text('quaestor/validator-set/v1'), encodeValidatorSet(set)),
    );
  });

  it('keep sender and idempotency key apart', () => {
    expect(idempotencyHash('ab', text('c'))).not.toEqual(idempotencyHash('a', text('bc')));
  });
});
