// Writes the example payments files of this folder: treasury-2026-11.xml (ISO 20022 pain.001.001.09) and sample.csv.
// The same input gives the same bytes: node configs/payments/generate.mjs
//
// Companies, institutions and account numbers are invented; check digits are correct. The accounts are those of
// ../devnet.yaml. The story: the treasury of the Aurelia group pays what its companies owe on 2 November 2026, from
// accounts that they hold at six institutions.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const messageId = 'TREASURY-2026-11-02-001';
const date = '2026-11-02';
const paymentsPerBlock = 20;

const bics = {
  'bank-alba': 'ALBAITMMXXX',
  'bank-borealis': 'BRLSCHZZXXX',
  'custodian-cadence': 'CDNCGB2LXXX',
  'clearing-delta': 'DLTADEFFXXX',
  'bank-esperia': 'ESPEFRPPXXX',
  'bank-fuyu': 'FUYUJPJTXXX',
};

// Institution, name, street, number, post code, town, country
const payers = [
  ['bank-alba', 'Aurelia Tessuti S.p.A.', 'Via dei Setaioli', '14', '20121', 'Milano', 'IT'],
  ['bank-borealis', 'Aurelia Präzision AG', 'Uhrmacherweg', '7', '8005', 'Zürich', 'CH'],
  ['custodian-cadence', 'Aurelia Marine Ltd', 'Lighterage Row', '22', 'E1W 3AB', 'London', 'GB'],
  ['clearing-delta', 'Aurelia Antriebe GmbH', 'Werftstraße', '101', '20457', 'Hamburg', 'DE'],
  ['bank-esperia', 'Aurelia Parfums SAS', 'Rue des Distillateurs', '3', '06130', 'Grasse', 'FR'],
  ['bank-fuyu', 'Aurelia Nihon K.K.', 'Kamezawa', '4-2-9', '130-0014', 'Tokyo', 'JP'],
];
const payees = [
  ['bank-alba', 'Filatura Valsesia S.r.l.', 'Via Lanificio', '5', '13019', 'Varallo', 'IT'],
  ['bank-alba', 'Trasporti Adda S.p.A.', 'Via del Porto', '88', '26100', 'Cremona', 'IT'],
  ['bank-alba', 'Studio Legale Bonaccorsi', 'Corso Sempione', '31', '20145', 'Milano', 'IT'],
  ['bank-borealis', 'Feinmechanik Rüegg AG', 'Industriestrasse', '12', '9000', 'St. Gallen', 'CH'],
  ['bank-borealis', 'Lac Bleu Assurances SA', 'Quai des Tilleuls', '1', '1820', 'Montreux', 'CH'],
  ['bank-borealis', 'Steinbock Treuhand GmbH', 'Bundesgasse', '40', '3011', 'Bern', 'CH'],
  ['custodian-cadence', 'Thistledown Chandlers Ltd', 'Shore Road', '9', 'EH6 6RD', 'Edinburgh', 'GB'],
  ['custodian-cadence', 'Harrow & Finch Solicitors LLP', 'Chancery Mews', '17', 'WC2A 1QT', 'London', 'GB'],
  ['custodian-cadence', 'Penrose Marine Insurance plc', 'Quayside', '60', 'BS1 4SB', 'Bristol', 'GB'],
  ['clearing-delta', 'Kugellager Wittmann KG', 'Am Walzwerk', '18', '97424', 'Schweinfurt', 'DE'],
  ['clearing-delta', 'Nordlicht Energie AG', 'Deichstraße', '2', '25813', 'Husum', 'DE'],
  ['clearing-delta', 'Spedition Oderbruch GmbH', 'Hafenallee', '77', '15230', 'Frankfurt (Oder)', 'DE'],
  [
    'bank-esperia',
    'Verrerie de la Bresle SA',
    'Route de la Forêt',
    '210',
    '76340',
    'Blangy-sur-Bresle',
    'FR',
  ],
  ['bank-esperia', 'Roses de Mai SCEA', 'Chemin des Plaines', '6', '06130', 'Grasse', 'FR'],
  ['bank-esperia', 'Imprimerie Quatre-Vents SARL', 'Rue du Faubourg', '45', '69003', 'Lyon', 'FR'],
  ['bank-fuyu', 'Hoshino Denshi K.K.', 'Shimbashi', '2-11-5', '105-0004', 'Tokyo', 'JP'],
  ['bank-fuyu', 'Setouchi Kaiun K.K.', 'Kaigandori', '3-1', '650-0024', 'Kobe', 'JP'],
  ['bank-fuyu', 'Gulf Pearl Trading W.L.L.', 'Nihonbashi', '1-6-2', '103-0027', 'Tokyo', 'JP'],
];

// Index of the payer, currency, least and largest amount in minor units.
const blocks = [
  [0, 'EUR', 25_000, 18_000_000],
  [0, 'USD', 50_000, 9_500_000],
  [1, 'CHF', 12_000, 24_000_000],
  [1, 'EUR', 40_000, 7_500_000],
  [2, 'GBP', 9_900, 16_000_000],
  [2, 'USD', 120_000, 42_000_000],
  [3, 'EUR', 15_000, 31_000_000],
  [3, 'CHF', 80_000, 6_200_000],
  [4, 'EUR', 5_000, 4_800_000],
  [4, 'GBP', 30_000, 2_750_000],
  [5, 'JPY', 80_000, 96_000_000],
  [5, 'KWD', 150_250, 21_500_000],
];
const exponents = { EUR: 2, USD: 2, CHF: 2, GBP: 2, JPY: 0, KWD: 3 };

/** Pseudo-random number below a bound, from a text. */
function pick(seed, below) {
  return Number(createHash('sha256').update(seed).digest().readBigUInt64BE() % BigInt(below));
}

function mod97(text) {
  let remainder = 0;
  for (const character of text) {
    for (const digit of parseInt(character, 36).toString()) remainder = (remainder * 10 + Number(digit)) % 97;
  }
  return remainder;
}

const checkDigits = (code, rest) => String(98 - mod97(`${rest}${code}00`)).padStart(2, '0');
const iban = (country, rest) => country + checkDigits(country, rest) + rest;

/** Check letter of an Italian account (CIN). */
function cin(text) {
  const odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
  const sum = [...text].reduce(
    (total, digit, index) => total + (index % 2 === 0 ? odd[Number(digit)] : Number(digit)),
    0,
  );
  return String.fromCharCode(65 + (sum % 26));
}

/** Check digits of a French account (clé RIB). */
function rib(bank, branch, account) {
  return String(97 - ((89 * bank + 15 * branch + 3 * account) % 97)).padStart(2, '0');
}

/** The account with its right check digits: number `n` of the country's institution. */
function account(country, n) {
  switch (country) {
    case 'IT': {
      const number = `9990101600${String(100_000 + n).padStart(12, '0')}`;
      return iban('IT', cin(number) + number);
    }
    case 'CH':
      return iban('CH', `99701${String(200_000 + n).padStart(12, '0')}`);
    case 'GB':
      return iban('GB', `CDNC999901${String(300_000 + n).padStart(8, '0')}`);
    case 'DE':
      return iban('DE', `99990001${String(400_000 + n).padStart(10, '0')}`);
    case 'FR':
      return iban('FR', `9990100001${String(500_000 + n).padStart(11, '0')}${rib(99901, 1, 500_000 + n)}`);
    default:
      return `FUYU-0017-${2_250_000 + n}`;
  }
}

const numbers = new Map();
const parties = [...payers, ...payees].map(([institution, name, street, number, postCode, town, country]) => {
  const n = (numbers.get(country) ?? 0) + 1;
  numbers.set(country, n);
  return { institution, account: account(country, n), name, street, number, postCode, town, country };
});

function format(minor, exponent) {
  const digits = String(minor).padStart(exponent + 1, '0');
  return exponent === 0 ? digits : `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

const texts = [
  (n) => `Invoice ${410_000 + n} of 14 October 2026`,
  (n) => `Invoices ${410_000 + n} and ${410_900 + n}, less 2 % discount`,
  (n) => `Freight October 2026, consignment ${77_000 + n}`,
  (n) => `Premium 4th quarter, policy P-${5_200 + n}`,
  (n) => `Retainer November 2026, matter ${2_026_000 + n}`,
  (n) => `Energy October 2026, meter ${90_100 + n}`,
  (n) => `Down payment 30 %, order ${31_000 + n}`,
  (n) => `Rent November 2026, unit ${100 + (n % 90)}`,
];

let count = 0;
const allBlocks = blocks.map(([payer, currency, least, largest], index) => {
  const debtor = parties[payer];
  const payments = Array.from({ length: paymentsPerBlock }, () => {
    const n = ++count;
    const creditor = parties[payers.length + pick(`creditor ${n}`, payees.length)];
    // Skewed towards small amounts, as payments are.
    const share = pick(`amount ${n}`, 1_000_000) / 1_000_000;
    const step = currency === 'JPY' ? 1000 : currency === 'KWD' ? 250 : 5;
    const minor = Math.round((least + (largest - least) * share ** 3) / step) * step;
    const reference = n % 7 === 0 ? `INV${410_000 + n}` : undefined;
    return {
      endToEndId: `AUR-20261102-${String(n).padStart(4, '0')}`,
      creditor,
      currency,
      minor,
      text: texts[pick(`text ${n}`, texts.length)](n),
      creditorReference:
        reference === undefined ? undefined : `RF${checkDigits('RF', reference)}${reference}`,
    };
  });
  return { id: `${messageId}-${String(index + 1).padStart(2, '0')}`, debtor, payments };
});

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const sum = (payments) => {
  const total = payments.reduce(
    (before, { minor, currency }) => before + BigInt(minor) * 10n ** BigInt(3 - exponents[currency]),
    0n,
  );
  return format(total, 3);
};

const address = ({ street, number, postCode, town, country }) => `<PstlAdr>
            <StrtNm>${escape(street)}</StrtNm>
            <BldgNb>${number}</BldgNb>
            <PstCd>${postCode}</PstCd>
            <TwnNm>${escape(town)}</TwnNm>
            <Ctry>${country}</Ctry>
          </PstlAdr>`;
const accountId = (id) => (/^[A-Z]{2}\d{2}/.test(id) ? `<IBAN>${id}</IBAN>` : `<Othr><Id>${id}</Id></Othr>`);
const outdent = (text) => text.replaceAll('\n  ', '\n');

const transaction = (payment) => `      <CdtTrfTxInf>
        <PmtId>
          <EndToEndId>${payment.endToEndId}</EndToEndId>
        </PmtId>
        <Amt>
          <InstdAmt Ccy="${payment.currency}">${format(payment.minor, exponents[payment.currency])}</InstdAmt>
        </Amt>
        <CdtrAgt>
          <FinInstnId><BICFI>${bics[payment.creditor.institution]}</BICFI></FinInstnId>
        </CdtrAgt>
        <Cdtr>
          <Nm>${escape(payment.creditor.name)}</Nm>
          ${address(payment.creditor)}
        </Cdtr>
        <CdtrAcct>
          <Id>${accountId(payment.creditor.account)}</Id>
        </CdtrAcct>
        <RmtInf>
          ${
            payment.creditorReference === undefined
              ? `<Ustrd>${escape(payment.text)}</Ustrd>`
              : `<Strd>
            <CdtrRefInf>
              <Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>
              <Ref>${payment.creditorReference}</Ref>
            </CdtrRefInf>
          </Strd>`
          }
        </RmtInf>
      </CdtTrfTxInf>
`;

const block = ({ id, debtor, payments }) => `    <PmtInf>
      <PmtInfId>${id}</PmtInfId>
      <PmtMtd>TRF</PmtMtd>
      <NbOfTxs>${payments.length}</NbOfTxs>
      <CtrlSum>${sum(payments)}</CtrlSum>
      <ReqdExctnDt><Dt>${date}</Dt></ReqdExctnDt>
      <Dbtr>
        <Nm>${escape(debtor.name)}</Nm>
        ${outdent(address(debtor))}
      </Dbtr>
      <DbtrAcct>
        <Id>${accountId(debtor.account)}</Id>
      </DbtrAcct>
      <DbtrAgt>
        <FinInstnId><BICFI>${bics[debtor.institution]}</BICFI></FinInstnId>
      </DbtrAgt>
      <ChrgBr>SLEV</ChrgBr>
${payments.map(transaction).join('')}    </PmtInf>
`;

const everything = allBlocks.flatMap(({ payments }) => payments);

/** The pain.001.001.09 file. */
export const xml = `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">
  <CstmrCdtTrfInitn>
    <GrpHdr>
      <MsgId>${messageId}</MsgId>
      <CreDtTm>${date}T07:30:00Z</CreDtTm>
      <NbOfTxs>${everything.length}</NbOfTxs>
      <CtrlSum>${sum(everything)}</CtrlSum>
      <InitgPty>
        <Nm>Aurelia Group Treasury</Nm>
      </InitgPty>
    </GrpHdr>
${allBlocks.map(block).join('')}  </CstmrCdtTrfInitn>
</Document>
`;

const csvRows = allBlocks.map(({ debtor, payments }, index) => {
  const payment = payments[index % payments.length];
  return [
    'TREASURY-2026-11-03-CSV',
    `CSV-20261103-${String(index + 1).padStart(2, '0')}`,
    debtor.account,
    debtor.name,
    payment.creditor.account,
    payment.creditor.name,
    payment.currency,
    format(payment.minor, exponents[payment.currency]),
    payment.text,
  ];
});

/** The same kind of payments as CSV. */
export const csv = [
  [
    'message_id',
    'end_to_end_id',
    'debtor_account',
    'debtor_name',
    'creditor_account',
    'creditor_name',
    'currency',
    'amount',
    'remittance',
  ],
  ...csvRows,
]
  .map(
    (row) =>
      `${row.map((text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',')}\n`,
  )
  .join('');

/** Institution and account of everybody. */
export const accounts = parties.map(({ institution, account: id, name }) => ({ institution, id, name }));

const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self) {
  writeFileSync(join(dirname(self), 'treasury-2026-11.xml'), xml);
  writeFileSync(join(dirname(self), 'sample.csv'), csv);
}
