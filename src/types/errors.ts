/**
 * Base of the errors that a user or operator may see. `code` is stable and machine-readable (UPPER_SNAKE_CASE),
 * `message` is a sentence that says what was wrong, where, and what to do, `details` holds the dynamic values.
 */
export class QuaestorError extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, string>>;

  constructor(
    code: string,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** A broken invariant of this program: a defect, never caused by input. The node stops safely on it. */
export class DefectError extends QuaestorError {
  constructor(message: string, details: Readonly<Record<string, string>> = {}) {
    super('DEFECT', message, details);
  }
}

/** Throws a DefectError unless the condition holds. State the invariant in the message. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new DefectError(message);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new DefectError(`unreachable case: ${JSON.stringify(value)}`);
}
