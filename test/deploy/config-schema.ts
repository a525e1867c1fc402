/** The part of the chart's values schema that follows from the node's own: `config`. */
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { z } from 'zod';
import { nodeSchema } from '../../src/config/node-schema.js';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Fields that the chart fills in itself: nobody sets them in values. */
const managed: ReadonlySet<string> = new Set([
  'role',
  'validator',
  'dataDir',
  'network.genesis',
  'peers',
  'listen',
  'tls',
  'key',
]);

/**
 * Schema of the value `config`: the fields of the node's configuration that the chart leaves to its user, with the
 * descriptions of the commented example.
 *
 * @param example text of configs/validator.yaml
 */
export function configSchema(example: string): JsonSchema {
  const document = parseDocument(example);
  const comments = new Map<string, string>();
  if (isMap(document.contents)) collectComments(document.contents, [], comments);
  return {
    ...schemaOf(nodeSchema, [], comments),
    description:
      "Fields of the node's configuration (configs/validator.yaml explains each), but for those that the chart fills in.",
  };
}

function schemaOf(
  schema: z.core.$ZodType,
  path: readonly string[],
  comments: ReadonlyMap<string, string>,
): JsonSchema {
  const inner = unwrap(schema);
  const comment = comments.get(path.join('.'));
  const description = comment === undefined ? {} : { description: comment };
  if (inner instanceof z.ZodObject) {
    const shape = inner.shape as Record<string, z.core.$ZodType>;
    const fields = Object.entries(shape).filter(([name]) => !managed.has([...path, name].join('.')));
    const properties = Object.fromEntries(
      fields.map(([name, value]) => [name, schemaOf(value, [...path, name], comments)]),
    );
    return { ...description, type: 'object', additionalProperties: false, properties };
  }
  if (inner instanceof z.ZodEnum) return { ...description, type: 'string', enum: inner.options };
  if (inner instanceof z.ZodBoolean) return { ...description, type: 'boolean' };
  if (inner instanceof z.ZodNumber) {
    return {
      ...description,
      type: 'integer',
      minimum: inner.minValue ?? 0,
      maximum: inner.maxValue ?? Number.MAX_SAFE_INTEGER,
    };
  }
  if (inner instanceof z.ZodArray) {
    return { ...description, type: 'array', items: schemaOf(inner.element, [...path, '*'], comments) };
  }
  const pattern = patternOf(inner);
  return { ...description, type: 'string', ...(pattern === undefined ? {} : { pattern }) };
}

/** Of a quantity, the form that its unit demands; the node checks its bounds. */
function patternOf(schema: z.core.$ZodType): string | undefined {
  const refused = z.safeParse(schema, '').error?.issues[0]?.message ?? '';
  if (refused.startsWith('a duration')) return '^[0-9]{1,12}(ms|s|m|h|d)$';
  if (refused.startsWith('a size')) return '^[0-9]{1,12}(B|KiB|MiB|GiB)$';
  return undefined;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.def.innerType);
  }
  return schema;
}

function collectComments(map: YAMLMap, path: readonly string[], into: Map<string, string>): void {
  map.items.forEach(({ key, value }, index) => {
    if (!isScalar(key)) return;
    const place = [...path, String(key.value)];
    // The comment of a mapping's first field belongs to the mapping in the parser's view.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
    if (comment) into.set(place.join('.'), comment.replace(/\s+/g, ' ').trim());
    if (isMap(value)) collectComments(value, place, into);
  });
}
