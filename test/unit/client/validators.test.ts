/** GetValidators as a server gives it, and as the SDK follows it: from honest servers and from lying ones. */
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { QuaestorClient, VerificationError } from '../../../src/client/index.js';
import {
  decodeValidatorSetChanges,
  encodeValidatorSet,
  encodeValidatorSetProposal,
  type ValidatorSet,
  type ValidatorSetChange,
} from '../../../src/codec/index.js';
import { validatorSetHash } from '../../../src/crypto/index.js';
import { getValidators } from '../../../src/api/validators.js';
import { stateKeys } from '../../../src/ledger/index.js';
import type { StoredBlock } from '../../../src/storage/types.js';
import { asHeight, toHex, type Height, type StateKey, type TxId } from '../../../src/types/index.js';
import { followSetChanges, trustGenesis } from '../../../src/verify/index.js';
import { serve, TestPki } from '../../helpers/api-servers.js';
import { FakeChain, FakeNode } from '../../helpers/fake-ledger.js';
import { checkByOpenSsl, SignedChain, type TestBlock } from '../../helpers/signed-chain.js';

const network = 'testnet';
let pki: TestPki;
let fake: FakeChain;
const open: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pki = await TestPki.create(network);
  fake = await FakeChain.create();
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** What a node says of a chain whose validators change; a liar replaces parts of it. */
class ChangingNode extends FakeNode {
  readonly state = new Map<string, Uint8Array>();
  readonly blocks: (TestBlock | undefined)[];
  /** A lie about a header. */
  lie: (block: StoredBlock) => StoredBlock = (block) => block;
  asked = 0;

  constructor(index: number, blocks: readonly (TestBlock | undefined)[], sets: readonly ValidatorSet[]) {
    super(fake, index);
    this.blocks = [...blocks];
    for (const set of sets) this.state.set(stateKeys.epochValidators(set.epoch), encodeValidatorSet(set));
    this.state.set(stateKeys.currentValidators, encodeValidatorSet(sets.at(-1)!));
  }

  override head(): { height: Height; digest: StoredBlock['digest'] } {
    const { header, digest } = this.blocks.at(-1)!;
    return { height: header.height, digest };
  }

  override block(height: Height): Promise<StoredBlock | undefined> {
    const block = this.blocks[height];
    if (block === undefined) return Promise.resolve(undefined);
    const stored = { ...block, height, transactionIds: block.txIds, touchedAccounts: [] };
    return Promise.resolve(this.lie(stored as unknown as StoredBlock));
  }

  override header(height: Height): Promise<StoredBlock | undefined> {
    return this.block(height);
  }

  override locate(txId: TxId): Promise<{ height: Height; index: number } | undefined> {
    for (const block of this.blocks) {
      const index = block?.txIds.findIndex((id) => toHex(id) === toHex(txId)) ?? -1;
      if (block !== undefined && index >= 0) return Promise.resolve({ height: block.header.height, index });
    }
    return Promise.resolve(undefined);
  }

  override stateAt(key: StateKey): Promise<Uint8Array | undefined> {
    if (key === stateKeys.currentValidators) this.asked++;
    return Promise.resolve(this.state.get(key));
  }
}

interface Grown {
  readonly chain: SignedChain;
  readonly blocks: (TestBlock | undefined)[];
  readonly sets: ValidatorSet[];
  /** Index in `blocks` of the last block of each set but the latest. */
  readonly handovers: number[];
}

/** A chain of four validators that hand over to these sets, one after the other, with a block beyond. */
async function grow(sets: readonly (readonly number[])[]): Promise<Grown> {
  const chain = await SignedChain.create(4, network);
  const grown: Grown = { chain, blocks: [undefined], sets: [chain.set], handovers: [] };
  for (const seeds of sets) {
    const nextSet = chain.addSet(seeds);
    grown.blocks.push(await chain.append({ nextSet, transactions: 1 }));
    grown.handovers.push(grown.blocks.length - 1);
    grown.sets.push(nextSet);
  }
  grown.blocks.push(await chain.append());
  return grown;
}

async function serveAll(
  ...nodes: readonly ChangingNode[]
): Promise<readonly { id: string; address: string }[]> {
  return Promise.all(
    nodes.map(async (node) => {
      const { server, address } = await serve(node, pki);
      open.push(() => server.close(50));
      return { id: `v${node.index}`, address };
    }),
  );
}

async function connect(
  { chain }: Grown,
  validators: readonly { id: string; address: string }[],
): Promise<QuaestorClient> {
  const client = QuaestorClient.connect({
    validators,
    tls: await pki.issue('member', 'alpha'),
    genesis: chain.genesis,
    timeoutMs: 5000,
    preferredValidator: 0,
  });
  open.push(() => client.close());
  return client;
}

const threeChanges = [[51, 52, 53, 54, 55, 56, 57], [61], [71, 72, 73, 74]];
const ids = ({ validators }: ValidatorSet) => validators.map(({ publicKey }) => toHex(publicKey));

async function changesIn(node: ChangingNode, knownEpoch: number): Promise<readonly ValidatorSetChange[]> {
  const { changes } = await getValidators(node, { knownEpoch });
  const decoded = decodeValidatorSetChanges(changes as Uint8Array);
  if (!decoded.ok) throw decoded.error;
  return decoded.value.changes;
}

describe('GetValidators', () => {
  it('gives the changes after the epoch that is known, which prove the set in force', async () => {
    const grown = await grow(threeChanges);
    const node = new ChangingNode(0, grown.blocks, grown.sets);
    const all = await changesIn(node, 0);
    const trust = trustGenesis(grown.chain.genesis, { checkSignature: checkByOpenSsl });
    const followed = followSetChanges(trust, all);
    if (!followed.ok) throw followed.error;
    expect(ids(followed.value.validatorSets.at(-1)!.set)).toEqual(ids(grown.sets.at(-1)!));
    expect(await changesIn(node, 2)).toEqual(all.slice(2));
    expect(await changesIn(node, 3)).toEqual([]);
    expect(await changesIn(node, 99)).toEqual([]);
  });

  it('says what is scheduled and proposed by validators in force', async () => {
    const grown = await grow([]);
    const node = new ChangingNode(0, grown.blocks, grown.sets);
    const [set] = grown.sets as [ValidatorSet];
    const proposal = {
      kind: 'proposeValidatorSet',
      validator: 'validator-1',
      baseValidatorSetHash: validatorSetHash(set),
      validators: set.validators.slice(1),
      notBeforeHeight: asHeight(0),
      expiresHeight: asHeight(50),
    } as const;
    const approvals = ['validator-1', 'validator-3'];
    const bytes = encodeValidatorSetProposal({ proposal, approvals });
    node.state.set(stateKeys.validatorSetProposal('validator-1'), bytes);
    node.state.set(stateKeys.validatorSetProposal('validator-9'), bytes);
    const scheduled = { ...set, epoch: 1, activationHeight: asHeight(20) };
    node.state.set(stateKeys.scheduledValidators, encodeValidatorSet(scheduled));
    const client = await connect(grown, await serveAll(node));
    const state = await client.getValidators();
    expect(state.proposals).toEqual([{ proposal, approvals }]);
    expect(state.scheduled).toEqual(scheduled);
    expect(state.current).toEqual(set);
    expect(state.height).toBe(1);
  });
});

describe('a client that knows the genesis', () => {
  it('follows all changes when it meets what a later set has signed', async () => {
    const grown = await grow(threeChanges);
    const node = new ChangingNode(0, grown.blocks, grown.sets);
    const client = await connect(grown, await serveAll(node));
    const latest = grown.blocks.at(-1)!;
    const known = await client.getTransaction(latest.txIds[0]!);
    expect(known.height).toBe(latest.header.height);
    expect(client.validatorSetChanges).toHaveLength(3);
    const before = node.asked;
    // An earlier block is proven by the set that decided it, without asking again.
    await client.getTransaction(grown.blocks[1]!.txIds[0]!);
    expect(node.asked).toBe(before);
    const state = await client.getValidators();
    expect(ids(state.current)).toEqual(ids(grown.sets.at(-1)!));
    expect(state.changes).toHaveLength(3);
  });

  it('asks again when there are more changes than one answer holds', async () => {
    const many = Array.from({ length: 260 }, (_, index) => [1 + (index % 200)]);
    const grown = await grow(many);
    const node = new ChangingNode(0, grown.blocks, grown.sets);
    const client = await connect(grown, await serveAll(node));
    expect((await client.getValidators()).changes).toHaveLength(260);
    expect(node.asked).toBeGreaterThan(2);
  }, 60_000);

  const lies: [string, (grown: Grown, liar: ChangingNode) => void][] = [
    [
      'a set in force that nothing proves',
      ({ sets }, liar) => {
        const next = { ...sets.at(-1)!, epoch: 4, activationHeight: asHeight(4) };
        liar.state.set(stateKeys.currentValidators, encodeValidatorSet(next));
        liar.state.set(stateKeys.epochValidators(4), encodeValidatorSet(next));
      },
    ],
    [
      'another set than the one that the block before hands over to',
      ({ sets }, liar) => {
        const false1 = { ...sets[1]!, validators: sets[3]!.validators };
        liar.state.set(stateKeys.epochValidators(1), encodeValidatorSet(false1));
      },
    ],
    [
      'a handing over that too few have signed',
      ({ handovers }, liar) => {
        liar.lie = (block) => {
          if (block.height !== handovers[0]) return block;
          const certificate = block.certificate!;
          return { ...block, certificate: { ...certificate, signatures: certificate.signatures.slice(1) } };
        };
      },
    ],
    [
      'a handing over that is signed by another set than the one in force',
      ({ chain, handovers }, liar) => {
        liar.lie = (block) => {
          if (block.height !== handovers[1]) return block;
          const { certificate } = block;
          return { ...block, certificate: chain.certify(certificate!, [0, 1, 2]) };
        };
      },
    ],
  ];
  it.each(lies)('believes no server that gives it %s, and asks another one', async (_what, lie) => {
    const grown = await grow(threeChanges);
    const liar = new ChangingNode(0, grown.blocks, grown.sets);
    lie(grown, liar);
    const [false0] = await serveAll(liar);
    const alone = await connect(grown, [false0!]);
    await expect(alone.getValidators()).rejects.toThrow(VerificationError);
    const honest = new ChangingNode(1, grown.blocks, grown.sets);
    const [true1] = await serveAll(honest);
    const client = await connect(grown, [false0!, true1!]);
    const state = await client.getValidators();
    expect(ids(state.current)).toEqual(ids(grown.sets[3]!));
    // What it passes on proves the set to others.
    const trust = trustGenesis(grown.chain.genesis, { checkSignature: checkByOpenSsl });
    expect(followSetChanges(trust, state.changes).ok).toBe(true);
  });

  it('asks another server when one sends what a later set has signed and keeps the changes to itself', async () => {
    const grown = await grow(threeChanges);
    const hiding = new ChangingNode(0, grown.blocks, grown.sets);
    hiding.state.set(stateKeys.currentValidators, encodeValidatorSet(grown.sets[0]!));
    const honest = new ChangingNode(1, grown.blocks, grown.sets);
    const client = await connect(grown, await serveAll(hiding, honest));
    const latest = grown.blocks.at(-1)!;
    expect((await client.getTransaction(latest.txIds[0]!)).height).toBe(latest.header.height);
    expect(client.validatorSetChanges).toHaveLength(3);
    // Once more is known, it is not led back.
    expect((await client.getValidators()).current.epoch).toBe(3);
  });

  it('believes no block above a change that former validators have signed', async () => {
    const grown = await grow(threeChanges);
    const { chain, blocks } = grown;
    // The keys of the first set are sold: they sign the latest block again, as if they still decided.
    const node = new ChangingNode(0, blocks, grown.sets);
    const latest = chain.set;
    const client = await connect(grown, await serveAll(node));
    await client.getValidators();
    chain.set = grown.sets[0]!;
    const forged = await chain.append();
    chain.set = latest;
    node.blocks.push(forged);
    await expect(client.getTransaction(forged.txIds[0]!)).rejects.toThrow(VerificationError);
  });
});
