/**
 * The border of the consensus core: `step(state, event) -> effects`. Everything that goes in is authenticated, and
 * everything that comes out is a value that the driver in src/node carries out. No clock, randomness or I/O.
 */
import type {
  BlockHeader,
  Checkpoint,
  Commit,
  CommitCertificate,
  Evidence,
  NewView,
  PeerStatus,
  PrePrepare,
  Prepare,
  PreparedCertificate,
  SignedNewView,
  SignedViewChange,
  ValidatorSet,
  ViewChange,
} from '../codec/model.js';
import type { ChainId, Digest, Hash, Height, ValidatorIndex, View } from '../types/index.js';

/** A validator set with its hash. */
export interface Electorate {
  readonly validatorSet: ValidatorSet;
  readonly validatorSetHash: Hash;
}

/** The set that takes over, and this replica's place in it: undefined when it has none. */
export interface NextEpoch extends Electorate {
  readonly self: ValidatorIndex | undefined;
}

/** What a replica is told at start, and of a new validator set when that takes over. */
export interface ConsensusConfig {
  readonly chainId: ChainId;
  readonly validatorSet: ValidatorSet;
  readonly validatorSetHash: Hash;
  /** Set that decides the heights below this one's first; absent for the set of the genesis. */
  readonly predecessor?: Electorate;
  /** Own index, or undefined for an observer, which never votes. */
  readonly self: ValidatorIndex | undefined;
  /** Most heights in flight above the last committed one; 1 switches pipelining off. */
  readonly pipelineWindow: number;
  readonly checkpointInterval: number;
  readonly timeouts: {
    /** Without progress for so long while there is work, a replica asks for the next view. Doubles with each view
     * that brings no progress, up to `maxViewTimeoutMs`, and is reset by progress. */
    readonly viewTimeoutMs: number;
    readonly maxViewTimeoutMs: number;
    /** Messages for what is in flight are sent again so often. */
    readonly retransmitMs: number;
    /** A primary that was not heard of for so long, even idle, is replaced. Peers exchange their status at least twice
     * in this time and in `viewTimeoutMs`. */
    readonly primarySilenceMs: number;
  };
}

/** A header with what was derived from it once. */
export interface HeaderWithDigest {
  readonly header: BlockHeader;
  /** Canonical bytes of `header`. */
  readonly headerBytes: Uint8Array;
  readonly digest: Digest;
}

/** A block as the core sees it: the bodies stay with the driver. */
export interface BlockRef extends HeaderWithDigest {
  /** RFC 6962 leaf hashes of the envelopes; their root is the header's transactionsRoot. Undefined for a block known
   * only by a prepared certificate: the driver fetches the list with the bodies and checks it against the root. */
  readonly transactionHashes: readonly Hash[] | undefined;
}

/**
 * A message whose every signature was verified: its own against the validator that it names, those nested in
 * certificates, view-changes and new-views against theirs, with quorums of *different* validators where the message
 * claims a quorum. Its structure was checked too: canonical bytes, digest of headers, indexes in range, chain id and
 * validator-set hash ours. What depends on the state (view, height, links) is for the core to judge.
 * Made only by `authenticate` (src/consensus/authenticate.ts).
 */
export type VerifiedMessage =
  | { readonly kind: 'prePrepare'; readonly message: PrePrepare; readonly block: BlockRef }
  | { readonly kind: 'prepare'; readonly message: Prepare }
  | { readonly kind: 'commit'; readonly message: Commit }
  | { readonly kind: 'checkpoint'; readonly message: Checkpoint }
  | {
      readonly kind: 'viewChange';
      readonly message: SignedViewChange;
      readonly viewChange: VerifiedViewChange;
    }
  | {
      readonly kind: 'newView';
      readonly message: SignedNewView;
      readonly newView: NewView;
      readonly viewChanges: readonly VerifiedViewChange[];
    };

export interface VerifiedPreparedCertificate extends HeaderWithDigest {
  readonly certificate: PreparedCertificate;
}

export interface VerifiedViewChange {
  readonly signed: SignedViewChange;
  readonly body: ViewChange;
  readonly prepared: readonly VerifiedPreparedCertificate[];
}

export type TimerId = 'view' | 'retransmit' | 'primarySilence';

export type ConsensusEvent =
  /** A verified message; `from` is the validator that the stream belongs to (a message may be relayed), own index for
   * the replica's own messages coming back signed. */
  | { readonly kind: 'message'; readonly from: ValidatorIndex; readonly message: VerifiedMessage }
  /** Where a peer says that it stands. An index above those of the set in force stands for a node that is not in it: a
   * source of final blocks, and nothing else. */
  | { readonly kind: 'status'; readonly from: ValidatorIndex; readonly status: PeerStatus }
  /** Answer to a `build` effect: a block that was built on `parent` and executed, all its bodies at hand. */
  | { readonly kind: 'built'; readonly view: View; readonly parent: Digest; readonly block: BlockRef }
  /** Answer to an `execute` effect, one for each; none for a block that was discarded meanwhile. `valid`: all bodies are at hand, the roots match. `invalid`: certain and for ever
   * (roots, transactions). `refused`: local policy (clock bound), only for fresh proposals. */
  | {
      readonly kind: 'executed';
      readonly digest: Digest;
      readonly outcome: 'valid' | 'invalid' | 'refused';
      readonly reason?: string;
    }
  /** Answer to a `commit` effect: the block is durable. `next` goes with the last block of a validator set, the one whose
   * header names another next set; from then on everything said to the replica and by it is of that set. */
  | {
      readonly kind: 'committed';
      readonly height: Height;
      readonly digest: Digest;
      readonly next?: NextEpoch;
    }
  /** A block with a verified commit certificate, from catch-up, in order of height. The next ones may follow before
   * this one is committed, at most `maxCertifiedAhead` of them. */
  | { readonly kind: 'certified'; readonly block: BlockRef; readonly certificate: CommitCertificate }
  /** A catch-up ended, whether it brought anything or not. */
  | { readonly kind: 'syncEnded' }
  /** Whether transactions wait to be committed (edge-triggered by the mempool). */
  | { readonly kind: 'demand'; readonly pending: boolean }
  /** A transaction waits longer than the network's bound although blocks may be committed: censorship, or overload.
   * Said again, at least once a `primarySilenceMs`, for as long as it is so. */
  | { readonly kind: 'overdue' }
  /** This replica is about to stop: if it is the primary, it gives the view up, so that nobody has to wait for a timer. */
  | { readonly kind: 'handOver' }
  | { readonly kind: 'timer'; readonly timer: TimerId };

/** What a replica says; the driver signs it, sends it, and gives it back as a `message` event from self. */
export type Statement =
  | { readonly kind: 'prePrepare'; readonly view: View; readonly block: BlockRef }
  | {
      readonly kind: 'prepare' | 'commit';
      readonly view: View;
      readonly height: Height;
      readonly digest: Digest;
    }
  | { readonly kind: 'checkpoint'; readonly height: Height; readonly digest: Digest }
  | { readonly kind: 'viewChange'; readonly body: ViewChange }
  | NewViewStatement;

/** Start of a view by its primary. */
export interface NewViewStatement {
  readonly kind: 'newView';
  readonly view: View;
  /** Of exactly a quorum, in ascending order of sender. */
  readonly viewChanges: readonly SignedViewChange[];
  /** Blocks to propose again, in order of height; the driver signs a PRE_PREPARE statement for each. */
  readonly reproposals: readonly { readonly height: Height; readonly digest: Digest }[];
}

/** A signed message as it goes over the wire. */
export type OutboundMessage = PrePrepare | Prepare | Commit | Checkpoint | SignedViewChange | SignedNewView;

/** What must be on disk before a statement leaves, and what a restart reads. Values are replaced by later ones of the
 * same `kind` (and height). `epoch` is that of the validator set: views start over with each. */
export type LogRecord =
  /** Highest view entered or asked for. `changing`: a view-change for it was sent, so no vote in a lower view. */
  | { readonly kind: 'view'; readonly epoch: number; readonly view: View; readonly changing: boolean }
  /** The highest vote per height and phase. */
  | {
      readonly kind: 'vote';
      readonly phase: 'prePrepare' | 'prepare' | 'commit';
      readonly view: View;
      readonly height: Height;
      readonly digest: Digest;
    }
  /** A block voted for; the driver stores its bodies with it. */
  | { readonly kind: 'block'; readonly block: BlockRef }
  /** The prepared certificate of the highest view per height. */
  | { readonly kind: 'prepared'; readonly height: Height; readonly certificate: PreparedCertificate }
  /** Proof that the current view started. */
  | { readonly kind: 'newView'; readonly epoch: number; readonly message: SignedNewView }
  /** What this replica is about to sign as primary of a view that starts: after a restart it says exactly this again. */
  | { readonly kind: 'newViewDraft'; readonly epoch: number; readonly statement: NewViewStatement }
  /** The log may lack what was signed: from then on nothing is said, until that can contradict nothing any more. */
  | { readonly kind: 'abstention'; readonly active: boolean };

/**
 * What the driver does. Order: effects of one step in order, steps in order. A `cast`, `send` or `commit` never
 * overtakes a `persist` emitted before it: it waits until that is synced. Everything else happens at once.
 */
export type ConsensusEffect =
  | { readonly kind: 'persist'; readonly records: readonly LogRecord[] }
  /** Sign, send to all other validators, and give back as a message from self. */
  | { readonly kind: 'cast'; readonly statement: Statement }
  /** Send (again) what is already signed, own or another's. */
  | { readonly kind: 'send'; readonly to: ValidatorIndex | 'all'; readonly message: OutboundMessage }
  | { readonly kind: 'setTimer'; readonly timer: TimerId; readonly delayMs: number }
  | { readonly kind: 'cancelTimer'; readonly timer: TimerId }
  /** Standing order to build one block on this parent as soon as there are transactions; replaces the one before. */
  | {
      readonly kind: 'build';
      readonly view: View;
      readonly height: Height;
      readonly parent: Digest;
      readonly parentTimeMs: number;
    }
  | { readonly kind: 'stopBuilding' }
  /** Get the bodies (mempool, else from `source`, else from others), execute on the parent's state, compare. With
   * `fresh`, judge the time bound as well. Answered by `executed`. */
  | {
      readonly kind: 'execute';
      readonly block: BlockRef;
      readonly source: ValidatorIndex;
      readonly fresh: boolean;
    }
  /** Store block, certificate, state and indexes in one synced batch, heights in order. Answered by `committed`. */
  | { readonly kind: 'commit'; readonly block: BlockRef; readonly certificate: CommitCertificate }
  /** Overlays and bodies of these blocks are no longer needed. */
  | { readonly kind: 'discard'; readonly digests: readonly Digest[] }
  /** Catch up from peers that reported these heights. Answered by `certified` … `syncEnded`. */
  | {
      readonly kind: 'sync';
      readonly from: Height;
      readonly target: Height;
      readonly peers: readonly ValidatorIndex[];
    }
  | { readonly kind: 'evidence'; readonly evidence: Evidence }
  /** Stop voting and executing for good: safety is at stake. */
  | { readonly kind: 'halt'; readonly reason: string }
  /** For logs and metrics only. */
  | { readonly kind: 'notice'; readonly notice: Notice };

export type Notice =
  | { readonly kind: 'viewStarted'; readonly view: View; readonly primary: ValidatorIndex }
  | { readonly kind: 'viewChangeStarted'; readonly view: View; readonly cause: string }
  | { readonly kind: 'prepared' | 'preprepared'; readonly height: Height; readonly view: View }
  | { readonly kind: 'checkpointStable'; readonly height: Height }
  /** This replica falls silent: its folder is older than what it has signed, or it has seen a signature of its own that
   * is not in its log. `endless`: the others commit nothing without it, so that the silence does not end by itself. */
  | {
      readonly kind: 'abstaining';
      readonly why: 'outdated' | 'ownSignature';
      readonly endless?: true;
    }
  | { readonly kind: 'abstentionEnded'; readonly height: Height }
  /** Another validator set decides from this height on. */
  | { readonly kind: 'epochStarted'; readonly epoch: number; readonly height: Height }
  /** A message was dropped: `reason` is from a small closed set (it is a metric label). */
  | {
      readonly kind: 'ignored';
      readonly message: string;
      readonly reason: string;
      readonly from: ValidatorIndex;
    };

/** What a restart knows. */
export interface RestoredState {
  readonly committed: {
    readonly height: Height;
    readonly digest: Digest;
    readonly timeMs: number;
    /** Absent at height 0. */
    readonly certificate?: CommitCertificate;
  };
  readonly log: readonly LogRecord[];
  /** The folder is known to be older than what this replica has signed. */
  readonly outdated?: boolean;
}
