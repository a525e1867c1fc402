/**
 * Largest number of faulty validators that n validators tolerate: ⌊(n - 1) / 3⌋ (Castro and Liskov, OSDI 1999, §2).
 */
export function faultyOf(validators: number): number {
  return Math.floor((validators - 1) / 3);
}

/**
 * Number of validators whose agreement decides: ⌈(n + f + 1) / 2⌉. Two quorums share at least f + 1 validators, hence a
 * correct one, for every n ≥ 1; and n - f validators, the correct ones, are enough for a quorum.
 */
export function quorumOf(validators: number): number {
  return Math.ceil((validators + faultyOf(validators) + 1) / 2);
}
