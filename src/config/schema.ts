import { z } from 'zod';
import { parseDuration, parseSize, formatDuration, formatSize } from './units.js';
import type { ConfigDocument } from './document.js';
import { renderFound } from './problems.js';
import type { ConfigProblem } from './problems.js';
import { didYouMean } from './suggest.js';

/**
 * Building blocks of the schemas. The message of every issue is what was *expected*, in words; `problemsOf` adds what
 * was found and where.
 */
export const field = {
  mapping: <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
    z.strictObject(shape, { error: 'a mapping of fields' }),

  list: <Item extends z.ZodType>(item: Item, min: number, max: number) => {
    const error = max === Infinity ? 'a list' : `a list of ${min} to ${max} items`;
    const list = z.array(item, { error });
    return max === Infinity ? list : list.min(min, { error }).max(max, { error });
  },

  text: (pattern: RegExp, expected: string) =>
    z.string({ error: expected }).regex(pattern, { error: expected }),

  integer: (min: number, max: number) => {
    const error = `a whole number from ${min} to ${max}`;
    return z.int({ error }).min(min, { error }).max(max, { error });
  },

  truth: () => z.boolean({ error: 'true or false' }),

  oneOf: <const Values extends readonly [string, ...string[]]>(values: Values) =>
    z.enum(values, { error: `one of ${values.join(', ')}` }),

  /** Milliseconds, written with a unit. */
  duration: (minMs: number, maxMs: number) =>
    quantity(
      parseDuration,
      minMs,
      maxMs,
      `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as "500ms" or "2s"`,
    ),

  /** Bytes, written with a unit. */
  size: (minBytes: number, maxBytes: number) =>
    quantity(
      parseSize,
      minBytes,
      maxBytes,
      `a size from ${formatSize(minBytes)} to ${formatSize(maxBytes)}, such as "64MiB"`,
    ),

  /** A text that `parse` understands; undefined is a refusal. */
  parsed: <Value>(parse: (text: string) => Value | undefined, expected: string) =>
    z.string({ error: expected }).transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    }),
};

function quantity(parse: (text: string) => number | undefined, min: number, max: number, expected: string) {
  return field.parsed((text) => {
    const value = parse(text);
    return value !== undefined && value >= min && value <= max ? value : undefined;
  }, expected);
}

/** What a schema finds wrong with a document's data, every problem with its place. */
export function problemsOf(
  schema: z.ZodType,
  issues: readonly z.core.$ZodIssue[],
  document: ConfigDocument,
  data: unknown,
): ConfigProblem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const known = keysOf(schemaAt(schema, issue.path));
      return issue.keys.map((key) =>
        document.problemAt(
          [...issue.path, key],
          `This field is not known here.${didYouMean(key, known) || ` Expected one of ${known.join(', ')}.`}`,
          'key',
        ),
      );
    }
    const found = valueAt(data, issue.path);
    const hint = typeof found === 'string' ? didYouMean(found, choicesOf(schemaAt(schema, issue.path))) : '';
    return [document.problemAt(issue.path, `Found ${renderFound(found)}; expected ${issue.message}.${hint}`)];
  });
}

/** The value at a path of plain data, or undefined. */
export function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = data;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return value;
}

/** Paths of all fields of a schema that hold one value (no list), with the kind of the value. */
export function scalarsOf(
  schema: z.core.$ZodType,
  path: readonly string[] = [],
): { readonly path: readonly string[]; readonly kind: 'number' | 'boolean' | 'text' }[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape as Record<string, z.core.$ZodType>).flatMap(([key, value]) =>
      scalarsOf(value, [...path, key]),
    );
  }
  if (inner instanceof z.ZodArray || inner instanceof z.ZodRecord) return [];
  const kind = inner instanceof z.ZodNumber ? 'number' : inner instanceof z.ZodBoolean ? 'boolean' : 'text';
  return [{ path, kind }];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.def.innerType);
  }
  return schema instanceof z.ZodPipe ? unwrap(schema.def.in) : schema;
}

function schemaAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  let current: z.core.$ZodType | undefined = schema;
  for (const part of path) {
    const inner: z.core.$ZodType = unwrap(current);
    if (inner instanceof z.ZodObject) {
      current = (inner.shape as Record<PropertyKey, z.core.$ZodType | undefined>)[part];
    } else if (inner instanceof z.ZodArray) {
      current = inner.element;
    } else if (inner instanceof z.ZodRecord) {
      current = inner.valueType;
    } else {
      return undefined;
    }
    if (current === undefined) return undefined;
  }
  return unwrap(current);
}

function keysOf(schema: z.core.$ZodType | undefined): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function choicesOf(schema: z.core.$ZodType | undefined): string[] {
  return schema instanceof z.ZodEnum ? schema.options.map(String) : [];
}
