/** Keys of a test network behind the guard of the signer: one memory for each validator, which survives its crashes. */
import type { CommitCertificate, SignContent, SignedNewView } from '../../src/codec/index.js';
import { encodeSignedNewView } from '../../src/codec/index.js';
import { contentOf } from '../../src/signer/content.js';
import { finalityLag } from '../../src/signer/index.js';
import {
  decodeChanges,
  encodeChanges,
  SignedState,
  SigningGuard,
  type Refused,
} from '../../src/signer/index.js';
import { type TestNet } from './consensus-net.js';
import { type KeyGuard, type TestReplica } from './consensus-replica.js';
import { fakeVerify } from './consensus-words.js';

export interface Refusal extends Refused {
  readonly replica: number;
  readonly kind: SignContent['kind'];
}

export class GuardedKeys implements KeyGuard {
  readonly refusals: Refusal[] = [];
  readonly #guards: SigningGuard[];

  constructor(net: TestNet) {
    this.#guards = net.replicas.map(({ config }, index) => {
      const { publicKey } = config.validatorSet.validators[index]!;
      return new SigningGuard({
        chainId: config.chainId,
        publicKey,
        pipelineWindow: config.pipelineWindow,
        state: new SignedState(config.validatorSet),
        check: fakeVerify,
      });
    });
  }

  guardOf(index: number): SigningGuard {
    return this.#guards[index]!;
  }

  sign(replica: TestReplica, bytes: Uint8Array): boolean {
    return this.#ask(replica, contentOf(bytes));
  }

  entered(replica: TestReplica, newView: SignedNewView): void {
    this.#ask(replica, { kind: 'entered', bytes: encodeSignedNewView(newView) });
  }

  /** As a node does it: a while later, since votes for the last heights may still be on their way to the key. */
  final(replica: TestReplica, { height }: CommitCertificate): void {
    const certificate = replica.chain[height - finalityLag(replica.config.pipelineWindow)]?.certificate;
    if (certificate === undefined) return;
    this.#ask(replica, { kind: 'finality', finality: { certificate, setChanges: [] } });
  }

  /** Memories as they are after their processes started again: read from what they wrote. */
  restart(index: number): void {
    const guard = this.guardOf(index);
    const state = new SignedState(guard.state.set);
    for (const change of decodeChanges(encodeChanges([...guard.state.summary()]))!) state.apply(change);
    this.#guards[index] = guard.with(state);
  }

  #ask(replica: TestReplica, content: SignContent): boolean {
    const verdict = this.guardOf(replica.index).judge(content);
    if (!verdict.ok) this.refusals.push({ replica: replica.index, kind: content.kind, ...verdict.error });
    return verdict.ok;
  }
}
