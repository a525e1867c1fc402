/** Characters that XML 1.0 does not have (its section 2.2), and lone surrogates: they can't be written, not even escaped. */
const unwritable =
  // eslint-disable-next-line no-control-regex -- these are the ones
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Text as it may stand between tags. What XML can't hold becomes a question mark. */
export function xmlText(text: string): string {
  return text
    .replace(unwritable, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
}

/** One element: its name, with attributes if it has some, and its text or its children; undefined ones are left out. */
export type Element = readonly [
  name: string,
  content: string | readonly (Element | undefined)[],
  attributes?: Readonly<Record<string, string>>,
];

/** An element as text, indented by so many levels. */
export function element([name, content, attributes = {}]: Element, level = 0): string {
  const indent = '  '.repeat(level);
  const set = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${xmlText(value).replaceAll('"', '&quot;')}"`,
  );
  const open = `${indent}<${name}${set.join('')}>`;
  if (typeof content === 'string') return `${open}${xmlText(content)}</${name}>\n`;
  const children = content.flatMap((child) => (child === undefined ? [] : [element(child, level + 1)]));
  return `${open}\n${children.join('')}${indent}</${name}>\n`;
}

/** Text cut to so many characters, never inside of one. */
export const cut = (text: string, characters: number): string =>
  Array.from(text).slice(0, characters).join('');
