import { field } from './schema.js';

/** The forms of ids and names of proto/quaestor/ledger/v1. */
export const idPatterns = {
  member: /^[a-z0-9][a-z0-9._-]{0,63}$/,
  validator: /^[a-z0-9._-]{1,64}$/,
  account: /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/,
  asset: /^[A-Z0-9][A-Z0-9._-]{0,15}$/,
} as const;

const texts = {
  member: 'a member id: 1 to 64 characters of a-z, 0-9, ".", "_" and "-", starting with a letter or digit',
  validator: 'a validator id: 1 to 64 characters of a-z, 0-9, ".", "_" and "-"',
  account:
    'an account id: 1 to 64 characters of A-Z, a-z, 0-9, ".", "_", "-" and ":", starting with a letter or digit (an IBAN has no spaces)',
  asset: 'an asset id: 1 to 16 characters of A-Z, 0-9, ".", "_" and "-", starting with a letter or digit',
} as const;

/** Schemas of ids. */
export const ids = {
  member: () => field.text(idPatterns.member, texts.member),
  validator: () => field.text(idPatterns.validator, texts.validator),
  account: () => field.text(idPatterns.account, texts.account),
  asset: () => field.text(idPatterns.asset, texts.asset),
};
