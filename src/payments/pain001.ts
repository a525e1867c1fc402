import { ControlTotals } from './control-sums.js';
import {
  ElementRecord,
  addText,
  enterChild,
  finish,
  frameOf,
  join,
  reportMissing,
} from './element-walker.js';
import type { Frame } from './element-walker.js';
import { InstructionChecker, isDate, quote } from './instruction.js';
import type { AccountText, FieldNames } from './instruction.js';
import { documentSpec, pain001Namespace, records } from './pain001-grammar.js';
import type { GroupSpec } from './pain001-grammar.js';
import { UnfitFile, textOf } from './text-source.js';
import { defaultReadOptions } from './types.js';
import type { FileProblem, PaymentOrError, PaymentProblem, PaymentsSource, ReadOptions } from './types.js';
import { XmlTokens } from './xml-tokens.js';
import type { XmlSink } from './xml-tokens.js';

const names: FieldNames = {
  endToEndId: 'PmtId/EndToEndId',
  debtorAccount: 'DbtrAcct/Id',
  creditorAccount: 'CdtrAcct/Id',
  currency: 'Amt/InstdAmt/@Ccy',
  amount: 'Amt/InstdAmt',
  remittance: 'RmtInf',
  requestedDate: 'ReqdExctnDt',
  creditorAgentBic: 'CdtrAgt/FinInstnId/BICFI',
  uetr: 'PmtId/UETR',
};

/**
 * Reads an ISO 20022 customer credit transfer initiation (pain.001.001.09) as a stream: at most a few payments are
 * held at a time, apart from what finding duplicates needs. Each payment comes checked, or rejected with all that is
 * wrong with it. Problems of the file as a whole come when they are found, the numbers and sums at the end: who must
 * not submit a part of a bad file reads it twice (see validatePaymentsFile). Never throws on input.
 */
export async function* readPain001(
  source: PaymentsSource,
  options: ReadOptions = {},
): AsyncGenerator<PaymentOrError, void, undefined> {
  const document = new Pain001Document(options.maxPayments ?? defaultReadOptions.maxPayments);
  const tokens = new XmlTokens(document);
  try {
    for await (const text of textOf(source, options.maxBytes ?? defaultReadOptions.maxBytes, () =>
      tokens.line(),
    )) {
      tokens.write(text);
      yield* document.take();
    }
    tokens.end();
    document.end(tokens.line());
    yield* document.take();
  } catch (error) {
    yield* document.take();
    if (!(error instanceof UnfitFile)) throw error;
    yield { kind: 'file', problem: error.problem };
  }
}

/** Problems that every payment of a block has, and what they share. */
interface Block {
  readonly number: number;
  readonly record: ElementRecord;
  readonly totals: ControlTotals;
  problems: readonly PaymentProblem[] | undefined;
  warnings: readonly PaymentProblem[];
}

class Pain001Document implements XmlSink {
  readonly #maxPayments: number;
  readonly #checker = new InstructionChecker(names);
  readonly #frames: Frame[];
  readonly #totals = new ControlTotals();
  readonly #blockIds = new Set<string>();
  #out: PaymentOrError[] = [];
  #header: ElementRecord | undefined;
  #block: Block | undefined;
  #blocks = 0;
  /** Depth inside an element that is skipped. */
  #skipped = 0;

  constructor(maxPayments: number) {
    this.#maxPayments = maxPayments;
    this.#frames = [frameOf('', documentSpec, '', new ElementRecord(1))];
  }

  /** What was found since the last call. */
  take(): PaymentOrError[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  open(name: string, namespace: string, attributes: ReadonlyMap<string, string>, line: number): void {
    if (this.#skipped > 0) {
      this.#skipped++;
      return;
    }
    const parent = this.#frames.at(-1);
    if (parent === undefined) return;
    if (this.#frames.length === 1) this.#checkRoot(name, namespace, line);
    if (namespace !== pain001Namespace) noteForeign(parent, name, namespace);
    const spec = namespace === pain001Namespace ? enterChild(parent, name) : undefined;
    if (this.#frames.length <= 3) this.#failOn(parent.record, line);
    if (spec === undefined || spec.kind === 'skip') {
      if (this.#frames.length > 3) parent.record.noteElement(join(parent.path, name));
      this.#skipped = 1;
      return;
    }
    const kind = records.get(spec);
    if (kind === undefined) {
      const path = join(parent.path, name);
      parent.record.noteElement(path);
      this.#frames.push(frameOf(name, spec, path, parent.record));
      const currency = spec.kind === 'leaf' ? attributes.get('Ccy') : undefined;
      if (currency !== undefined) parent.record.noteText(`${path}/@Ccy`, currency.trim());
      return;
    }
    const record = new ElementRecord(line);
    this.#frames.push(frameOf(name, spec, '', record));
    if (kind === 'header') this.#header = record;
    if (kind === 'block') this.#openBlock(record);
    if (kind === 'transaction') this.#openTransaction(parent, line);
  }

  text(text: string): void {
    const frame = this.#frames.at(-1);
    if (this.#skipped === 0 && frame !== undefined) addText(frame, text);
  }

  close(line: number): void {
    if (this.#skipped > 0) {
      this.#skipped--;
      return;
    }
    const frame = this.#frames.pop();
    if (frame === undefined) return;
    finish(frame);
    switch (records.get(frame.spec)) {
      case 'header':
        this.#checkHeader(frame.record);
        break;
      case 'block':
        this.#closeBlock(line);
        break;
      case 'transaction':
        this.#closeTransaction(frame.record);
        break;
      case undefined:
        if (this.#frames.length <= 3) this.#failOn(frame.record, line);
    }
  }

  /** The document is complete: numbers and sums of the whole. */
  end(line: number): void {
    const header = this.#header;
    if (header === undefined)
      throw new UnfitFile('EMPTY', line, 'Found no GrpHdr; expected a payments file.');
    if (this.#totals.count === 0) throw new UnfitFile('EMPTY', line, 'Found no payment (CdtTrfTxInf).');
    this.#report(
      ...this.#totals.check('GrpHdr', header.line, {
        count: header.text('NbOfTxs'),
        sum: header.text('CtrlSum'),
      }),
    );
  }

  #report(...problems: readonly FileProblem[]): void {
    for (const problem of problems) this.#out.push({ kind: 'file', problem });
  }

  #checkRoot(name: string, namespace: string, line: number): void {
    if (name === 'Document' && namespace === pain001Namespace) return;
    const found = namespace === '' ? 'no namespace' : `the namespace ${quote(namespace)}`;
    throw new UnfitFile(
      'WRONG_FORMAT',
      line,
      `Found the root element ${quote(name)} with ${found}; expected "Document" of ${pain001Namespace}.`,
    );
  }

  /** A fault of the outermost elements is one of the file. */
  #failOn(record: ElementRecord, line: number): void {
    const [problem] = record.problems;
    if (problem !== undefined) throw new UnfitFile('MALFORMED', line, `${problem.field}: ${problem.message}`);
  }

  #checkHeader(header: ElementRecord): void {
    for (const { field, message } of header.problems) {
      this.#report({ code: 'HEADER', line: header.line, message: `GrpHdr/${field}: ${message}` });
    }
    const created = header.text('CreDtTm');
    if (created !== undefined && created !== '' && !isDateTime(created)) {
      const message = `GrpHdr/CreDtTm: Found ${quote(created)}; expected a time such as "2026-11-02T08:00:00Z".`;
      this.#report({ code: 'HEADER', line: header.line, message });
    }
  }

  #openBlock(record: ElementRecord): void {
    this.#block = {
      number: ++this.#blocks,
      record,
      totals: new ControlTotals(),
      problems: undefined,
      warnings: [],
    };
  }

  /** All that a block says about its payments stands before the first of them. */
  #openTransaction(parent: Frame, line: number): void {
    if (this.#totals.count >= this.#maxPayments) {
      throw new UnfitFile(
        'TOO_LARGE',
        line,
        `Found more than ${this.#maxPayments} payments; split the file.`,
      );
    }
    const block = this.#block;
    if (block === undefined || block.problems !== undefined) return;
    const spec = parent.spec as GroupSpec;
    reportMissing(parent, spec, spec.indexes.get('CdtTrfTxInf') ?? 0);
    const { record } = block;
    const method = record.text('PmtMtd');
    if (method !== undefined && method !== '' && method !== 'TRF') {
      record.add('UNSUPPORTED', 'PmtMtd', `Found ${quote(method)}; expected "TRF" (credit transfer).`);
    }
    const id = record.text('PmtInfId') ?? '';
    if (id !== '' && this.#blockIds.has(id))
      record.add('DUPLICATE', 'PmtInfId', `Found ${quote(id)} a second time.`);
    this.#blockIds.add(id);
    const dateTime = record.text('ReqdExctnDt/DtTm');
    if (dateTime !== undefined && dateTime !== '' && !isDateTime(dateTime)) {
      record.add('DATE_INVALID', 'ReqdExctnDt/DtTm', `Found ${quote(dateTime)}; expected a date and time.`);
    }
    block.problems = record.problems.map(({ code, field, message }) => ({
      code,
      field: `PmtInf/${field}`,
      message,
    }));
    block.warnings = addressWarnings(record, 'Dbtr', 'PmtInf/');
  }

  #closeTransaction(record: ElementRecord): void {
    const block = this.#block;
    if (block === undefined) return;
    const amount = record.text('Amt/InstdAmt') ?? '';
    block.totals.add(amount);
    this.#totals.add(amount);
    if (record.has('Amt/EqvtAmt')) {
      record.add('UNSUPPORTED', 'Amt/EqvtAmt', 'Found an equivalent amount; expected InstdAmt.');
    }
    if (this.#header === undefined) record.add('STRUCTURE', 'GrpHdr', 'Found it after the payments.');
    const date = block.record.text('ReqdExctnDt/Dt') ?? block.record.text('ReqdExctnDt/DtTm')?.slice(0, 10);
    const found = this.#checker.check({
      position: this.#totals.count,
      line: record.line,
      block: block.number,
      messageId: this.#header?.text('MsgId') ?? '',
      paymentInformationId: block.record.text('PmtInfId') ?? '',
      endToEndId: record.text('PmtId/EndToEndId') ?? '',
      instructionId: record.text('PmtId/InstrId'),
      uetr: record.text('PmtId/UETR'),
      debtor: accountOf(block.record, 'DbtrAcct'),
      creditor: accountOf(record, 'CdtrAcct'),
      debtorName: block.record.text('Dbtr/Nm'),
      creditorName: record.text('Cdtr/Nm'),
      creditorAgentBic: record.text('CdtrAgt/FinInstnId/BICFI'),
      currency: record.text('Amt/InstdAmt/@Ccy') ?? '',
      amount,
      remittance: [
        ...record.texts('RmtInf/Ustrd'),
        ...record.texts('RmtInf/Strd/CdtrRefInf/Ref'),
        ...record.texts('RmtInf/Strd/AddtlRmtInf'),
      ],
      creditorReferences: record.texts('RmtInf/Strd/CdtrRefInf/Ref').filter((text) => text.startsWith('RF')),
      requestedDate: date === '' ? undefined : date,
      problems: [...(block.problems ?? []), ...record.problems],
      warnings: [...block.warnings, ...addressWarnings(record, 'Cdtr', '')],
    });
    // A warning about the debtor's address is said once a block.
    block.warnings = [];
    this.#out.push(found);
  }

  #closeBlock(line: number): void {
    const block = this.#block;
    if (block === undefined) return;
    const { record, totals } = block;
    const where = `PmtInf ${block.number}`;
    if (totals.count === 0) {
      for (const { field, message } of record.problems) {
        this.#report({ code: 'HEADER', line: record.line, message: `${where}/${field}: ${message}` });
      }
    } else if (record.problems.length > (block.problems?.length ?? 0)) {
      // Found after the first payment: elements that have to stand before it.
      for (const { field, message } of record.problems.slice(block.problems?.length ?? 0)) {
        this.#report({ code: 'HEADER', line, message: `${where}/${field}: ${message}` });
      }
    }
    this.#report(
      ...totals.check(where, record.line, { count: record.text('NbOfTxs'), sum: record.text('CtrlSum') }),
    );
    this.#block = undefined;
  }
}

function noteForeign(parent: Frame, name: string, namespace: string): void {
  const found = namespace === '' ? 'no namespace' : quote(namespace);
  const message = `Found an element of ${found}; expected one of ${pain001Namespace}.`;
  parent.record.add('STRUCTURE', join(parent.path, name), message);
}

function accountOf(record: ElementRecord, path: string): AccountText | undefined {
  const iban = record.text(`${path}/Id/IBAN`);
  if (iban !== undefined) return { kind: 'iban', text: iban };
  const other = record.text(`${path}/Id/Othr/Id`);
  return other === undefined ? undefined : { kind: 'other', text: other };
}

/** An address of lines without town and country. */
function addressWarnings(record: ElementRecord, party: string, prefix: string): PaymentProblem[] {
  const path = `${party}/PstlAdr`;
  if (!record.has(path) || (record.has(`${path}/TwnNm`) && record.has(`${path}/Ctry`))) return [];
  return [
    {
      code: 'ADDRESS_UNSTRUCTURED',
      field: `${prefix}${path}`,
      message: 'The address lacks TwnNm or Ctry; since November 2026 cross-border payments need both.',
    },
  ];
}

/** xs:dateTime as ISO 20022 uses it. */
function isDateTime(text: string): boolean {
  const match = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})?$/.exec(
    text,
  );
  return match?.[1] !== undefined && isDate(match[1]);
}
