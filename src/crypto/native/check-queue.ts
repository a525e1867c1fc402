import type { PendingCheck } from './pending-check.js';

/** First in, first out, in two lanes: what consensus waits for is taken first. Nothing is refused here: callers bound
 * what they ask for. */
export class CheckQueue {
  #urgent: PendingCheck[] = [];
  #patient: PendingCheck[] = [];
  /** Where the patient lane begins: what is before was taken. */
  #start = 0;
  #patientLeft = 0;

  /** Checks that wait. */
  get length(): number {
    return this.#urgent.length + this.#patientLeft;
  }

  /** Those that consensus waits for. */
  get urgent(): number {
    return this.#urgent.length;
  }

  push(check: PendingCheck): void {
    if (check.urgent) this.#urgent.push(check);
    else {
      this.#patient.push(check);
      this.#patientLeft++;
    }
  }

  /** Consensus waits for this check too. */
  promote(check: PendingCheck): void {
    if (check.urgent || check.taken) return;
    check.urgent = true;
    this.#patientLeft--;
    this.#urgent.push(check);
  }

  /** Takes the first checks, at most so many. */
  take(most: number): readonly PendingCheck[] {
    const taken = this.#urgent.splice(0, Math.min(most, this.#urgent.length));
    while (taken.length < most && this.#start < this.#patient.length) {
      const check = this.#patient[this.#start++];
      if (check === undefined || check.urgent) continue;
      this.#patientLeft--;
      taken.push(check);
    }
    // Moves what is left rarely, so that taking stays cheap however much waits.
    if (this.#start > 1024 && this.#start * 2 > this.#patient.length) {
      this.#patient = this.#patient.slice(this.#start);
      this.#start = 0;
    } else if (this.#start === this.#patient.length) {
      this.#patient = [];
      this.#start = 0;
    }
    for (const check of taken) check.taken = true;
    return taken;
  }

  /** Puts checks back that were taken: they are taken next. */
  putBack(checks: readonly PendingCheck[]): void {
    for (const check of checks) {
      check.taken = false;
      check.urgent = true;
    }
    this.#urgent = [...checks, ...this.#urgent];
  }
}
