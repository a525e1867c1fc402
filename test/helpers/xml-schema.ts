/** Validates XML against the published schemas of test/vectors/iso20022. */
import { readFileSync } from 'node:fs';
import { XmlDocument, XsdValidator } from 'libxml2-wasm';

/** Why a document does not fit its schema, and its values by XPath; elements are named without their namespace. */
export class CheckedXml {
  readonly #document: XmlDocument;

  constructor(text: string) {
    this.#document = XmlDocument.fromString(text);
  }

  /** Undefined when it is valid. */
  problem(schema: string): string | undefined {
    const xsd = XmlDocument.fromBuffer(readFileSync(`test/vectors/iso20022/${schema}.xsd`));
    const validator = XsdValidator.fromDoc(xsd);
    try {
      validator.validate(this.#document);
      return undefined;
    } catch (error) {
      return String(error);
    } finally {
      validator.dispose();
      xsd.dispose();
    }
  }

  /** Texts of all elements at a path such as "Stmt/Ntry/Amt". */
  texts(path: string): string[] {
    const steps = path.split('/').map((name) => `*[local-name()='${name}']`);
    return this.#document.find(`//${steps.join('/')}`).map((node) => node.content.trim());
  }
}
