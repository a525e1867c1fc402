import type { FileProblem, PaymentPlace, PaymentProblem, RejectedPayment } from './types.js';

/** "payment 17 (PmtInf 2, line 431)". */
export function describePlace(place: PaymentPlace): string {
  const block = place.block === undefined ? '' : `PmtInf ${place.block}, `;
  return `payment ${place.position} (${block}line ${place.line})`;
}

/** "payment 17 (PmtInf 2, line 431): Amt/InstdAmt: Found …", all problems of one place in one line. */
export function describeProblems(place: PaymentPlace, problems: readonly PaymentProblem[]): string {
  return `${describePlace(place)}: ${problems.map(describeProblem).join(' ')}`;
}

/** All problems of a rejected payment in one line. */
export function describeRejected(rejected: RejectedPayment): string {
  return describeProblems(rejected, rejected.problems);
}

/** "Amt/InstdAmt: Found …". */
export function describeProblem(problem: PaymentProblem): string {
  return `${problem.field}: ${problem.message}`;
}

/** "line 3: …". */
export function describeFileProblem(problem: FileProblem): string {
  return `line ${problem.line}: ${problem.message}`;
}
