/** Faults around the change of views. */
import { decodeNewView, decodeViewChange } from '../../../src/codec/index.js';
import type { SignedViewChange } from '../../../src/codec/model.js';
import type { VerifiedViewChange } from '../../../src/consensus/types.js';
import { asDigest, asView, quorumOf } from '../../../src/types/index.js';
import type { Packet } from '../packet.js';
import { messageIn, packetOf, type StrategyMaker, type Villain } from './strategy.js';
import { newView, newViewFrom, opened, proposal, viewChange, vote } from './signing.js';

/** Asks for views that nobody wants, and speaks of views and heights that are long past or far ahead. */
export const wildViews: StrategyMaker = (villain) => {
  const { random, peers, config } = villain;
  const n = config.validatorSet.validators.length;
  return {
    tick: () => {
      if (!random.chance(0.3)) return;
      const to = random.pick(peers);
      const view = villain.view() + random.pick([-2, -1, 0, 1, 1, 2, n, 1000, 2 ** 40]);
      if (view < 0) return;
      const height = Math.max(1, villain.committedHeight() + random.integer(-3, 70));
      const digest = random.bytes(32);
      switch (random.below(4)) {
        case 0:
          if (view > 0) villain.send(to, packetOf(viewChange(villain, { view: asView(view), prepared: [] })));
          return;
        case 1:
          villain.send(to, packetOf(vote(villain, random.pick(['prepare', 'commit']), view, height, digest)));
          return;
        case 2:
          villain.send(to, {
            kind: 'status',
            status: {
              view: asView(view),
              viewChangeInProgress: random.chance(0.5),
              committedHeight: height as never,
              stableCheckpointHeight: Math.max(0, height - random.below(5)) as never,
            },
          });
          return;
        default: {
          // An old proposal of its own again, in another view that it leads.
          const old = villain.archive.find(({ kind }) => kind === 'prePrepare');
          if (old?.kind !== 'prePrepare') return;
          const led = view - (view % n) + villain.self;
          villain.send(
            to,
            packetOf(
              proposal(
                villain,
                led,
                { height, header: old.header, digest: asDigest(digest) },
                old.transactionHashes,
              ),
            ),
          );
        }
      }
    },
  };
};

/** Keeps to itself what it has prepared, or says that it knows less than it does. */
export const forgetful: StrategyMaker = (villain) => ({
  outgoing: (sending) => {
    const message = messageIn(sending.packet);
    if (message?.kind !== 'viewChange') return [sending];
    const body = decodeViewChange(message.viewChange);
    if (!body.ok || body.value.validator !== villain.self) return [sending];
    const { view, committed, prepared } = body.value;
    const lie = villain.random.pick([
      { view, prepared: [] },
      { view, ...(committed === undefined ? {} : { committed }), prepared: [] },
      { view, ...(committed === undefined ? {} : { committed }), prepared: prepared.slice(1) },
      { view, ...(committed === undefined ? {} : { committed }), prepared: prepared.slice(0, 1) },
    ]);
    return [{ to: sending.to, packet: packetOf(viewChange(villain, lie)) }];
  },
});

/** As primary, starts a view on one quorum of view-changes for some and on another for others, or not as derived. */
export const splitViews: StrategyMaker = (villain) => {
  const { random } = villain;
  const collected = new Map<number, Map<number, SignedViewChange>>();
  const said = new Map<number, Packet>();
  const steadiness = random.pick([0.3, 1]);
  const collect = (signed: SignedViewChange): void => {
    const body = decodeViewChange(signed.viewChange);
    if (!body.ok) return;
    const { view, validator } = body.value;
    const ofView = collected.get(view) ?? new Map<number, SignedViewChange>();
    ofView.set(validator, signed);
    collected.set(view, ofView);
    if (collected.size > 50) collected.delete(Math.min(...collected.keys()));
  };
  return {
    incoming: (_from, packet) => {
      const message = messageIn(packet);
      if (message?.kind === 'viewChange') collect(message);
      return packet;
    },
    outgoing: (sending) => {
      const message = messageIn(sending.packet);
      if (message?.kind === 'viewChange') collect(message);
      if (message?.kind !== 'newView') return [sending];
      const body = decodeNewView(message.newView);
      if (!body.ok || body.value.validator !== villain.self) return [sending];
      const { view, viewChanges, reproposals } = body.value;
      // The same to all, or to each what comes to mind.
      const before = said.get(view);
      if (before !== undefined && random.chance(steadiness)) return [{ to: sending.to, packet: before }];
      const chosen = otherQuorum(villain, view, collected.get(view));
      const blank = leastKnowing(villain, view, collected.get(view));
      const lies = [
        ...(blank === undefined
          ? []
          : [
              newView(
                villain,
                view,
                blank.map(({ signed }) => signed),
                [],
              ),
              newViewFrom(villain, view, blank),
            ]),
        newView(villain, view, viewChanges, reproposals.slice(0, -1)),
        newView(villain, view, viewChanges, [
          ...reproposals,
          { height: villain.committedHeight() + 9, digest: random.bytes(32) },
        ]),
        ...(chosen === undefined
          ? []
          : [newViewFrom(villain, view, chosen), newViewFrom(villain, view, chosen)]),
      ];
      const packet = random.chance(0.2) ? sending.packet : packetOf(random.pick(lies));
      said.set(view, packet);
      return [{ to: sending.to, packet }];
    },
  };
};

/** A quorum of view-changes that know of as little as possible, its own of nothing. */
function leastKnowing(
  villain: Villain,
  view: number,
  collected: ReadonlyMap<number, SignedViewChange> | undefined,
): readonly VerifiedViewChange[] | undefined {
  const own = opened(villain, viewChange(villain, { view: asView(view), prepared: [] }));
  const knowledge = ({ body }: VerifiedViewChange): number =>
    (body.committed?.height ?? 0) * 100 + body.prepared.length;
  const others = [...(collected ?? [])]
    .filter(([validator]) => validator !== villain.self)
    .flatMap(([, signed]) => opened(villain, signed) ?? [])
    .sort((left, right) => knowledge(left) - knowledge(right))
    .slice(0, quorumOf(villain.config.validatorSet.validators.length) - 1);
  const all = own === undefined ? others : [own, ...others];
  if (all.length !== quorumOf(villain.config.validatorSet.validators.length)) return undefined;
  return all.sort((left, right) => left.body.validator - right.body.validator);
}

function otherQuorum(
  villain: Villain,
  view: number,
  collected: ReadonlyMap<number, SignedViewChange> | undefined,
): readonly VerifiedViewChange[] | undefined {
  if (collected === undefined) return undefined;
  const { random, config, self } = villain;
  // Its own says what suits it.
  const own = random.chance(0.5)
    ? viewChange(villain, { view: asView(view), prepared: [] })
    : collected.get(self);
  const others = [...collected].filter(([validator]) => validator !== self).map(([, signed]) => signed);
  const wanted = quorumOf(config.validatorSet.validators.length);
  while (others.length > wanted - (own === undefined ? 0 : 1)) others.splice(random.below(others.length), 1);
  const all = [...others, ...(own === undefined ? [] : [own])].flatMap(
    (signed) => opened(villain, signed) ?? [],
  );
  if (all.length !== wanted) return undefined;
  return all.sort((left, right) => left.body.validator - right.body.validator);
}
