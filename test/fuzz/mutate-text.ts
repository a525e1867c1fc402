/** Changes to texts (YAML, XML, CSV, JSON) along their words, lines and punctuation, with what parsers stumble over. */
import type { Prng } from '../helpers/prng.js';

const repeated = (text: string, times: number): string => text.repeat(times);

/** Pieces that are special to somebody. */
const spices: readonly string[] = [
  ...['', '\0', '\uFEFF', '\uD800', '\u2028', '\r', '\r\n', '\n', '\t', '\\', '"', "'", '""', ';', ',', '  '],
  ...[
    '0',
    '-1',
    '1e999',
    '0x7f',
    '.5',
    '5.',
    'NaN',
    '-0',
    '00',
    '1_000',
    String(2n ** 128n),
    '9'.repeat(400),
  ],
  ...[
    'null',
    'true',
    '~',
    '__proto__',
    'constructor',
    'toString',
    '[]',
    '{}',
    '[',
    '}',
    ': ',
    '- ',
    '? ',
    '| ',
    '> ',
  ],
  ...['&a ', '*a', '<<: *a\n', '!!binary ', '!!js/function ', '%YAML 9.9\n', '---\n', '...\n', '#'],
  ...[
    '<',
    '>',
    '&',
    '&amp;',
    '&#0;',
    '&#x110000;',
    '&lol;',
    '<!--',
    ']]>',
    '<![CDATA[',
    '<?xml version="1.1"?>',
  ],
  '<!DOCTYPE a [<!ENTITY lol "lol"><!ENTITY l2 "&lol;&lol;">]>',
  '&a [*a, *a]',
  'a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n',
  ...[
    repeated('[', 2000),
    repeated('{"a":', 2000),
    repeated('- ', 2000),
    repeated('<a>', 2000),
    repeated('x', 5000),
  ],
  ...['2026-02-30', '2026-13-01T25:61:61Z', 'EUR', 'XXX', '1.234', '1,5', '\u0660', 'ſ', 'İ', '😀'],
];

/** Words, single separators and runs of white space. */
const tokensOf = (text: string): string[] => text.match(/[\p{L}\p{N}_-]+|\s+|[^\p{L}\p{N}\s_-]/gu) ?? [];

/** A mutant of one of the samples. */
export function mutateText(random: Prng, samples: readonly string[], maxLength: number): string {
  const tokens = tokensOf(random.pick(samples));
  const others = tokensOf(random.pick(samples));
  for (let count = 1 + random.below(5); count > 0; count--) {
    const at = random.below(tokens.length + 1);
    const length = 1 + random.below(random.chance(0.2) ? 60 : 4);
    switch (random.below(7)) {
      case 0:
        tokens.splice(at, length);
        break;
      case 1: {
        const piece = tokens.slice(at, at + length);
        const times = random.chance(0.05) ? 200 : 1 + random.below(3);
        tokens.splice(at, 0, ...Array.from({ length: times }, () => piece).flat());
        break;
      }
      case 2:
        tokens.splice(at, 1, random.pick(spices));
        break;
      case 3:
        tokens.splice(at, 0, random.pick(spices));
        break;
      case 4: {
        const from = random.below(others.length + 1);
        tokens.splice(at, random.below(3), ...others.slice(from, from + length));
        break;
      }
      case 5:
        tokens.splice(at, 1, ...tokens.slice(random.below(tokens.length + 1)).slice(0, 1));
        break;
      default:
        // An indentation, or a quote, that no longer fits.
        tokens.splice(at, 1, random.pick(['\n', '\n ', '\n      ', '"', "'", '\t']));
    }
  }
  return tokens.join('').slice(0, maxLength);
}
