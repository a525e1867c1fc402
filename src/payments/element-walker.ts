import { didYouMean } from '../config/suggest.js';
import type { ElementSpec, GroupSpec } from './pain001-grammar.js';
import { quote } from './instruction.js';
import type { PaymentProblem, PaymentProblemCode } from './types.js';

/** The texts of one record (header, block or transaction) by their path, and what is wrong with its structure. */
export class ElementRecord {
  /** Line of the start tag. */
  readonly line: number;
  readonly problems: PaymentProblem[] = [];
  readonly #texts = new Map<string, string[]>();
  readonly #groups = new Set<string>();
  #length = 0;

  constructor(line: number) {
    this.line = line;
  }

  /** The text at a path, for example "CdtrAcct/Id/IBAN", or undefined. */
  text(path: string): string | undefined {
    return this.#texts.get(path)?.[0];
  }

  /** All texts at a path that may come several times. */
  texts(path: string): readonly string[] {
    return this.#texts.get(path) ?? [];
  }

  /** Whether there was such an element, with whatever content. */
  has(path: string): boolean {
    return this.#texts.has(path) || this.#groups.has(path);
  }

  noteElement(path: string): void {
    this.#groups.add(path);
  }

  noteText(path: string, text: string): void {
    this.#length += text.length;
    // A record with more text than any real one has is bad as a whole; what is left out need not be kept.
    if (this.#length > maxRecordLength) {
      if (this.#length - text.length <= maxRecordLength)
        this.add('TOO_LONG', path, 'Found too much text in all.');
      return;
    }
    const texts = this.#texts.get(path);
    if (texts === undefined) this.#texts.set(path, [text]);
    else texts.push(text);
  }

  add(code: PaymentProblemCode, field: string, message: string): void {
    if (this.problems.length < maxProblems) this.problems.push({ code, field, message });
  }
}

const maxRecordLength = 32 * 1024;
const maxProblems = 20;
/** Longest text of one element that is kept while it is read; longer ones are refused anyway. */
const maxKeptText = 4 * 1024;

/** One open element. */
export interface Frame {
  readonly name: string;
  readonly spec: ElementSpec;
  /** Path from its record; empty for the record itself. */
  readonly path: string;
  readonly record: ElementRecord;
  /** Position in the group's children that has been reached, and how often the child there came. */
  at: number;
  count: number;
  /** Positions that had a child. */
  readonly seen: Set<number>;
  /** Positions below this one were looked at for children that are missing. */
  checked: number;
  text: string;
}

export function frameOf(name: string, spec: ElementSpec, path: string, record: ElementRecord): Frame {
  return { name, spec, path, record, at: -1, count: 0, seen: new Set(), checked: 0, text: '' };
}

/** Where an element stands for its parent, and what is wrong with that. `undefined`: it is not known there. */
export function enterChild(parent: Frame, name: string): ElementSpec | undefined {
  const { spec, record } = parent;
  const path = join(parent.path, name);
  if (spec.kind === 'leaf') {
    record.add('STRUCTURE', path, `Found an element; ${parent.name} has text only.`);
    return undefined;
  }
  if (spec.kind === 'skip') return spec;
  const index = spec.indexes.get(name);
  const child = index === undefined ? undefined : spec.children[index];
  if (index === undefined || child === undefined) {
    const known = [...spec.indexes.keys()];
    record.add('STRUCTURE', path, `This element is not known in ${parent.name}.${didYouMean(name, known)}`);
    return undefined;
  }
  if (index < parent.at) {
    record.add(
      'STRUCTURE',
      path,
      `Found it after ${spec.children[parent.at]?.name ?? ''}; expected it before.`,
    );
  }
  parent.count = index === parent.at ? parent.count + 1 : 1;
  parent.at = Math.max(parent.at, index);
  parent.seen.add(index);
  if (parent.count > child.max) {
    record.add('STRUCTURE', path, `Found it more than ${child.max === 1 ? 'once' : `${child.max} times`}.`);
  }
  if (spec.choice && parent.seen.size > 1) {
    record.add(
      'STRUCTURE',
      path,
      `Found a second choice; expected one of ${[...spec.indexes.keys()].join(', ')}.`,
    );
  }
  return child.spec;
}

export function addText(frame: Frame, text: string): void {
  if (frame.spec.kind === 'leaf') {
    if (frame.text.length <= maxKeptText) frame.text += text.slice(0, maxKeptText + 1);
  } else if (frame.spec.kind === 'group' && /[^ \t\r\n]/.test(text)) {
    frame.record.add(
      'STRUCTURE',
      frame.path || frame.name,
      `Found the text ${quote(text.trim())}; expected elements.`,
    );
  }
}

/** Takes over the text of a leaf, or reports what a group lacks. */
export function finish(frame: Frame): void {
  const { spec, record, path } = frame;
  if (spec.kind === 'leaf') {
    const text = frame.text.trim();
    if (text === '') {
      record.add('MISSING', path, 'Found an empty element; expected a text.');
    } else if (text.length > spec.maxLength && codePoints(text) > spec.maxLength) {
      record.add('TOO_LONG', path, `Found ${quote(text)}; expected at most ${spec.maxLength} characters.`);
    }
    record.noteText(path, text);
  } else if (spec.kind === 'group') {
    reportMissing(frame, spec, spec.children.length);
  }
}

/** Reports the children before a position that have to be there and are not. */
export function reportMissing(frame: Frame, spec: GroupSpec, before: number): void {
  if (spec.choice) {
    if (frame.seen.size === 0) {
      const names = [...spec.indexes.keys()].join(', ');
      frame.record.add('MISSING', frame.path || frame.name, `Found nothing; expected one of ${names}.`);
    }
    return;
  }
  for (; frame.checked < before; frame.checked++) {
    const child = spec.children[frame.checked];
    if (child?.min === 1 && !frame.seen.has(frame.checked)) {
      frame.record.add('MISSING', join(frame.path, child.name), 'Found nothing; expected this element.');
    }
  }
}

/** Characters as the schema counts them. */
function codePoints(text: string): number {
  return Array.from(text).length;
}

export function join(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`;
}
