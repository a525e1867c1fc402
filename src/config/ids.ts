import { isId } from '../codec/index.js';
import { field } from './schema.js';

const expected = {
  member: 'a member id: 1 to 64 characters of a-z, 0-9, ".", "_" and "-", starting with a letter or digit',
  validator: 'a validator id: 1 to 64 characters of a-z, 0-9, ".", "_" and "-"',
  account:
    'an account id: 1 to 64 characters of A-Z, a-z, 0-9, ".", "_", "-" and ":", starting with a letter or digit (an IBAN has no spaces)',
  asset: 'an asset id: 1 to 16 characters of A-Z, 0-9, ".", "_" and "-", starting with a letter or digit',
} as const;

const id = (kind: keyof typeof expected) =>
  field.parsed((text) => (isId(kind, text) ? text : undefined), expected[kind]);

/** Schemas of ids. */
export const ids = {
  member: () => id('member'),
  validator: () => id('validator'),
  account: () => id('account'),
  asset: () => id('asset'),
};
