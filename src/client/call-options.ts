/** Options that every call of the SDK takes. */
export interface CallOptions {
  readonly timeoutMs?: number;
  /** Ends the call by rejecting with its reason. A transaction may become final nevertheless. */
  readonly signal?: AbortSignal;
}
