/**
 * Errors as the api answers them: a canonical gRPC status code with one google.rpc.ErrorInfo (domain "quaestor") in
 * the trailer "grpc-status-details-bin", and a google.rpc.RetryInfo when the node has too much to do. The catalogue of reasons is shared with the SDK.
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { errorDomain, reasons, type Reason } from '../client/reasons.js';
import { encodeRpcStatus, statusDetailsKey } from '../client/rpc-status.js';
import { QuaestorError } from '../types/index.js';

export {
  errorDomain,
  isReason,
  isRefusalReason,
  reasons,
  type Reason,
  type RefusalReason,
} from '../client/reasons.js';

/** An answer other than a result. Thrown by handlers; the wrapper turns it into the call's status. */
export class ApiError extends QuaestorError {
  readonly reason: Reason;
  /** When to try again: the google.rpc.RetryInfo of the answer. */
  readonly retryDelayMs: number | undefined;

  /** `message` goes to the client: a sentence without internals. `details` become the metadata of the ErrorInfo. */
  constructor(
    reason: Reason,
    message: string,
    details: Readonly<Record<string, string>> = {},
    retryDelayMs?: number,
  ) {
    super(reason, message, details);
    this.reason = reason;
    this.retryDelayMs = retryDelayMs;
  }
}

/** A field of a request that is missing or outside its bounds. */
export function invalidField(field: string, message: string): ApiError {
  return new ApiError('INVALID_FIELD', `${field}: ${message}`, { field });
}

/** The status of a call that ends with this error. */
export function statusOf(error: ApiError): StatusObject {
  const { code } = reasons[error.reason];
  const metadata = new Metadata();
  const info = { reason: error.reason, domain: errorDomain, metadata: error.details };
  metadata.set(statusDetailsKey, Buffer.from(encodeRpcStatus(code, error.message, info, error.retryDelayMs)));
  return { code, details: error.message, metadata };
}
