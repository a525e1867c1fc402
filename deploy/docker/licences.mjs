// Which licences the software may depend on at run time: permissive ones, which put no condition on the software.

/** SPDX ids. */
export const allowedLicences = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
  'Zlib',
]);

/** Name, version and SPDX expression of every package of a CycloneDX document. */
export function licencesOf(bill) {
  return bill.components.map(({ name, version, licenses = [] }) => ({
    name,
    version,
    licence:
      licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name).join(' AND ') ||
      'NONE',
  }));
}

/** Packages whose licence is not allowed. Of a choice ("A OR B") one has to be. */
export function judgeLicences(components) {
  return components.filter(({ licence }) => !isAllowed(licence));
}

/** Judges an SPDX expression of ids, AND, OR and parentheses; what has any other form is refused. */
export function isAllowed(expression) {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let position = 0;
  const either = () => {
    let result = both();
    while (tokens[position] === 'OR') {
      position++;
      const other = both();
      result = result || other;
    }
    return result;
  };
  const both = () => {
    let result = one();
    while (tokens[position] === 'AND') {
      position++;
      const other = one();
      result = result && other;
    }
    return result;
  };
  const one = () => {
    const token = tokens[position++];
    if (token !== '(') return token !== undefined && allowedLicences.has(token);
    const inner = either();
    return tokens[position++] === ')' && inner;
  };
  const result = either();
  return result && position === tokens.length;
}
