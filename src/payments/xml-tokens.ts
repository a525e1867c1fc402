import { SaxesParser } from 'saxes';
import { UnfitFile } from './text-source.js';

/** Takes the parts of a document in order. */
export interface XmlSink {
  /** An element starts; `attributes` are those without a namespace. */
  open(name: string, namespace: string, attributes: ReadonlyMap<string, string>, line: number): void;
  /** Text between tags, in one or several parts. */
  text(text: string): void;
  close(line: number): void;
}

/** Deeper nesting is refused; pain.001.001.09 needs less than 20. */
const maxDepth = 40;
/** Longest piece between two parts of the document (text, comment, tag): bounds what the parser holds. */
const maxTokenLength = 64 * 1024;
const maxAttributes = 16;

/**
 * A namespace-aware XML parser that holds a bounded amount and understands no document type: no DTD, no entity but the
 * five of XML and numbers, so that nothing can be expanded or fetched. Throws UnfitFile at the first fault.
 */
export class XmlTokens {
  readonly #parser = new SaxesParser({ xmlns: true, position: true });
  readonly #sink: XmlSink;
  #depth = 0;
  #attributes = 0;
  /** Text given to the parser since it last reported a part. */
  #pending = 0;

  constructor(sink: XmlSink) {
    this.#sink = sink;
    const parser = this.#parser;
    parser.on('xmldecl', ({ encoding }) => {
      this.#pending = 0;
      if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) {
        this.#fail('MALFORMED', `Found the encoding ${encoding}; expected UTF-8.`);
      }
    });
    parser.on('doctype', () => {
      this.#fail(
        'FORBIDDEN',
        'Found a document type declaration (DOCTYPE); payments files must not have one.',
      );
    });
    parser.on('opentagstart', () => {
      this.#pending = 0;
      this.#attributes = 0;
      if (++this.#depth > maxDepth) {
        this.#fail('FORBIDDEN', `Found elements nested deeper than ${maxDepth}; expected a payments file.`);
      }
    });
    parser.on('attribute', () => {
      this.#pending = 0;
      if (++this.#attributes > maxAttributes) {
        this.#fail('FORBIDDEN', `Found more than ${maxAttributes} attributes on one element.`);
      }
    });
    parser.on('opentag', (tag) => {
      this.#pending = 0;
      const attributes = new Map<string, string>();
      for (const { local, uri, value } of Object.values(tag.attributes)) {
        if (uri === '') attributes.set(local, value);
      }
      this.#sink.open(tag.local, tag.uri, attributes, parser.line);
    });
    parser.on('closetag', () => {
      this.#pending = 0;
      this.#depth--;
      this.#sink.close(parser.line);
    });
    const text = (value: string): void => {
      this.#pending = 0;
      if (this.#depth > 0) this.#sink.text(value);
    };
    parser.on('text', text);
    parser.on('cdata', text);
    parser.on('comment', () => {
      this.#pending = 0;
    });
    parser.on('processinginstruction', () => {
      this.#pending = 0;
    });
    parser.on('error', (error) => {
      const reason = error.message.replace(/^\d+:\d+: /, '').replace(/\.$/, '');
      this.#fail('MALFORMED', `The XML is not well-formed: ${reason}.`);
    });
  }

  line(): number {
    return this.#parser.line;
  }

  write(text: string): void {
    this.#pending += text.length;
    this.#parser.write(text);
    if (this.#pending > maxTokenLength) {
      this.#fail('TOO_LARGE', `Found a text or tag of more than ${maxTokenLength} characters.`);
    }
  }

  /** The document is complete. */
  end(): void {
    this.#parser.close();
  }

  #fail(code: UnfitFile['problem']['code'], message: string): never {
    throw new UnfitFile(code, this.#parser.line, message);
  }
}
