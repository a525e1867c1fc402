/** What the rules speak of: blocks, votes, steps, replicas. */
import type { Report, Start } from './derivation.js';

/** Any text that names a block as its digest does. */
export type BlockId = string;

export interface Block {
  readonly height: number;
  readonly parent: BlockId;
  /** View in which it was first proposed. */
  readonly view: number;
}

/** That votes of a quorum in `view` for a block are there. */
export interface Certificate {
  readonly view: number;
  readonly block: BlockId;
}

/** Certificates that a replica knows of. */
export interface Knowledge {
  readonly committed: Certificate | undefined;
  readonly prepared: readonly Certificate[];
}

/** A view that a correct replica has entered. */
export interface Entry {
  readonly view: number;
  readonly start: Start;
  /** Up to this height it does not matter whether the view votes on the ancestors of its base again: a correct replica
   * has shown that it knows them to be final, or a later view has got on. */
  readonly settled: number;
}

export type Step =
  /** The primary casts a pre-prepare for a fresh block. */
  | { readonly kind: 'propose'; readonly replica: number; readonly view: number; readonly block: BlockId }
  /** A replica accepts what the primary proposed, or proposed again, and casts its prepare. */
  | { readonly kind: 'prepare'; readonly replica: number; readonly view: number; readonly block: BlockId }
  | { readonly kind: 'commit'; readonly replica: number; readonly view: number; readonly block: BlockId }
  /** A block becomes final on a replica's disk by a commit certificate of `view`. */
  | { readonly kind: 'finalize'; readonly replica: number; readonly view: number; readonly block: BlockId }
  /** It asks for a view. `knows`: what its view-change shows beyond what is on its disk. */
  | { readonly kind: 'ask'; readonly replica: number; readonly view: number; readonly knows?: Knowledge }
  /** The primary of a view signs a new-view made of these reports. */
  | {
      readonly kind: 'start';
      readonly replica: number;
      readonly view: number;
      readonly reports: readonly Report[];
      readonly blocks?: readonly BlockId[];
    }
  | {
      readonly kind: 'enter';
      readonly replica: number;
      readonly view: number;
      readonly reports: readonly Report[];
      readonly blocks?: readonly BlockId[];
    }
  /** What is not durable is lost. Nothing here is not durable, so nothing changes: unless by a flaw. */
  | { readonly kind: 'restart'; readonly replica: number };

/** Ways to get the protocol wrong, which the checks must notice. */
export interface Flaws {
  /** A new view takes the prepared certificate of the lowest view. */
  readonly lowestCertificate?: boolean;
  /** A new view takes blocks that do not stand on each other. */
  readonly noLinkCheck?: boolean;
  /** A new view does not propose the ancestors of its base again. */
  readonly noWalkDown?: boolean;
  /** A replica commits to a height before those below it. */
  readonly commitOutOfOrder?: boolean;
  /** A replica votes on in a view although it has asked for a higher one. */
  readonly votesAfterAsking?: boolean;
  /** A view-change shows no prepared certificates. */
  readonly hidesCertificates?: boolean;
  /** A restart forgets prepared certificates. */
  readonly forgetsCertificates?: boolean;
  /** A restart forgets votes. */
  readonly forgetsVotes?: boolean;
  /** One vote less than a quorum is enough. */
  readonly smallQuorum?: boolean;
  /** A block may stand on any other. */
  readonly acceptsAnyParent?: boolean;
  /** A fresh block may take the place of one that was taken over. */
  readonly replacesInherited?: boolean;
  /** A replica enters a view with whatever its primary says that it starts from. */
  readonly trustsNewView?: boolean;
}

export interface Configuration {
  readonly n: number;
  readonly faulty: readonly number[];
  /** Most blocks that a new view takes over at and below its base. */
  readonly window: number;
  readonly flaws?: Flaws;
}

/** A correct replica, as its disk has it. */
export interface Replica {
  view: number;
  changing: boolean;
  start: Start;
  final: BlockId;
  /** View of its commit certificate. */
  finalView: number;
  finalHeight: number;
  /** By `view/height`; the primary's pre-prepare is its prepare. */
  readonly prepares: Map<string, BlockId>;
  readonly commits: Map<string, BlockId>;
  /** Prepared certificate of the highest view of its commits, per height above the final one. */
  readonly prepared: Map<number, Certificate>;
  /** What it had when it asked for a view: its view-change shows at least this. */
  readonly asked: Map<number, Knowledge>;
  /** What it has signed as the primary that starts a view. */
  readonly started: Map<number, Start>;
  /** Prepares that it has cast and does not know of any more: only with a flaw. */
  readonly forgotten: Set<string>;
}
