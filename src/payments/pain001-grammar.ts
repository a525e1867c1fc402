/**
 * The part of the schema of pain.001.001.09 (CustomerCreditTransferInitiationV09) that a payment depends on: which
 * elements may stand where, in which order and how often. What does not matter to a payment is skipped whole.
 */

/** An element with text. */
export interface LeafSpec {
  readonly kind: 'leaf';
  /** In characters. */
  readonly maxLength: number;
}
/** An element whose content is not looked at. */
export interface SkipSpec {
  readonly kind: 'skip';
}
/** An element with elements in a fixed order. */
export interface GroupSpec {
  readonly kind: 'group';
  readonly children: readonly ChildSpec[];
  /** Whether exactly one of the children stands there. */
  readonly choice: boolean;
  /** Position of each child. */
  readonly indexes: ReadonlyMap<string, number>;
}
export type ElementSpec = LeafSpec | SkipSpec | GroupSpec;

export interface ChildSpec {
  readonly name: string;
  readonly spec: ElementSpec;
  readonly min: 0 | 1;
  readonly max: number;
}

const text = (maxLength: number): LeafSpec => ({ kind: 'leaf', maxLength });
const skip: SkipSpec = { kind: 'skip' };
const one = (name: string, spec: ElementSpec = skip): ChildSpec => ({ name, spec, min: 1, max: 1 });
const optional = (name: string, spec: ElementSpec = skip, max = 1): ChildSpec => ({
  name,
  spec,
  min: 0,
  max,
});
const several = (name: string, spec: ElementSpec): ChildSpec => ({ name, spec, min: 1, max: Infinity });

function sequence(...children: readonly ChildSpec[]): GroupSpec {
  const indexes = new Map(children.map((child, index) => [child.name, index]));
  return { kind: 'group', children, choice: false, indexes };
}

function choice(...children: readonly ChildSpec[]): GroupSpec {
  return { ...sequence(...children), choice: true };
}

const address = sequence(
  optional('AdrTp'),
  optional('Dept', text(70)),
  optional('SubDept', text(70)),
  optional('StrtNm', text(70)),
  optional('BldgNb', text(16)),
  optional('BldgNm', text(35)),
  optional('Flr', text(70)),
  optional('PstBx', text(16)),
  optional('Room', text(70)),
  optional('PstCd', text(16)),
  optional('TwnNm', text(35)),
  optional('TwnLctnNm', text(35)),
  optional('DstrctNm', text(35)),
  optional('CtrySubDvsn', text(35)),
  optional('Ctry', text(2)),
  optional('AdrLine', text(70), 7),
);

const party = sequence(
  optional('Nm', text(140)),
  optional('PstlAdr', address),
  optional('Id'),
  optional('CtryOfRes', text(2)),
  optional('CtctDtls'),
);

const account = sequence(
  one(
    'Id',
    choice(
      one('IBAN', text(34)),
      one('Othr', sequence(one('Id', text(34)), optional('SchmeNm'), optional('Issr'))),
    ),
  ),
  optional('Tp'),
  optional('Ccy', text(3)),
  optional('Nm', text(70)),
  optional('Prxy'),
);

const agent = sequence(
  one(
    'FinInstnId',
    sequence(
      optional('BICFI', text(11)),
      optional('ClrSysMmbId'),
      optional('LEI', text(20)),
      optional('Nm', text(140)),
      optional('PstlAdr'),
      optional('Othr'),
    ),
  ),
  optional('BrnchId'),
);

const structuredRemittance = sequence(
  optional('RfrdDocInf', skip, Infinity),
  optional('RfrdDocAmt'),
  optional(
    'CdtrRefInf',
    sequence(
      optional(
        'Tp',
        sequence(one('CdOrPrtry', choice(one('Cd', text(4)), one('Prtry', text(35)))), optional('Issr')),
      ),
      optional('Ref', text(35)),
    ),
  ),
  optional('Invcr'),
  optional('Invcee'),
  optional('TaxRmt'),
  optional('GrnshmtRmt'),
  optional('AddtlRmtInf', text(140), 3),
);

/** CreditTransferTransaction34. */
const transaction = sequence(
  one(
    'PmtId',
    sequence(optional('InstrId', text(35)), one('EndToEndId', text(35)), optional('UETR', text(36))),
  ),
  optional('PmtTpInf'),
  one('Amt', choice(one('InstdAmt', text(32)), one('EqvtAmt'))),
  optional('XchgRateInf'),
  optional('ChrgBr', text(4)),
  optional('ChqInstr'),
  optional('UltmtDbtr'),
  optional('IntrmyAgt1'),
  optional('IntrmyAgt1Acct'),
  optional('IntrmyAgt2'),
  optional('IntrmyAgt2Acct'),
  optional('IntrmyAgt3'),
  optional('IntrmyAgt3Acct'),
  optional('CdtrAgt', agent),
  optional('CdtrAgtAcct'),
  optional('Cdtr', party),
  optional('CdtrAcct', account),
  optional('UltmtCdtr'),
  optional('InstrForCdtrAgt', skip, Infinity),
  optional('InstrForDbtrAgt', text(140)),
  optional('Purp'),
  optional('RgltryRptg', skip, 10),
  optional('Tax'),
  optional('RltdRmtInf', skip, 10),
  optional(
    'RmtInf',
    sequence(optional('Ustrd', text(140), Infinity), optional('Strd', structuredRemittance, Infinity)),
  ),
  optional('SplmtryData', skip, Infinity),
);

/** PaymentInstruction30. */
const paymentInformation = sequence(
  one('PmtInfId', text(35)),
  one('PmtMtd', text(3)),
  optional('BtchBookg', text(5)),
  optional('NbOfTxs', text(15)),
  optional('CtrlSum', text(32)),
  optional('PmtTpInf'),
  one('ReqdExctnDt', choice(one('Dt', text(16)), one('DtTm', text(40)))),
  optional('PoolgAdjstmntDt', text(16)),
  one('Dbtr', party),
  one('DbtrAcct', account),
  one('DbtrAgt', agent),
  optional('DbtrAgtAcct'),
  optional('InstrForDbtrAgt', text(140)),
  optional('UltmtDbtr'),
  optional('ChrgBr', text(4)),
  optional('ChrgsAcct'),
  optional('ChrgsAcctAgt'),
  several('CdtTrfTxInf', transaction),
);

/** GroupHeader85. */
const groupHeader = sequence(
  one('MsgId', text(35)),
  one('CreDtTm', text(40)),
  optional('Authstn', skip, 2),
  one('NbOfTxs', text(15)),
  optional('CtrlSum', text(32)),
  one('InitgPty', party),
  optional('FwdgAgt'),
);

/** The parts of a document that are put together and judged on their own. */
export const records = new Map<ElementSpec, 'header' | 'block' | 'transaction'>([
  [groupHeader, 'header'],
  [paymentInformation, 'block'],
  [transaction, 'transaction'],
]);

/** What is around the root element. */
export const documentSpec = sequence(
  one(
    'Document',
    sequence(
      one(
        'CstmrCdtTrfInitn',
        sequence(
          one('GrpHdr', groupHeader),
          several('PmtInf', paymentInformation),
          optional('SplmtryData', skip, Infinity),
        ),
      ),
    ),
  ),
);

/** Namespace of the format. */
export const pain001Namespace = 'urn:iso:std:iso:20022:tech:xsd:pain.001.001.09';
