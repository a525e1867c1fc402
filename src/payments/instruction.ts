import { isId } from '../codec/index.js';
import { parseAmount } from '../config/amount.js';
import { didYouMean } from '../config/suggest.js';
import { limits } from '../types/index.js';
import type { Amount } from '../types/index.js';
import { creditorReferenceProblem, ibanProblem, looksLikeIban } from './iban.js';
import { paymentIdempotencyKey } from './idempotency.js';
import { currencyCodes, currencyExponent } from './iso4217.js';
import type { PaymentOrError, PaymentPlace, PaymentProblem, PaymentProblemCode } from './types.js';

/** An account as it is written: an IBAN, another identification, or a text that may be either. */
export interface AccountText {
  readonly kind: 'iban' | 'other' | 'either';
  readonly text: string;
}

/** What a payment says, as read from a file: nothing is checked. */
export interface Instruction extends PaymentPlace {
  readonly messageId: string;
  readonly paymentInformationId: string;
  readonly endToEndId: string;
  readonly instructionId?: string | undefined;
  readonly uetr?: string | undefined;
  readonly debtor?: AccountText | undefined;
  readonly creditor?: AccountText | undefined;
  readonly debtorName?: string | undefined;
  readonly creditorName?: string | undefined;
  readonly creditorAgentBic?: string | undefined;
  readonly currency: string;
  readonly amount: string;
  /** Pieces of remittance information in order. */
  readonly remittance: readonly string[];
  /** Creditor references that claim to be ISO 11649. */
  readonly creditorReferences: readonly string[];
  readonly requestedDate?: string | undefined;
  /** Found by the reader already. */
  readonly problems: readonly PaymentProblem[];
  readonly warnings: readonly PaymentProblem[];
}

/** What the fields are called in the file's format. */
export type FieldNames = Readonly<
  Record<
    | 'endToEndId'
    | 'debtorAccount'
    | 'creditorAccount'
    | 'currency'
    | 'amount'
    | 'remittance'
    | 'requestedDate'
    | 'creditorAgentBic'
    | 'uetr',
    string
  >
>;

const utf8 = new TextEncoder();
/** ISO 20022: totalDigits of an amount. */
const maxAmountDigits = 18;

/** Checks payments one by one, and that no end-to-end id comes twice in a message. */
export class InstructionChecker {
  readonly #names: FieldNames;
  readonly #seen = new Map<string, number>();

  constructor(names: FieldNames) {
    this.#names = names;
  }

  check(instruction: Instruction): PaymentOrError {
    const names = this.#names;
    const problems = [...instruction.problems];
    const add = (code: PaymentProblemCode, field: string, message: string): void => {
      // What is missing was perhaps said already, by the structure.
      if (code === 'MISSING' && problems.some((problem) => problem.field === field)) return;
      problems.push({ code, field, message });
    };
    this.#checkEndToEndId(instruction, add);
    const debtorAccount = accountOf(instruction.debtor, names.debtorAccount, add);
    const creditorAccount = accountOf(instruction.creditor, names.creditorAccount, add);
    if (debtorAccount !== '' && debtorAccount === creditorAccount) {
      add('SAME_ACCOUNT', names.creditorAccount, 'Found the account that pays; expected another one.');
    }
    const exponent = exponentOf(instruction.currency, names.currency, add);
    const amountMinor = amountOf(instruction, exponent, names.amount, add);
    const remittance = remittanceOf(instruction, names.remittance, add);
    checkCodes(instruction, names, add);
    if (problems.length > 0 || exponent === undefined || amountMinor === undefined) {
      return { kind: 'rejected', rejected: { ...rejectedOf(instruction), problems } };
    }
    const { messageId, paymentInformationId, endToEndId } = instruction;
    return {
      kind: 'payment',
      payment: {
        position: instruction.position,
        line: instruction.line,
        ...given({ block: instruction.block }),
        messageId,
        paymentInformationId,
        endToEndId,
        ...given({
          instructionId: instruction.instructionId,
          uetr: instruction.uetr?.toLowerCase(),
          debtorName: instruction.debtorName,
          creditorName: instruction.creditorName,
          creditorAgentBic: instruction.creditorAgentBic,
          requestedDate: instruction.requestedDate,
        }),
        debtorAccount,
        creditorAccount,
        currency: instruction.currency,
        exponent,
        amountMinor,
        remittance,
        idempotencyKey: paymentIdempotencyKey(messageId, paymentInformationId, endToEndId),
        warnings: instruction.warnings,
      },
    };
  }

  #checkEndToEndId(instruction: Instruction, add: Add): void {
    const { endToEndId, messageId, position } = instruction;
    const field = this.#names.endToEndId;
    if (endToEndId === '') {
      add('MISSING', field, 'Found nothing; expected an id of this payment.');
      return;
    }
    if (endToEndId === 'NOTPROVIDED') {
      add(
        'ID_INVALID',
        field,
        'Found "NOTPROVIDED"; expected an id of this payment, which keeps it from being paid twice.',
      );
      return;
    }
    if (utf8Length(endToEndId) > limits.maxEndToEndIdBytes) {
      add('TOO_LONG', field, `Expected at most ${limits.maxEndToEndIdBytes} bytes of UTF-8.`);
    }
    const key = `${messageId}\0${endToEndId}`;
    const first = this.#seen.get(key);
    if (first === undefined) {
      this.#seen.set(key, position);
    } else {
      add('DUPLICATE', field, `Found ${quote(endToEndId)} a second time, after payment ${first}.`);
    }
  }
}

type Add = (code: PaymentProblemCode, field: string, message: string) => void;

/** What a rejected payment is shown by. */
function rejectedOf(instruction: Instruction) {
  return {
    position: instruction.position,
    line: instruction.line,
    ...given({ block: instruction.block }),
    messageId: instruction.messageId,
    paymentInformationId: instruction.paymentInformationId,
    endToEndId: instruction.endToEndId,
    debtorAccount: instruction.debtor?.text ?? '',
    creditorAccount: instruction.creditor?.text ?? '',
    currency: instruction.currency,
    amount: instruction.amount,
  };
}

function accountOf(account: AccountText | undefined, field: string, add: Add): string {
  if (account === undefined || account.text === '') {
    add('MISSING', field, 'Found nothing; expected an IBAN or another identification.');
    return '';
  }
  const compact = account.text.replaceAll(' ', '');
  if (account.kind === 'iban' || (account.kind === 'either' && looksLikeIban(compact))) {
    const text = account.kind === 'iban' ? account.text : compact;
    const problem = ibanProblem(text);
    if (problem !== undefined) add('IBAN_INVALID', field, `Found ${quote(text)}; ${problem}.`);
    return text;
  }
  if (!isId('account', account.text)) {
    add(
      'ACCOUNT_INVALID',
      field,
      `Found ${quote(account.text)}; expected 1 to 64 letters, digits, ".", "_", "-" and ":", a letter or digit first.`,
    );
  }
  return account.text;
}

function exponentOf(currency: string, field: string, add: Add): number | undefined {
  const exponent = currencyExponent(currency);
  if (exponent === undefined) {
    const code = currency === '' ? 'MISSING' : 'CURRENCY_UNKNOWN';
    const found = currency === '' ? 'nothing' : quote(currency);
    add(code, field, `Found ${found}; expected an ISO 4217 code.${hint(currency)}`);
  }
  return exponent;
}

function hint(currency: string): string {
  return /^[A-Za-z]{2,4}$/.test(currency) ? didYouMean(currency, currencyCodes) : '';
}

function amountOf(
  instruction: Instruction,
  exponent: number | undefined,
  field: string,
  add: Add,
): Amount | undefined {
  const text = instruction.amount;
  if (text === '') {
    add('MISSING', field, 'Found nothing; expected an amount.');
    return undefined;
  }
  const expected = 'expected a decimal number without sign, such as "1250.50"';
  // xs:decimal allows leading zeros.
  const canonical = text.length <= 64 ? text.replace(/^0+(?=\d)/, '') : text;
  // Without a known currency only the form can be judged.
  const amount = parseAmount(canonical, exponent ?? limits.maxAssetExponent);
  if (!amount.ok) {
    switch (amount.error) {
      case 'notDecimal':
        add('AMOUNT_INVALID', field, `Found ${quote(text)}; ${expected}.`);
        break;
      case 'tooManyDecimals': {
        const places = exponent ?? limits.maxAssetExponent;
        const allowed = places === 0 ? 'no decimal places' : `at most ${places} decimal places`;
        add(
          'AMOUNT_DECIMALS',
          field,
          `Found ${quote(text)}; ${instruction.currency} has ${allowed} (ISO 4217).`,
        );
        break;
      }
      case 'tooLarge':
        add('AMOUNT_TOO_LARGE', field, `Found ${quote(text)}; expected at most 18 digits.`);
    }
    return undefined;
  }
  if (amount.value === 0n) {
    add('AMOUNT_ZERO', field, 'Found zero; expected an amount above zero.');
    return undefined;
  }
  if (canonical.replace('.', '').replace(/^0+/, '').length > maxAmountDigits) {
    add('AMOUNT_TOO_LARGE', field, `Found ${quote(text)}; expected at most 18 digits.`);
    return undefined;
  }
  return amount.value;
}

function remittanceOf(instruction: Instruction, field: string, add: Add): string {
  const text = instruction.remittance.join(' ');
  const bytes = utf8Length(text);
  if (bytes > limits.maxMemoBytes) {
    add('TOO_LONG', field, `Found ${bytes} bytes; expected at most ${limits.maxMemoBytes}.`);
  }
  for (const reference of instruction.creditorReferences) {
    const problem = creditorReferenceProblem(reference);
    if (problem !== undefined) {
      add('REFERENCE_INVALID', field, `Found ${quote(reference)} as a creditor reference; ${problem}.`);
    }
  }
  return text;
}

function checkCodes(instruction: Instruction, names: FieldNames, add: Add): void {
  const { uetr, creditorAgentBic, requestedDate } = instruction;
  if (
    uetr !== undefined &&
    !/^[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}$/i.test(uetr)
  ) {
    add('ID_INVALID', names.uetr, `Found ${quote(uetr)}; expected a UUID of version 4.`);
  }
  if (
    creditorAgentBic !== undefined &&
    !/^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$/.test(creditorAgentBic)
  ) {
    add(
      'BIC_INVALID',
      names.creditorAgentBic,
      `Found ${quote(creditorAgentBic)}; expected a BIC (ISO 9362).`,
    );
  }
  if (requestedDate !== undefined && !isDate(requestedDate)) {
    add(
      'DATE_INVALID',
      names.requestedDate,
      `Found ${quote(requestedDate)}; expected a date such as "2026-11-02".`,
    );
  }
}

/** Bytes of a text in UTF-8. Plain ASCII, the usual case, is not encoded for it. */
function utf8Length(text: string): number {
  return /^[\x20-\x7e]*$/.test(text) ? text.length : utf8.encode(text).length;
}

/** Whether a text is a calendar date of ISO 8601, "2026-11-02". */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** A text in quotes, short and without control characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 61)}…` : text);
}

/** The properties that are there. */
function given<Values extends Readonly<Record<string, unknown>>>(
  values: Values,
): { [Key in keyof Values]?: Exclude<Values[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Values]?: Exclude<Values[Key], undefined>;
  };
}
