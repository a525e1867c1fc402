import { QuaestorError } from '../types/index.js';

/**
 * What can be wrong with bytes (the set is closed):
 * - `TRUNCATED`: they end, or the surrounding field ends, before the value does;
 * - `UNKNOWN_FIELD`: a field number that the message does not have;
 * - `WRONG_TYPE`: a known field with another wire type than its own;
 * - `WRONG_ORDER`: a field twice, two of a oneof, one after another of a higher number, or items that are not in the order prescribed;
 * - `NOT_CANONICAL`: the same value has a shorter form (over-long varint, default value written out);
 * - `TOO_LARGE`: more bytes or items than `limits` allow;
 * - `BAD_VALUE`: a value outside its range or character set;
 * - `BAD_UTF8`: text that is not valid UTF-8;
 * - `MISSING_FIELD`: a field that must be there is not.
 */
export type CodecErrorCode =
  | 'TRUNCATED'
  | 'UNKNOWN_FIELD'
  | 'WRONG_TYPE'
  | 'WRONG_ORDER'
  | 'NOT_CANONICAL'
  | 'TOO_LARGE'
  | 'BAD_VALUE'
  | 'BAD_UTF8'
  | 'MISSING_FIELD';

/** Why bytes were refused, or why a value has no bytes. */
export class CodecError extends QuaestorError {
  declare readonly code: CodecErrorCode;
  /** Name of the message, for example "TransactionPayload". */
  readonly messageName: string;
  /** Where in the message, by the names of the .proto file, for example "operations[2].transfer.amount"; empty for
   * the message itself. */
  readonly path: string;
  /** Where in the bytes, from 0. */
  readonly offset: number;

  /** `problem` goes on after the place: "is missing", "has 31 bytes instead of 32". */
  constructor(code: CodecErrorCode, messageName: string, path: string, offset: number, problem: string) {
    super(code, `${messageName}${path === '' ? '' : `.${path}`} (at byte ${offset.toString()}) ${problem}.`, {
      message: messageName,
      path,
      offset: offset.toString(),
    });
    this.messageName = messageName;
    this.path = path;
    this.offset = offset;
  }
}
