import { createHash } from 'node:crypto';
import { equalBytes } from '../types/index.js';
import { readPaymentsCsv } from './csv.js';
import { describeProblems, describeRejected } from './describe.js';
import { readPain001 } from './pain001.js';
import type {
  FileProblem,
  PaymentOrError,
  PaymentProblemCode,
  PaymentsFormat,
  PaymentsSource,
  ReadOptions,
} from './types.js';

/** Bytes at the start of a file that `detectFormat` needs, at most. */
export const detectBytes = 4096;

/** The format of a file by its first bytes, or undefined when it is none that is known. */
export function detectFormat(start: Uint8Array | string): PaymentsFormat | undefined {
  const text = typeof start === 'string' ? start : new TextDecoder().decode(start.subarray(0, detectBytes));
  const trimmed = text.replace(/^\uFEFF/, '').trimStart();
  if (trimmed.startsWith('<')) return 'pain001';
  const header = (/^[^\r\n]*/.exec(trimmed)?.[0] ?? '').toLowerCase();
  return /(^|[",;])\s*(end_to_end_id|debtor_account|creditor_account)\s*($|[",;])/.test(header)
    ? 'csv'
    : undefined;
}

/** Reads payments of either format; see readPain001 and readPaymentsCsv. Without a format, it is detected. */
export async function* readPayments(
  source: PaymentsSource,
  format?: PaymentsFormat,
  options: ReadOptions = {},
): AsyncGenerator<PaymentOrError, void, undefined> {
  yield* readDetected(await detect(source, format), options);
}

interface Detected {
  readonly format: PaymentsFormat | undefined;
  readonly empty: boolean;
  /** The whole source, what was looked at included. */
  readonly source: PaymentsSource;
}

async function* readDetected(
  { format, empty, source }: Detected,
  options: ReadOptions,
): AsyncGenerator<PaymentOrError, void, undefined> {
  switch (format) {
    case 'pain001':
      return yield* readPain001(source, options);
    case 'csv':
      return yield* readPaymentsCsv(source, options);
    case undefined: {
      const message = empty
        ? 'The file is empty.'
        : 'Found neither XML nor a header row of CSV; expected pain.001.001.09 or CSV.';
      yield { kind: 'file', problem: { code: empty ? 'EMPTY' : 'WRONG_FORMAT', line: 1, message } };
    }
  }
}

/** Looks at the start of a source until its format can be told. */
async function detect(source: PaymentsSource, format: PaymentsFormat | undefined): Promise<Detected> {
  if (format !== undefined) return { format, empty: false, source };
  const iterator = source[Symbol.asyncIterator]();
  const decoder = new TextDecoder();
  const start: (Uint8Array | string)[] = [];
  let text = '';
  // The start of a line can't be judged yet, unless it is XML's.
  while (text.length < detectBytes && !/^\s*(<|[^\r\n]+[\r\n])/.test(text)) {
    const next = await iterator.next();
    if (next.done === true) break;
    start.push(next.value);
    text += typeof next.value === 'string' ? next.value : decoder.decode(next.value, { stream: true });
  }
  const found = detectFormat(text);
  if (found === undefined) await iterator.return?.();
  return { format: found, empty: text === '', source: resumed(start, iterator) };
}

async function* resumed(
  start: readonly (Uint8Array | string)[],
  iterator: AsyncIterator<Uint8Array | string>,
): AsyncGenerator<Uint8Array | string, void, undefined> {
  try {
    yield* start;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** What the first pass over a file found. */
export interface PaymentsSummary {
  /** Undefined when it is none that is known. */
  readonly format: PaymentsFormat | undefined;
  /** SHA-256 of the file. */
  readonly sha256: Uint8Array;
  readonly bytes: number;
  /** All payments, and how many of them may and must not be submitted. */
  readonly payments: number;
  readonly valid: number;
  readonly rejected: number;
  /** Valid payments and their sum by currency, in order of the codes. */
  readonly totals: ReadonlyMap<
    string,
    { readonly payments: number; readonly amountMinor: bigint; readonly exponent: number }
  >;
  /** What makes the file unfit as a whole; the first hundred. */
  readonly fileProblems: readonly FileProblem[];
  /** Sentences about the first hundred rejected payments: "payment 17 (PmtInf 2, line 431): …". */
  readonly rejects: readonly string[];
  readonly rejectedByCode: ReadonlyMap<PaymentProblemCode, number>;
  /** Sentences about the first hundred payments with warnings. */
  readonly warnings: readonly string[];
  /** Payments with warnings. */
  readonly warned: number;
  /**
   * What may be submitted. `all`: the file is good. `valid`: some payments are rejected; the others may be submitted
   * when the user says so (--skip-invalid). `none`: the file is unfit as a whole, or no payment is good.
   */
  readonly submittable: 'all' | 'valid' | 'none';
}

const maxListed = 100;

/** First pass: reads a whole file, submits nothing, and says what is in it. `open` is called once. */
export async function validatePaymentsFile(
  open: () => PaymentsSource,
  format?: PaymentsFormat,
  options: ReadOptions = {},
): Promise<PaymentsSummary> {
  const digest = new Fingerprint();
  const detected = await detect(digest.watch(open()), format);
  const totals = new Map<string, { payments: number; amountMinor: bigint; exponent: number }>();
  const fileProblems: FileProblem[] = [];
  const rejects: string[] = [];
  const rejectedByCode = new Map<PaymentProblemCode, number>();
  const warnings: string[] = [];
  let valid = 0;
  let rejected = 0;
  let warned = 0;
  for await (const item of readDetected(detected, options)) {
    switch (item.kind) {
      case 'payment': {
        const { payment } = item;
        valid++;
        const total = totals.get(payment.currency) ?? {
          payments: 0,
          amountMinor: 0n,
          exponent: payment.exponent,
        };
        total.payments++;
        total.amountMinor += payment.amountMinor;
        totals.set(payment.currency, total);
        if (payment.warnings.length > 0 && ++warned <= maxListed) {
          warnings.push(describeProblems(payment, payment.warnings));
        }
        break;
      }
      case 'rejected':
        rejected++;
        if (rejects.length < maxListed) rejects.push(describeRejected(item.rejected));
        for (const { code } of item.rejected.problems) {
          rejectedByCode.set(code, (rejectedByCode.get(code) ?? 0) + 1);
        }
        break;
      case 'file':
        if (fileProblems.length < maxListed) fileProblems.push(item.problem);
    }
  }
  const unfit = fileProblems.length > 0 || valid === 0;
  return {
    format: detected.format,
    ...digest.result(),
    payments: valid + rejected,
    valid,
    rejected,
    totals: new Map([...totals].sort(([a], [b]) => (a < b ? -1 : 1))),
    fileProblems,
    rejects,
    rejectedByCode,
    warnings,
    warned,
    submittable: unfit ? 'none' : rejected > 0 ? 'valid' : 'all',
  };
}

/**
 * Second pass: the payments of a file that was validated. When the file is not the same any more, the last item is a
 * problem of the file: what was submitted until then came from another file than the one that was checked.
 */
export async function* readValidatedPayments(
  open: () => PaymentsSource,
  summary: PaymentsSummary,
  options: ReadOptions = {},
): AsyncGenerator<PaymentOrError, void, undefined> {
  const digest = new Fingerprint();
  let lastLine = 1;
  for await (const item of readPayments(digest.watch(open()), summary.format, options)) {
    if (item.kind === 'payment') lastLine = item.payment.line;
    yield item;
  }
  if (equalBytes(digest.result().sha256, summary.sha256)) return;
  const message =
    'The file was changed after it had been checked; check it again before anything else is submitted.';
  yield { kind: 'file', problem: { code: 'UNREADABLE', line: lastLine, message } };
}

/** Hashes what passes by. */
class Fingerprint {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  async *watch(source: PaymentsSource): AsyncGenerator<Uint8Array | string, void, undefined> {
    for await (const chunk of source) {
      this.#hash.update(chunk);
      this.#bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length;
      yield chunk;
    }
  }

  result(): { readonly sha256: Uint8Array; readonly bytes: number } {
    return { sha256: new Uint8Array(this.#hash.copy().digest()), bytes: this.#bytes };
  }
}
