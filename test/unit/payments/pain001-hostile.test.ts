import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readPain001 } from '../../../src/payments/index.js';
import type { PaymentOrError } from '../../../src/payments/index.js';
import { block, file, namespace, pieces, read, short, transaction } from './pain001-file.js';

const good = file([block([transaction(), transaction()])]);

/** The last item, which has to be a problem of the file. */
async function fault(text: string, options = {}): Promise<string> {
  return short(await read(text, options)).at(-1) ?? 'nothing';
}

describe('a hostile or broken file is refused as a whole', () => {
  it('with entities that multiply (billion laughs)', async () => {
    const levels = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`);
    const prolog = `<?xml version="1.0"?><!DOCTYPE Document [<!ENTITY l0 "lol">${levels.join('')}]>`;
    expect(await fault(file([block([transaction({ endToEndId: '&l9;' })])], { prolog }))).toMatch(
      /^file FORBIDDEN Found a document type declaration/,
    );
  });

  it('with an external entity or an external DTD', async () => {
    for (const doctype of [
      '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
      '<!DOCTYPE Document SYSTEM "http://attacker.example/x.dtd">',
    ]) {
      expect(await fault(file([block([transaction({ endToEndId: '&x;' })])], { prolog: doctype }))).toMatch(
        /^file FORBIDDEN/,
      );
    }
  });

  it('with an entity that nobody declared', async () => {
    expect(await fault(file([block([transaction({ endToEndId: '&x;' })])]))).toMatch(
      /^file MALFORMED .*entity/,
    );
  });

  it('with elements nested without end, without reading it to its end', async () => {
    const source = pieces(good.replace('<Nm>Treasury</Nm>', `<Id>${'<a>'.repeat(200_000)}`), 1000);
    const items: PaymentOrError[] = [];
    for await (const item of readPain001(source)) items.push(item);
    expect(short(items)).toEqual([expect.stringMatching(/^file FORBIDDEN Found elements nested deeper/)]);
    expect(source.taken).toBeLessThan(5);
  });

  it.each([
    ['a text', (junk: string) => good.replace('Treasury', junk)],
    ['a skipped text', (junk: string) => good.replace('<Nm>Treasury</Nm>', `<Id>${junk}</Id>`)],
    ['a comment', (junk: string) => good.replace('<GrpHdr>', `<!--${junk}--><GrpHdr>`)],
    ['a tag', (junk: string) => good.replace('<GrpHdr>', `<${junk}/><GrpHdr>`)],
    ['an attribute', (junk: string) => good.replace('<GrpHdr>', `<GrpHdr a="${junk}">`)],
    ['a CDATA section', (junk: string) => good.replace('Treasury', `<![CDATA[${junk}]]>`)],
    ['a processing instruction', (junk: string) => good.replace('<GrpHdr>', `<?a ${junk}?><GrpHdr>`)],
    ['a document type', (junk: string) => good.replace('<Document', `<!DOCTYPE ${junk}><Document`)],
  ])('with %s without end, holding only a bounded part of it', async (_, build) => {
    const source = pieces(build('x'.repeat(2_000_000)), 4096);
    const items: PaymentOrError[] = [];
    for await (const item of readPain001(source)) items.push(item);
    expect(short(items)).toEqual([expect.stringMatching(/^file TOO_LARGE Found a text or tag of more than/)]);
    expect(source.taken).toBeLessThan(25);
  });

  it('with attributes without number', async () => {
    const attributes = Array.from({ length: 100 }, (_, n) => `a${n}="1"`).join(' ');
    expect(await fault(good.replace('<GrpHdr>', `<GrpHdr ${attributes}>`))).toMatch(
      /^file FORBIDDEN .*attributes/,
    );
  });

  it.each([
    ['in the middle of a payment', -200],
    ['before the last tag', -12],
    ['after the header', 400],
  ])('when it is cut off %s', async (_, end) => {
    expect(await fault(good.slice(0, end))).toMatch(/^file MALFORMED .*unclosed tag/);
  });

  it.each([
    ['of another version', namespace.replace('.09', '.03')],
    ['of another message', 'urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08'],
    ['that is empty', ''],
  ])('with a namespace %s', async (_, other) => {
    expect(await fault(file([block([transaction()])], { namespace: other }))).toMatch(/^file WRONG_FORMAT/);
  });

  it.each([
    ['another root', '<html><body/></html>', 'WRONG_FORMAT'],
    ['no element', '<?xml version="1.0"?>', 'MALFORMED'],
    ['nothing', '', 'MALFORMED'],
    ['no payments', file([]), 'MALFORMED'],
    ['an empty block', file([block([])]), 'EMPTY'],
    ['a second root', `${good}<Document/>`, 'MALFORMED'],
    ['another encoding', good.replace('UTF-8', 'ISO-8859-1'), 'MALFORMED'],
    ['an unknown element beside the blocks', good.replace('<PmtInf>', '<Extra/><PmtInf>'), 'MALFORMED'],
    ['no header', good.replace(/<GrpHdr>.*<\/GrpHdr>/s, ''), 'MALFORMED'],
    ['a header without an id', good.replace('<MsgId>MSG-1</MsgId>', ''), 'HEADER'],
    ['a header with a wrong time', good.replace('2026-11-02T07', '2026-11-32T07'), 'HEADER'],
    ['the debtor after its payments', good.replace('</PmtInf>', '<Dbtr/></PmtInf>'), 'HEADER'],
  ])('with %s', async (_, text, code) => {
    const items = await read(text);
    expect(items.some((item) => item.kind === 'file' && item.problem.code === code)).toBe(true);
  });

  it('when its bytes are not UTF-8', async () => {
    // eslint-disable-next-line @typescript-eslint/require-await -- a source is asynchronous
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(good.replace('Treasury', 'Tr\u00e9sorerie'), 'latin1');
    }
    const items: PaymentOrError[] = [];
    for await (const item of readPain001(source())) items.push(item);
    expect(short(items)).toEqual([expect.stringMatching(/^file MALFORMED .*UTF-8/)]);
  });

  it('when it is larger or has more payments than allowed', async () => {
    expect(await fault(good, { maxBytes: 500 })).toMatch(/^file TOO_LARGE The file is larger than 500 bytes/);
    expect(await fault(good, { maxPayments: 1 })).toMatch(/^file TOO_LARGE Found more than 1 payments/);
    expect(await fault(good, { maxPayments: 2 })).toMatch(/^payment 2/);
  });

  it('never throws, whatever is changed in it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            at: fc.nat(good.length),
            remove: fc.nat(40),
            insert: fc.oneof(
              fc.string({ maxLength: 8 }),
              fc.constantFrom('<', '</', '>', '&', ']]>', '<!--', '<PmtInf>'),
            ),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        async (edits) => {
          let text = good;
          for (const { at, remove, insert } of edits)
            text = text.slice(0, at) + insert + text.slice(at + remove);
          const items = await read(text);
          expect(items.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 300, seed: 20022 },
    );
  });
});
