import { QuaestorError } from '../types/index.js';

/** One thing that is wrong with a file or a variable. */
export interface ConfigProblem {
  /** The file as it was named by the caller. */
  readonly file: string;
  /** Line and column, from 1; absent when the file could not be read or the value came from a variable. */
  readonly line?: number;
  readonly column?: number;
  /** The environment variable that gave the value. */
  readonly variable?: string;
  /** Path of the field, for example "peers[1].address"; empty for the file as a whole. */
  readonly field: string;
  /** Sentences: what was found, what was expected. */
  readonly message: string;
}

/** A file that cannot be used, with everything that is wrong with it. */
export class ConfigError extends QuaestorError {
  readonly problems: readonly ConfigProblem[];

  constructor(code: 'CONFIG_UNREADABLE' | 'CONFIG_INVALID', problems: readonly ConfigProblem[]) {
    super(code, problems.map(renderProblem).join('\n'), {
      file: problems[0]?.file ?? '',
      problems: String(problems.length),
    });
    this.problems = problems;
  }
}

/** One line: "validator.yaml:12:3: storage.engine: Found …; expected …." */
export function renderProblem(problem: ConfigProblem): string {
  const place =
    problem.variable !== undefined
      ? `environment variable ${problem.variable}`
      : problem.line === undefined
        ? problem.file
        : `${problem.file}:${problem.line}:${problem.column ?? 1}`;
  return `${place}: ${problem.field === '' ? '' : `${problem.field}: `}${problem.message}`;
}

/** Text of a field's path: ["peers", 1, "address"] is "peers[1].address". */
export function renderPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    text += typeof part === 'number' ? `[${part}]` : text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}

/** A value as an operator recognises it in the file, short. */
export function renderFound(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
    case 'number':
    case 'boolean':
    case 'bigint':
      return `the ${typeof value === 'boolean' ? 'truth value' : 'number'} ${String(value)}`;
    default:
      return 'a mapping';
  }
}
