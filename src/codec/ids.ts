/**
 * Character sets of ids, as the .proto files document them.
 */
import { limits } from '../types/index.js';

/** What an id may look like. */
export interface IdRule {
  readonly maxLength: number;
  /** By byte: 0 not allowed, 1 allowed but not as the first character, 2 allowed everywhere. */
  readonly classes: Uint8Array;
  /** For error messages. */
  readonly description: string;
}

const lower = 'abcdefghijklmnopqrstuvwxyz';
const upper = lower.toUpperCase();
const digits = '0123456789';

function rule(maxLength: number, anywhere: string, notFirst: string, description: string): IdRule {
  const classes = new Uint8Array(256);
  for (const character of notFirst) classes[character.charCodeAt(0)] = 1;
  for (const character of anywhere) classes[character.charCodeAt(0)] = 2;
  return { maxLength, classes, description: `1 to ${maxLength} characters of ${description}` };
}

/** Rules by kind of id. */
export const idRules = {
  member: rule(
    limits.maxIdLength,
    lower + digits,
    '._-',
    "a-z, 0-9, '.', '_' and '-', the first a letter or digit",
  ),
  validator: rule(limits.maxIdLength, `${lower}${digits}._-`, '', "a-z, 0-9, '.', '_' and '-'"),
  account: rule(
    limits.maxIdLength,
    lower + upper + digits,
    '._-:',
    "A-Z, a-z, 0-9, '.', '_', '-' and ':', the first a letter or digit",
  ),
  asset: rule(
    limits.maxAssetIdLength,
    upper + digits,
    '._-',
    "A-Z, 0-9, '.', '_' and '-', the first a letter or digit",
  ),
  hold: rule(
    limits.maxHoldIdLength,
    lower + upper + digits,
    '._-:',
    "A-Z, a-z, 0-9, '.', '_', '-' and ':', the first a letter or digit",
  ),
} as const;

/** Whether a text is an id of that kind: the rule that readers apply, for forms and command lines. */
export function isId(kind: keyof typeof idRules, text: string): boolean {
  const { maxLength, classes } = idRules[kind];
  if (text.length === 0 || text.length > maxLength) return false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    const allowed = unit < 256 ? (classes[unit] ?? 0) : 0;
    if (allowed === 0 || (index === 0 && allowed === 1)) return false;
  }
  return true;
}

/** Whether a text is an address that a validator can be reached at: "host:port" or "[ipv6]:port", port 1 to 65535. */
export function isPeerAddress(text: string): boolean {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))):([1-9]\d{0,4})$/.exec(
    text,
  );
  if (match === null || Number(match[3]) > 65_535) return false;
  return match[1] === undefined || match[1].includes(':');
}
