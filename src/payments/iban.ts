/** Length of the IBANs of each country: the IBAN registry of ISO 13616 (SWIFT). */
const lengths: Readonly<Record<string, number>> = Object.fromEntries(
  `AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24
   FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32
   LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24
   RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30`
    .split(/\s+/)
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** Whether a text without spaces looks like an IBAN, so that it has to be one: two letters of a country that has IBANs,
 * two digits, and letters or digits. */
export function looksLikeIban(text: string): boolean {
  return /^[A-Z]{2}\d{2}[A-Z0-9]{8,30}$/.test(text) && text.slice(0, 2) in lengths;
}

/** Why a text is no IBAN (ISO 13616: country, length, check digits), or undefined when it is one. */
export function ibanProblem(text: string): string | undefined {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{1,30}$/.test(text)) {
    return 'expected an IBAN: two capital letters, two digits, then capital letters and digits, without spaces';
  }
  const country = text.slice(0, 2);
  const length = lengths[country];
  if (length === undefined) return `"${country}" is no country with IBANs`;
  if (text.length !== length) {
    return `it has ${text.length} characters; an IBAN of ${country} has ${length}`;
  }
  if (mod97(text) !== 1) return 'its check digits do not match: a character is wrong or two are swapped';
  return undefined;
}

/** Why a text is no creditor reference of ISO 11649 ("RF…"), or undefined when it is one. */
export function creditorReferenceProblem(text: string): string | undefined {
  const compact = text.replaceAll(' ', '').toUpperCase();
  if (!/^RF\d{2}[A-Z0-9]{1,21}$/.test(compact))
    return 'expected "RF", two digits and 1 to 21 letters or digits';
  return mod97(compact) === 1 ? undefined : 'its check digits do not match';
}

/** Remainder by 97 with the first four characters moved to the end and letters as 10 … 35 (ISO 7064). */
function mod97(text: string): number {
  let remainder = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt((index + 4) % text.length);
    remainder = unit < 58 ? remainder * 10 + unit - 48 : remainder * 100 + unit - 55;
    remainder %= 97;
  }
  return remainder;
}
