import type { z } from 'zod';
import { scalarsOf, valueAt } from './schema.js';
import { didYouMean } from './suggest.js';

/** Environment variables by name, as in process.env. */
export type Environment = Readonly<Record<string, string | undefined>>;

const prefix = 'QUAESTOR_';

/** Variables with the prefix that are not ours: Kubernetes sets them for services of these names. */
const kubernetesService = /_SERVICE_(HOST|PORT)(_|$)|_PORT(_\d+_(TCP|UDP|SCTP)(_|$)|$)/;

export interface Overrides {
  /** The data with the values of the variables put in. */
  readonly data: unknown;
  /** The variable that gave the value, by the field's path with dots. */
  readonly variables: ReadonlyMap<string, string>;
  /** Sentences about variables that look like ours but name no field. */
  readonly warnings: readonly string[];
}

/** The variable of a field: "consensus.viewTimeout" is QUAESTOR_CONSENSUS_VIEW_TIMEOUT. */
export function variableOf(path: readonly string[]): string {
  const words = path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`));
  return prefix + words.join('_').toUpperCase();
}

/**
 * Puts the values of QUAESTOR_* variables in place of those of the file, one for each field that is no list. They are
 * validated like the file's. An empty variable counts as not set.
 */
export function applyEnvironment(schema: z.ZodType, data: unknown, environment: Environment): Overrides {
  const result: unknown = structuredClone(data);
  const fields = scalarsOf(schema).map((scalar) => ({ ...scalar, variable: variableOf(scalar.path) }));
  const known = new Set(fields.map((scalar) => scalar.variable));
  const variables = new Map<string, string>();
  for (const { path, kind, variable } of fields) {
    const text = environment[variable];
    if (text === undefined || text === '') continue;
    if (setAt(result, path, typed(text, kind))) variables.set(path.join('.'), variable);
  }
  const warnings = Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.has(name) && !kubernetesService.test(name))
    .sort()
    .map((name) => `The environment variable ${name} names no setting.${didYouMean(name, [...known])}`);
  return { data: result, variables, warnings };
}

/** A text as YAML would read it where the field wants no text; what does not fit is left for the schema to refuse. */
function typed(text: string, kind: 'number' | 'boolean' | 'text'): unknown {
  if (kind === 'number' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (kind === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

/** Sets a value; false when something that is no mapping stands in the way (which the schema reports). */
function setAt(data: unknown, path: readonly string[], value: unknown): boolean {
  const parents = path.slice(0, -1);
  const last = path.at(-1);
  let target: unknown = data;
  for (const part of parents) {
    if (!isRecord(target)) return false;
    if (valueAt(target, [part]) === undefined || target[part] === null) target[part] = {};
    target = target[part];
  }
  if (!isRecord(target) || last === undefined) return false;
  target[last] = value;
  return true;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
