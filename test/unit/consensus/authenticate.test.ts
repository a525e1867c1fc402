import { describe, expect, it } from '@jest/globals';
import { ed25519 } from '@noble/curves/ed25519.js';
import {
  firstValidatorSet,
  decodeConsensusMessage,
  encodeConsensusMessage,
  encodeNewView,
  encodeViewChange,
  type ConsensusMessage,
  type NewView,
  type PrePrepare,
  type PreparedCertificate,
  type ViewChange,
} from '../../../src/codec/index.js';
import {
  beginAuthentication,
  beginSigning,
  commitCertificateChecks,
  type BlockRef,
  type ConsensusConfig,
  type Statement,
} from '../../../src/consensus/index.js';
import {
  newViewSigningBytes,
  sha256,
  validatorSetHash,
  verifyZip215,
  viewChangeSigningBytes,
} from '../../../src/crypto/index.js';
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asValidatorIndex,
  asView,
  type Signature,
} from '../../../src/types/index.js';
import {
  chainOf,
  commitCertificate,
  preparedCertificate,
  viewChangeStatement,
} from '../../helpers/consensus-certificates.js';
import {
  fakeSign,
  fakeVerify,
  genesisTip,
  makeBlock,
  say,
  testConfig,
} from '../../helpers/consensus-words.js';

/** A network with real keys. */
const secrets = [0, 1, 2, 3].map((index) => sha256(Uint8Array.of(index)));
const validators = secrets.map((secret, index) => ({
  id: `validator-${index}`,
  member: `member-${index}`,
  publicKey: asPublicKey(ed25519.getPublicKey(secret)),
}));
const real: ConsensusConfig = {
  ...testConfig({ n: 4 }, 0),
  validatorSet: firstValidatorSet(validators),
  validatorSetHash: validatorSetHash(firstValidatorSet(validators)),
};

function sign(signer: number, statement: Statement, config = real): ConsensusMessage {
  let signing = beginSigning(statement, { ...config, self: asValidatorIndex(signer) });
  for (;;) {
    const next = signing.next(
      signing.toSign.map((bytes): Signature => asSignature(ed25519.sign(bytes, secrets[signer]!))),
    );
    if (next.kind === 'signed') return next.message;
    signing = next;
  }
}

/** Whether a message passes as it would in production: structure, then every signature. */
function authentic(message: ConsensusMessage, config = real): boolean {
  const pending = beginAuthentication(message, config);
  return (
    pending.ok &&
    pending.value.checks.every(({ publicKey, message: bytes, signature }) =>
      verifyZip215(publicKey, bytes, signature),
    )
  );
}

const view = asView(0);
const height = asHeight(1);
const block = (label: string, header = {}, config = real): BlockRef =>
  makeBlock(config, {
    height: 1,
    view: 0,
    parent: genesisTip.digest,
    timeMs: genesisTip.timeMs + 1,
    label,
    header,
  });

describe('signatures of consensus messages', () => {
  const { digest } = block('a');

  it('hold for what the validator has said, after a trip over the wire', () => {
    const messages = [
      sign(0, { kind: 'prePrepare', view, block: block('a') }),
      sign(1, { kind: 'prepare', view, height, digest }),
      sign(2, { kind: 'commit', view, height, digest }),
      sign(3, { kind: 'checkpoint', height: asHeight(10), digest }),
      sign(1, viewChangeStatement(real, 1, 1)),
    ];
    for (const message of messages) {
      const decoded = decodeConsensusMessage(encodeConsensusMessage(message));
      expect(decoded.ok && authentic(decoded.value)).toBe(true);
    }
  });

  it('do not hold for another phase, view, height, block, chain or validator set', () => {
    const message = sign(1, { kind: 'prepare', view, height, digest });
    if (message.kind !== 'prepare') throw new Error('unreachable');
    expect(authentic(message)).toBe(true);
    expect(authentic({ ...message, kind: 'commit' })).toBe(false);
    expect(authentic({ ...message, view: asView(1) })).toBe(false);
    expect(authentic({ ...message, height: asHeight(2) })).toBe(false);
    expect(authentic({ ...message, digest: block('b').digest })).toBe(false);
    expect(authentic(message, { ...real, chainId: asChainId(new Uint8Array(32)) })).toBe(false);
    expect(authentic(message, { ...real, validatorSetHash: asHash(new Uint8Array(32)) })).toBe(false);
  });

  it('are checked against the validator that the message names (pitfall 8)', () => {
    const message = sign(1, { kind: 'prepare', view, height, digest });
    if (message.kind !== 'prepare') throw new Error('unreachable');
    const { signature } = message.signature;
    expect(authentic({ ...message, signature: { validator: asValidatorIndex(2), signature } })).toBe(false);
    expect(
      beginAuthentication({ ...message, signature: { validator: asValidatorIndex(4), signature } }, real),
    ).toEqual({
      ok: false,
      error: 'unknownValidator',
    });
    const change = sign(1, viewChangeStatement(real, 2, 1));
    expect(authentic(change)).toBe(false);
  });

  it('of a checkpoint do not pass as a vote, nor the other way round', () => {
    const checkpoint = sign(1, { kind: 'checkpoint', height, digest });
    if (checkpoint.kind !== 'checkpoint') throw new Error('unreachable');
    expect(authentic({ kind: 'commit', view, height, digest, signature: checkpoint.signature })).toBe(false);
  });

  it('nested in a view-change and a new-view are all checked', () => {
    const config = testConfig({ n: 4 }, 0);
    const [one, two] = chainOf(config, { view: 0, height: 1, parent: genesisTip.digest, length: 2 });
    const content = {
      committed: commitCertificate(config, 0, one!),
      prepared: [preparedCertificate(config, 0, two!)],
    };
    const change = say(config, 1, viewChangeStatement(config, 1, 1, content));
    const pending = beginAuthentication(change, config);
    // Its own, a quorum of commits, the pre-prepare and quorum - 1 prepares.
    expect(pending.ok && pending.value.checks.length).toBe(1 + 3 + 1 + 2);
    const changes = [0, 1, 2].map((index) => {
      const message = say(config, index, viewChangeStatement(config, index, 1, content));
      if (message.kind !== 'viewChange') throw new Error('unreachable');
      return message;
    });
    const reproposals = [{ height: asHeight(2), digest: two!.digest }];
    const start = say(config, 1, { kind: 'newView', view: asView(1), viewChanges: changes, reproposals });
    const started = beginAuthentication(start, config);
    expect(started.ok && started.value.checks.length).toBe(1 + 3 * 7 + 1);
    expect(started.ok && started.value.checks.every(fakeVerify)).toBe(true);
  });
});

describe('structure of consensus messages', () => {
  const config = testConfig({ n: 4 }, 0);
  const errorOf = (message: ConsensusMessage): string | undefined => {
    const pending = beginAuthentication(message, config);
    return pending.ok ? undefined : pending.error;
  };
  const proposal = (header = {}, change: Partial<PrePrepare> = {}): ConsensusMessage => {
    const message = say(config, 0, { kind: 'prePrepare', view, block: block('a', header, config) });
    return { ...message, ...change } as ConsensusMessage;
  };

  it.each([
    ['another chain', { chainId: asChainId(new Uint8Array(32)) }, 'wrongChain'],
    ['another validator set', { validatorSetHash: asHash(new Uint8Array(32)) }, 'wrongValidatorSet'],
    ['a later view than it is proposed in', { view: asView(4) }, 'wrongHeader'],
    ['a proposer who is not primary of its view', { proposer: asValidatorIndex(1) }, 'wrongHeader'],
    ['another number of transactions', { transactionCount: 2 }, 'wrongTransactions'],
    ['another root of transactions', { transactionsRoot: asHash(new Uint8Array(32)) }, 'wrongTransactions'],
  ])('a proposal with a header of %s is refused', (_, header, error) => {
    expect(errorOf(proposal(header))).toBe(error);
  });

  it('a proposal of somebody who is not primary is refused', () => {
    const message = say(config, 1, { kind: 'prePrepare', view, block: block('a', {}, config) });
    expect(errorOf(message)).toBe('wrongSigner');
  });

  it('header bytes that are not canonical are refused', () => {
    const { headerBytes } = block('a', {}, config);
    const longer = new Uint8Array(headerBytes.length + 1);
    longer.set(headerBytes);
    expect(errorOf(proposal({}, { header: longer }))).toBe('malformed');
    expect(errorOf(proposal({}, { header: headerBytes.subarray(1) }))).toBe('malformed');
  });

  const blocks = chainOf(config, { view: 0, height: 1, parent: genesisTip.digest, length: 8 });
  const change = (body: Partial<ViewChange>): ConsensusMessage => {
    const viewChange = encodeViewChange({ ...viewChangeStatement(config, 1, 5).body, ...body });
    return {
      kind: 'viewChange',
      viewChange,
      signature: fakeSign(config, 1, viewChangeSigningBytes(viewChange)),
    };
  };
  const certificate = (changes: Partial<PreparedCertificate>): ConsensusMessage =>
    change({ prepared: [{ ...preparedCertificate(config, 0, blocks[0]!), ...changes }] });
  const honest = preparedCertificate(config, 0, blocks[0]!);

  it('a view-change with honest certificates passes', () => {
    expect(
      errorOf(change({ prepared: blocks.slice(0, 4).map((one) => preparedCertificate(config, 0, one)) })),
    ).toBeUndefined();
    expect(errorOf(certificate({}))).toBeUndefined();
  });

  it('a prepared certificate with a prepare too few or too many is refused', () => {
    expect(errorOf(certificate({ prepares: honest.prepares.slice(1) }))).toBe('noQuorum');
    const three = preparedCertificate(config, 0, blocks[0]!, [1, 2, 3]);
    expect(errorOf(change({ prepared: [three] }))).toBe('noQuorum');
  });

  it('a prepared certificate that counts a voter twice is refused (pitfall 6)', () => {
    // Canonical bytes do not even allow it: the encoder's strict order is checked by the decoder.
    const twice = [honest.prepares[0]!, honest.prepares[0]!];
    expect(errorOf(certificate({ prepares: twice }))).toBe('malformed');
  });

  it('a prepared certificate in which the primary prepares its own proposal is refused', () => {
    expect(errorOf(change({ prepared: [preparedCertificate(config, 0, blocks[0]!, [0, 1])] }))).toBe(
      'wrongSigner',
    );
  });

  it('a prepared certificate whose proposal is not of the primary is refused', () => {
    expect(
      errorOf(certificate({ prePrepare: { ...honest.prePrepare, validator: asValidatorIndex(3) } })),
    ).toBe('wrongSigner');
  });

  it('a prepared certificate of the view that is asked for, or a higher one, is refused', () => {
    expect(errorOf(change({ view: asView(4), prepared: [preparedCertificate(config, 4, blocks[0]!)] }))).toBe(
      'wrongOrder',
    );
  });

  it('prepared certificates out of order, twice for a height, or at or below the committed height are refused', () => {
    const [one, two] = blocks.map((item) => preparedCertificate(config, 0, item));
    expect(errorOf(change({ prepared: [two!, one!] }))).toBe('wrongOrder');
    expect(errorOf(change({ prepared: [one!, one!] }))).toBe('wrongOrder');
    const committed = commitCertificate(config, 0, blocks[0]!);
    expect(errorOf(change({ committed, prepared: [one!] }))).toBe('wrongOrder');
    expect(errorOf(change({ committed, prepared: [two!] }))).toBeUndefined();
  });

  it('more prepared certificates than a window, or beyond it, are refused', () => {
    const all = blocks.map((item) => preparedCertificate(config, 0, item));
    expect(errorOf(change({ prepared: all.slice(0, 5) }))).toBe('tooMany');
    expect(errorOf(change({ prepared: [all[4]!] }))).toBe('tooMany');
  });

  it('a commit certificate is exactly a quorum of different validators (pitfalls 5, 6)', () => {
    const one = blocks[0]!;
    const check = (voters: number[]) =>
      commitCertificateChecks(commitCertificate(config, 0, one, voters), config);
    expect(check([0, 1, 3]).ok).toBe(true);
    expect(check([0, 1])).toEqual({ ok: false, error: 'noQuorum' });
    expect(check([0, 1, 2, 3])).toEqual({ ok: false, error: 'noQuorum' });
    expect(check([0, 1, 1])).toEqual({ ok: false, error: 'wrongOrder' });
    expect(check([0, 2, 1])).toEqual({ ok: false, error: 'wrongOrder' });
    const genesis = { ...commitCertificate(config, 0, one), height: asHeight(0) };
    expect(commitCertificateChecks(genesis, config).ok).toBe(false);
    const large = testConfig({ n: 7 }, 0);
    expect(commitCertificateChecks(commitCertificate(large, 0, one), large).ok).toBe(true);
  });

  const changes = [0, 1, 2, 3].map((index) => {
    const message = say(config, index, viewChangeStatement(config, index, 1));
    if (message.kind !== 'viewChange') throw new Error('unreachable');
    return message;
  });
  const start = (body: Partial<NewView>, signer = 1): ConsensusMessage => {
    const newView = encodeNewView({
      chainId: config.chainId,
      validatorSetHash: config.validatorSetHash,
      view: asView(1),
      validator: asValidatorIndex(1),
      viewChanges: changes.slice(0, 3),
      reproposals: [],
      ...body,
    });
    return { kind: 'newView', newView, signature: fakeSign(config, signer, newViewSigningBytes(newView)) };
  };

  it('a new-view has view-changes for it of exactly a quorum of different validators', () => {
    expect(errorOf(start({}))).toBeUndefined();
    expect(errorOf(start({ viewChanges: changes.slice(0, 2) }))).toBe('noQuorum');
    expect(errorOf(start({ viewChanges: changes }))).toBe('noQuorum');
    expect(errorOf(start({ viewChanges: [changes[0]!, changes[1]!, changes[1]!] }))).toBe('wrongOrder');
    expect(errorOf(start({ viewChanges: [changes[1]!, changes[0]!, changes[2]!] }))).toBe('wrongOrder');
    const other = say(config, 2, viewChangeStatement(config, 2, 5));
    if (other.kind !== 'viewChange') throw new Error('unreachable');
    expect(errorOf(start({ viewChanges: [changes[0]!, changes[1]!, other] }))).toBe('noQuorum');
  });

  it('a new-view is of the primary of the view', () => {
    expect(errorOf(start({ validator: asValidatorIndex(2) }, 2))).toBe('wrongSigner');
    const pending = beginAuthentication(start({}, 2), config);
    expect(pending.ok && pending.value.checks.every(fakeVerify)).toBe(false);
  });

  it('view 0 cannot be asked for or started', () => {
    expect(errorOf(change({ view: asView(0) }))).toBe('malformed');
    expect(errorOf(start({ view: asView(0), validator: asValidatorIndex(0) }))).toBe('malformed');
  });

  it('keeps no view of the buffer that a message came in', () => {
    const bytes = encodeConsensusMessage(
      say(config, 1, { kind: 'commit', view, height, digest: asDigest(blocks[0]!.digest) }),
    );
    const decoded = decodeConsensusMessage(bytes);
    const pending = decoded.ok ? beginAuthentication(decoded.value, config) : undefined;
    const { verified } = pending?.ok ? pending.value : { verified: undefined };
    if (verified?.kind !== 'commit') throw new Error('unreachable');
    expect(verified.message.digest.buffer).not.toBe(bytes.buffer);
    expect(verified.message.signature.signature.buffer).not.toBe(bytes.buffer);
  });

  // Fuzzed view-changes crashed other systems: here nothing but a Result ever comes out (pitfall 27).
  it('damaged messages never throw', () => {
    const messages = [
      proposal(),
      start({}),
      change({
        committed: commitCertificate(config, 0, blocks[0]!),
        prepared: [preparedCertificate(config, 0, blocks[1]!)],
      }),
    ];
    for (const message of messages) {
      const bytes = encodeConsensusMessage(message);
      for (let position = 0; position < bytes.length; position++) {
        const damaged = bytes.slice();
        damaged[position] = (damaged[position] ?? 0) ^ (1 << (position % 8));
        const decoded = decodeConsensusMessage(damaged);
        if (!decoded.ok) continue;
        const pending = beginAuthentication(decoded.value, config);
        expect(pending.ok && pending.value.checks.every(fakeVerify)).toBe(false);
      }
    }
  });
});
