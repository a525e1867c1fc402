/**
 * Tables of fields: what reader and writer are told about a message of proto/quaestor. A test holds every table
 * against the .proto files.
 */

/** Scalar types that the canonical messages use; anything else is the name of an enum or a message. */
export type ScalarType = 'uint32' | 'uint64' | 'string' | 'bytes';

/** One field of a message. */
export interface Field {
  readonly number: number;
  /** Name in the .proto file. */
  readonly name: string;
  /** Scalar type, or full name of the enum or message. */
  readonly type: string;
  /** Exactly one; `packed` are the repeated enums. */
  readonly label: 'singular' | 'optional' | 'oneof' | 'repeated' | 'packed';
  /** What is before each value on the wire, as a varint: number and wire type. Below 2^14: one byte or two. */
  readonly tag: number;
  /** Full name of the message that it belongs to. */
  readonly message: string;
}

/** All fields of one message, by their names in the model. */
export type Schema<Names extends string = string> = {
  readonly [Name in Names]: Field;
};

type Declaration = Omit<Field, 'name' | 'message'>;

const declare = (number: number, wireType: 0 | 2, type: string, label: Field['label']): Declaration => ({
  number,
  type,
  label,
  tag: (number << 3) | wireType,
});

/** Declarations of fields by type; the argument is the number. */
export const uint32 = (number: number): Declaration => declare(number, 0, 'uint32', 'singular');
export const uint64 = (number: number): Declaration => declare(number, 0, 'uint64', 'singular');
export const string = (number: number): Declaration => declare(number, 2, 'string', 'singular');
export const bytes = (number: number): Declaration => declare(number, 2, 'bytes', 'singular');
export const optionalBytes = (number: number): Declaration => declare(number, 2, 'bytes', 'optional');
export const repeatedBytes = (number: number): Declaration => declare(number, 2, 'bytes', 'repeated');
export const enumeration = (number: number, type: string): Declaration =>
  declare(number, 0, type, 'singular');
export const packedEnum = (number: number, type: string): Declaration => declare(number, 2, type, 'packed');
export const message = (number: number, type: string): Declaration => declare(number, 2, type, 'singular');
export const oneof = (number: number, type: string): Declaration => declare(number, 2, type, 'oneof');
export const repeated = (number: number, type: string): Declaration => declare(number, 2, type, 'repeated');

/** Every table by the full name of its message: for the test against the .proto files. */
export const schemas = new Map<string, Schema>();

/** Makes the table of a message. The keys are the model's names, in ascending order of number. */
export function schema<Names extends string>(
  fullName: string,
  declarations: Readonly<Record<Names, Declaration>>,
): Schema<Names> {
  const table = Object.fromEntries(
    Object.entries<Declaration>(declarations).map(([name, declaration]): [string, Field] => [
      name,
      {
        name: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        ...declaration,
        message: fullName,
      },
    ]),
  ) as Schema<Names>;
  schemas.set(fullName, table);
  return table;
}
