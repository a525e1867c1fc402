/** Receipts and state proofs about the first block, and forged ones. */
import * as codec from '../../../src/codec/index.js';
import type { Receipt, StateProof, VoteSignature } from '../../../src/codec/index.js';
import { merkleLeafHash, merklePath } from '../../../src/crypto/index.js';
import { asAmount, asHeight, asStateKey, asValidatorIndex, toHex } from '../../../src/types/index.js';
import type { VectorChain } from './chain.js';
import type { VectorRecorder } from './recorder.js';
import { ledger, type ProofVector } from './types.js';
import type { VectorVotes } from './votes.js';

/** Makes the proofs. */
export async function buildProofs(
  recorder: VectorRecorder,
  chain: VectorChain,
  { certificate, voteBy }: VectorVotes,
): Promise<readonly ProofVector[]> {
  const { genesis, tree, store, results, outcomes, header, headerBytes, header0Bytes } = chain;
  const { genesisDigest, balanceKey, balanceBytes } = chain;
  const cases: ProofVector[] = [];
  const receiptOf = (index: number): Receipt => ({
    header: headerBytes,
    certificate,
    result: results[index]!,
    index,
    path: merklePath(results.map(merkleLeafHash), index),
  });
  const receiptCase = (
    name: string,
    receipt: Receipt,
    rest: Omit<ProofVector, 'name' | 'message' | 'proof'>,
  ): void => {
    cases.push({ name, message: 'Receipt', proof: toHex(codec.encodeReceipt(receipt)), ...rest });
  };
  for (const index of [0, 2, 4]) {
    const [code, failedOperation] = outcomes[index]!;
    receiptCase(`receipt of transaction ${index}`, receiptOf(index), {
      proves: {
        txId: toHex(chain.txIds[index]!),
        code,
        failedOperation,
        height: 1,
        index,
        timeMs: header.timeMs,
        stateRoot: toHex(header.stateRoot),
      },
    });
  }
  const changes = {
    changes: [
      {
        header: headerBytes,
        certificate,
        validatorSet: codec.encodeValidatorSet({
          validators: genesis.validators.slice(1),
          epoch: 1,
          activationHeight: asHeight(2),
        }),
      },
    ],
  };
  recorder.add(
    'validator set changes',
    ledger('ValidatorSetChanges'),
    changes,
    codec.encodeValidatorSetChanges(changes),
  );
  recorder.add('receipt', ledger('Receipt'), receiptOf(4), codec.encodeReceipt(receiptOf(4)));
  const [zero, one, three] = certificate.signatures;
  const withSignatures = (...list: readonly VoteSignature[]): Receipt => ({
    ...receiptOf(0),
    certificate: { ...certificate, signatures: list },
  });
  receiptCase('two of four signatures', withSignatures(zero!, one!), { refusedAs: 'NO_QUORUM' });
  receiptCase('a signature of another phase', withSignatures(zero!, one!, voteBy(3, 'prepare')), {
    refusedAs: 'SIGNATURE_INVALID',
  });
  receiptCase('a signature of another view', withSignatures(zero!, one!, voteBy(3, 'commit', 4)), {
    refusedAs: 'SIGNATURE_INVALID',
  });
  receiptCase(
    "another validator's signature",
    withSignatures(zero!, one!, { validator: asValidatorIndex(2), signature: three!.signature }),
    { refusedAs: 'SIGNATURE_INVALID' },
  );
  receiptCase('another result', { ...receiptOf(0), result: results[1]! }, { refusedAs: 'PATH_MISMATCH' });
  receiptCase('another index', { ...receiptOf(0), index: 1 }, { refusedAs: 'PATH_MISMATCH' });
  receiptCase(
    'an index that the block does not have',
    { ...receiptOf(0), index: 5 },
    { refusedAs: 'INDEX_OUT_OF_RANGE' },
  );
  receiptCase(
    'a path without its last hash',
    { ...receiptOf(0), path: receiptOf(0).path.slice(0, -1) },
    { refusedAs: 'PATH_MISMATCH' },
  );
  receiptCase(
    'a certificate of another block',
    { ...receiptOf(0), certificate: { ...certificate, digest: genesisDigest } },
    { refusedAs: 'CERTIFICATE_MISMATCH' },
  );

  const stateProof = async (
    height: 0 | 1,
    key: string,
    value: Uint8Array | undefined,
  ): Promise<StateProof> => ({
    header: height === 0 ? header0Bytes : headerBytes,
    ...(height === 1 && { certificate }),
    key,
    ...(value !== undefined && { value }),
    ...(await tree.prove(store, asHeight(height), asStateKey(key))),
  });
  const proofCase = (
    name: string,
    proof: StateProof,
    rest: Omit<ProofVector, 'name' | 'message' | 'proof'>,
  ): void => {
    cases.push({ name, message: 'StateProof', proof: toHex(codec.encodeStateProof(proof)), ...rest });
  };
  const present = await stateProof(1, balanceKey, balanceBytes);
  recorder.add('state proof', ledger('StateProof'), present, codec.encodeStateProof(present));
  proofCase('a balance', present, { proves: { key: balanceKey, value: toHex(balanceBytes), height: 1 } });
  const atGenesis = genesis.accounts[0]!;
  const accountKey = `account/${atGenesis.account}`;
  proofCase('an account at height 0', await stateProof(0, accountKey, codec.encodeAccount(atGenesis)), {
    proves: { key: accountKey, value: toHex(codec.encodeAccount(atGenesis)), height: 0 },
  });
  let seenEmpty = false;
  let seenOther = false;
  for (let number = 0; !(seenEmpty && seenOther) && number < 200; number++) {
    const key = `account/nobody-${number}`;
    const proof = await stateProof(1, key, undefined);
    const byOther = proof.otherLeafPath.length > 0;
    if (byOther ? seenOther : seenEmpty) continue;
    if (byOther) seenOther = true;
    else seenEmpty = true;
    proofCase(`an absence shown by ${byOther ? "another key's leaf" : 'an empty subtree'}`, proof, {
      proves: { key, height: 1 },
    });
    if (byOther)
      proofCase(
        'an absence claimed by a leaf that is elsewhere',
        { ...proof, key: balanceKey },
        { refusedAs: 'STATE_PATH_MISMATCH' },
      );
  }
  proofCase(
    'another value',
    { ...present, value: codec.encodeBalance({ amount: asAmount(875_001n) }) },
    { refusedAs: 'STATE_PATH_MISMATCH' },
  );
  proofCase('another key', { ...present, key: `${balanceKey}X` }, { refusedAs: 'STATE_PATH_MISMATCH' });
  const { certificate: _certificate, ...uncertified } = present;
  proofCase('a header above 0 without certificate', uncertified, { refusedAs: 'NOT_CERTIFIED' });

  return cases;
}
