/**
 * Builds the vectors of test/vectors/encoding: one fixed chain of four validators, its first block, every message of
 * the protocol about it, and forged or non-canonical forms that must be refused. No randomness, no clock.
 */
import { toHex } from '../../../src/types/index.js';
import { buildVectorChain } from './chain.js';
import { buildProofs } from './proofs.js';
import { VectorRecorder } from './recorder.js';
import { addSegments } from './segments.js';
import { addBackups } from './backups.js';
import { refusedVectors } from './refused.js';
import type { EncodingVectors } from './types.js';
import { buildVotes } from './votes.js';

export type { EncodingVectors } from './types.js';

/** The content of each file. */
export async function buildEncodingVectors(): Promise<EncodingVectors> {
  const recorder = new VectorRecorder();
  const chain = await buildVectorChain(recorder);
  const votes = buildVotes(recorder, chain);
  const cases = await buildProofs(recorder, chain, votes);
  addSegments(recorder, chain, votes);
  addBackups(recorder, chain, votes);
  return {
    'canonical.json': recorder.canonical,
    'hashes.json': recorder.hashes,
    'signatures.json': recorder.signatures,
    'refused.json': refusedVectors(),
    'proofs.json': {
      genesis: toHex(chain.genesisBytes),
      chainId: toHex(chain.chainId),
      genesisDigest: toHex(chain.genesisDigest),
      cases,
    },
  };
}
