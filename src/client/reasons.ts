/**
 * The catalogue of reasons: what a node may answer instead of a result. The names are stable and go over the wire in
 * google.rpc.ErrorInfo (domain "quaestor") and in RefusedTransaction. docs/errors.md explains each, and a test holds
 * the two together.
 */
import { status } from '@grpc/grpc-js';

/** Domain of every ErrorInfo. */
export const errorDomain = 'quaestor';

interface ReasonInfo {
  /** Canonical gRPC status code. */
  readonly code: status;
  /**
   * What a caller may do with the same request. `never`: it will fail again. `later`: after a pause, anywhere.
   * `elsewhere`: at once at another validator. `unknown`: the outcome is not known; sending the same envelope again is
   * safe and tells it.
   */
  readonly retry: 'never' | 'later' | 'elsewhere' | 'unknown';
  /** One sentence for docs/errors.md. */
  readonly meaning: string;
}

const refusals = {
  ENVELOPE_MALFORMED: {
    code: status.INVALID_ARGUMENT,
    retry: 'never',
    meaning:
      'The bytes are not a canonical envelope and payload, or a field is outside its bounds (amount, id, count).',
  },
  ENVELOPE_TOO_LARGE: {
    code: status.INVALID_ARGUMENT,
    retry: 'never',
    meaning: 'The envelope or its payload is larger than the protocol allows.',
  },
  SIGNATURE_INVALID: {
    code: status.INVALID_ARGUMENT,
    retry: 'never',
    meaning: 'A signature does not hold; the usual causes are another chain id or a changed payload.',
  },
  SENDER_MISMATCH: {
    code: status.PERMISSION_DENIED,
    retry: 'never',
    meaning: 'The sender of the payload is not the member that the client certificate names.',
  },
  UNKNOWN_SENDER: {
    code: status.FAILED_PRECONDITION,
    retry: 'never',
    meaning: 'The sender is not a member of this network.',
  },
  SENDER_NOT_AUTHORIZED: {
    code: status.PERMISSION_DENIED,
    retry: 'never',
    meaning: "The signatures do not satisfy the sender's key policy, so the sender can't be charged with it.",
  },
  ACCOUNT_NOT_AUTHORIZED: {
    code: status.PERMISSION_DENIED,
    retry: 'never',
    meaning: 'The signatures do not satisfy the key policy of an account that pays.',
  },
  PARTY_NOT_AUTHORIZED: {
    code: status.PERMISSION_DENIED,
    retry: 'never',
    meaning: 'The signatures do not satisfy the key policy of a party of an exchange.',
  },
  NEW_POLICY_NOT_SATISFIED: {
    code: status.PERMISSION_DENIED,
    retry: 'never',
    meaning: 'The signatures do not satisfy the key policy that is to be installed.',
  },
  VALIDATOR_NOT_AUTHORIZED: {
    code: status.PERMISSION_DENIED,
    retry: 'never',
    meaning: 'The key in force of the validator that the transaction speaks for has not signed it.',
  },
  RULES_NOT_ACTIVE: {
    code: status.FAILED_PRECONDITION,
    retry: 'never',
    meaning:
      "An operation is of a later version of the ledger's rules than the one in force. The validators decide on versions (docs/governance.md).",
  },
  EXPIRED: {
    code: status.FAILED_PRECONDITION,
    retry: 'never',
    meaning: 'The chain is past valid_until_height: the transaction can never be executed. Build a new one.',
  },
  VALIDITY_TOO_LONG: {
    code: status.FAILED_PRECONDITION,
    retry: 'never',
    meaning: 'valid_until_height is further ahead than the validity window of the network allows.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    code: status.ALREADY_EXISTS,
    retry: 'never',
    meaning: 'Another transaction of the sender with the same idempotency key was executed.',
  },
  IDEMPOTENCY_KEY_PENDING: {
    code: status.ABORTED,
    retry: 'later',
    meaning:
      'Another transaction of the sender with the same idempotency key is pending: which of the two is executed is open until one of them is final.',
  },
  OUTCOME_NOT_RETAINED: {
    code: status.OUT_OF_RANGE,
    retry: 'elsewhere',
    meaning:
      'The transaction can no longer be executed, and may have been in a block that this node does not keep: it began with a copy of a later state, or prunes. A validator with older blocks tells.',
  },
  QUOTA_EXCEEDED: {
    code: status.RESOURCE_EXHAUSTED,
    retry: 'later',
    meaning: 'The member has as many transactions pending as it may; wait for some of them to become final.',
  },
  OVERLOADED: {
    code: status.RESOURCE_EXHAUSTED,
    retry: 'later',
    meaning: 'The node has no room for more transactions; try again after a pause.',
  },
  NOT_READY: {
    code: status.UNAVAILABLE,
    retry: 'elsewhere',
    meaning: 'The node is starting, catching up or stopping; another validator can take the request.',
  },
} as const satisfies Record<string, ReasonInfo>;

const failures = {
  NO_QUORUM: {
    code: status.DEADLINE_EXCEEDED,
    retry: 'unknown',
    meaning:
      'The deadline passed while fewer validators than a quorum were reachable. The transaction may still commit once they are back.',
  },
  OUTCOME_UNKNOWN: {
    code: status.DEADLINE_EXCEEDED,
    retry: 'unknown',
    meaning: 'The deadline passed before the transaction was final. It may still commit.',
  },
  SHUTTING_DOWN: {
    code: status.UNAVAILABLE,
    retry: 'unknown',
    meaning: 'The node stops. What was submitted may still commit; another validator tells.',
  },
  MALFORMED_REQUEST: {
    code: status.INVALID_ARGUMENT,
    retry: 'never',
    meaning: 'The request is not a valid message of its type.',
  },
  INVALID_FIELD: {
    code: status.INVALID_ARGUMENT,
    retry: 'never',
    meaning: 'A field of the request is missing or outside its bounds; the metadata names it.',
  },
  PAGE_TOKEN_INVALID: {
    code: status.INVALID_ARGUMENT,
    retry: 'never',
    meaning: 'The page token is damaged, or belongs to a request with other arguments.',
  },
  CERTIFICATE_UNKNOWN: {
    code: status.UNAUTHENTICATED,
    retry: 'never',
    meaning: 'The client certificate names no identity of this network.',
  },
  ROLE_NOT_ALLOWED: {
    code: status.PERMISSION_DENIED,
    retry: 'never',
    meaning: 'The identity in the client certificate may not call this method.',
  },
  TRANSACTION_NOT_FOUND: {
    code: status.NOT_FOUND,
    retry: 'later',
    meaning: 'No final transaction of this id is known here. It may be pending.',
  },
  BLOCK_NOT_FOUND: {
    code: status.NOT_FOUND,
    retry: 'later',
    meaning: 'The block does not exist yet on this node.',
  },
  ACCOUNT_NOT_FOUND: {
    code: status.NOT_FOUND,
    retry: 'later',
    meaning: 'The account does not exist at the height that was read.',
  },
  HEIGHT_NOT_REACHED: {
    code: status.OUT_OF_RANGE,
    retry: 'later',
    meaning: 'The height is above the latest committed one of this node.',
  },
  HEIGHT_NOT_RETAINED: {
    code: status.OUT_OF_RANGE,
    retry: 'elsewhere',
    meaning: 'The node no longer keeps the state or block of that height.',
  },
  PRUNE_FAILED: {
    code: status.UNAVAILABLE,
    retry: 'later',
    meaning:
      'Old blocks could not be sealed or pruned, for the reason in the message, such as object storage that is down. Nothing is lost.',
  },
  BACKUP_FAILED: {
    code: status.UNAVAILABLE,
    retry: 'later',
    meaning:
      'A backup could not be taken, for the reason in the message, such as storage that is down or full. Those that there are stay as they are.',
  },
  NOT_PRIMARY: {
    code: status.FAILED_PRECONDITION,
    retry: 'never',
    meaning: 'An operator asked a node to hand over that is not the primary.',
  },
  RATE_LIMITED: {
    code: status.RESOURCE_EXHAUSTED,
    retry: 'later',
    meaning:
      'The identity, or this connection of it, sends more in a second than it may. Nothing was done; the retry hint says when to try again.',
  },
  TOO_MANY_CALLS: {
    code: status.RESOURCE_EXHAUSTED,
    retry: 'later',
    meaning: 'The identity, or this connection of it, has as many calls open as it may. Nothing was done.',
  },
  BUSY: {
    code: status.RESOURCE_EXHAUSTED,
    retry: 'later',
    meaning:
      'The node has more to do than it can: it takes care of consensus first. Nothing was done; the retry hint says when to try again.',
  },
  TOO_MANY_STREAMS: {
    code: status.RESOURCE_EXHAUSTED,
    retry: 'later',
    meaning: 'The identity has as many streams open as it may.',
  },
  INTERNAL: {
    code: status.INTERNAL,
    retry: 'elsewhere',
    meaning: 'A defect of the node; its log has the details under the error id in the metadata.',
  },
} as const satisfies Record<string, ReasonInfo>;

/** Why a transaction was refused: it was not, and will not be, executed by this submission. */
export type RefusalReason = keyof typeof refusals;
/** Any reason. */
export type Reason = RefusalReason | keyof typeof failures;

/** The catalogue by name. */
export const reasons: Readonly<Record<Reason, ReasonInfo>> = { ...refusals, ...failures };

/** Whether a name is a reason of a refused transaction. */
export function isRefusalReason(name: string): name is RefusalReason {
  return Object.hasOwn(refusals, name);
}

/** Whether a name is in the catalogue. */
export function isReason(name: string): name is Reason {
  return Object.hasOwn(reasons, name);
}
