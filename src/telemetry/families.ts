import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

/** The values that a label may have: a closed set, or at most `max` different ones, whatever comes first. */
export type LabelSpec<Value extends string = string> =
  { readonly values: readonly Value[] } | { readonly max: number };
export type LabelSpecs = Readonly<Record<string, LabelSpec>>;

/** Labels of a family: the closed sets by their values, the others as text. */
export type Labels<Specs extends LabelSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends { readonly values: readonly (infer Value)[] }
    ? Value
    : string;
};

/** What a label that has run out of values says. */
export const otherLabel = 'other';

/** A closed set of label values. */
export const oneOf = <const Value extends string>(
  ...values: readonly Value[]
): { readonly values: readonly Value[] } => ({ values });

/** A label whose values belong to another layer: at most `max` of them, then "other". */
export const atMost = (max: number): { readonly max: number } => ({ max });

/** A count that only grows. Counting is an addition; Prometheus's forms are made when it scrapes. */
export interface CounterCell {
  inc(by?: number): void;
  /** For a total that is kept elsewhere: counts what it has grown by since the last call. */
  raiseTo(total: number): void;
}

/** A value that goes up and down. */
export interface GaugeCell {
  set(value: number): void;
  inc(by?: number): void;
  dec(by?: number): void;
  /** Leaves the series out until it is set again: what it was about is gone. */
  clear(): void;
}

/** A distribution. Durations are in seconds. */
export interface HistogramCell {
  observe(value: number): void;
}

/** Cells by their labels. Keep a cell that is used often: finding it costs more than counting. */
export interface Family<Specs extends LabelSpecs, Cell> {
  with(labels: Labels<Specs>): Cell;
}

/** What is known of a metric without running anything. */
export interface MetricDeclaration {
  /** With the prefix. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly unit: MetricUnit;
  readonly labels: LabelSpecs;
  /** Upper bounds of a histogram's buckets, ascending. */
  readonly buckets?: readonly number[];
}

/** Base units of Prometheus; `one` is a count, a height or a truth value. */
export type MetricUnit = 'seconds' | 'bytes' | 'ratio' | 'one';

const prefix = 'quaestor_';

/** The unit that a name ends in, before the suffix of counters. */
function unitOf(name: string): MetricUnit {
  const [, unit] = /_(seconds|bytes|ratio)(_total)?$/.exec(name) ?? [];
  return (unit as MetricUnit | undefined) ?? 'one';
}

/** Declares metrics on one registry. */
export class MetricBuilder {
  /** Everything that was declared, in order. */
  readonly declarations: MetricDeclaration[] = [];
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  counter(name: string, help: string): CounterCell {
    return this.counterBy(name, help, {}).with({});
  }

  counterBy<const Specs extends LabelSpecs>(
    name: string,
    help: string,
    labels: Specs,
  ): Family<Specs, CounterCell> {
    const cells: CountedCell[] = [];
    const counter = new Counter({
      ...this.#declare({ name, help, type: 'counter' }, labels),
      collect() {
        for (const cell of cells) cell.flush(this);
      },
    });
    return new CellFamily(labels, (values) => {
      counter.inc(values, 0);
      const cell = new CountedCell(values);
      cells.push(cell);
      return cell;
    });
  }

  gauge(name: string, help: string): GaugeCell {
    return this.gaugeBy(name, help, {}).with({});
  }

  gaugeBy<const Specs extends LabelSpecs>(
    name: string,
    help: string,
    labels: Specs,
  ): Family<Specs, GaugeCell> {
    const cells: SetCell[] = [];
    const gauge = new Gauge({
      ...this.#declare({ name, help, type: 'gauge' }, labels),
      collect() {
        for (const cell of cells) cell.flush(this);
      },
    });
    // A gauge without a value yet is left out of the page, where a 0 would be a lie; prom-client starts with one.
    gauge.remove({});
    return new CellFamily(
      labels,
      (values) => {
        const cell = new SetCell(values);
        cells.push(cell);
        return cell;
      },
      false,
    );
  }

  histogram(name: string, help: string, buckets: readonly number[]): HistogramCell {
    return this.histogramBy(name, help, buckets, {}).with({});
  }

  histogramBy<const Specs extends LabelSpecs>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels: Specs,
  ): Family<Specs, HistogramCell> {
    const declared = this.#declare({ name, help, type: 'histogram', buckets }, labels);
    const histogram = new Histogram({ ...declared, buckets: [...buckets] });
    return new CellFamily(labels, (values) => {
      histogram.zero(values);
      return { observe: (value) => histogram.observe(values, value) };
    });
  }

  #declare(declaration: Omit<MetricDeclaration, 'unit' | 'labels'>, labels: LabelSpecs) {
    const { help } = declaration;
    const name = prefix + declaration.name;
    this.declarations.push({ ...declaration, name, unit: unitOf(name), labels });
    return { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
  }
}

/** Most series of closed sets that are shown as 0 before they are first counted. */
const maxPrepared = 128;

class CellFamily<Specs extends LabelSpecs, Cell> implements Family<Specs, Cell> {
  readonly #labels: readonly {
    readonly name: string;
    readonly spec: LabelSpec;
    readonly seen: Set<string>;
  }[];
  readonly #make: (values: Record<string, string>) => Cell;
  readonly #cells = new Map<string, Cell>();

  constructor(specs: Specs, make: (values: Record<string, string>) => Cell, prepare = true) {
    this.#labels = Object.entries(specs).map(([name, spec]) => ({
      name,
      spec,
      seen: new Set('values' in spec ? spec.values : []),
    }));
    this.#make = make;
    if (prepare) this.#prepare();
  }

  with(labels: Labels<Specs>): Cell {
    const values: Record<string, string> = {};
    let key = '';
    for (const { name, spec, seen } of this.#labels) {
      let value: string = (labels as Record<string, string>)[name] ?? otherLabel;
      if (!seen.has(value)) {
        if ('max' in spec && seen.size < spec.max) seen.add(value);
        else value = otherLabel;
      }
      values[name] = value;
      key += `${value}\0`;
    }
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = this.#make(values);
      this.#cells.set(key, cell);
    }
    return cell;
  }

  /** Makes the series of closed sets at once, so that a rate over them starts at 0. */
  #prepare(): void {
    let combinations: Record<string, string>[] = [{}];
    for (const { name, spec } of this.#labels) {
      if (!('values' in spec) || combinations.length * spec.values.length > maxPrepared) return;
      combinations = combinations.flatMap((before) =>
        spec.values.map((value) => ({ ...before, [name]: value })),
      );
    }
    for (const labels of combinations) this.with(labels as Labels<Specs>);
  }
}

class CountedCell implements CounterCell {
  readonly #values: Record<string, string>;
  #total = 0;
  #shown = 0;

  constructor(values: Record<string, string>) {
    this.#values = values;
  }

  inc(by = 1): void {
    this.#total += by;
  }

  raiseTo(total: number): void {
    if (total > this.#total) this.#total = total;
  }

  flush(counter: Counter): void {
    if (this.#total > this.#shown) counter.inc(this.#values, this.#total - this.#shown);
    this.#shown = this.#total;
  }
}

class SetCell implements GaugeCell {
  readonly #values: Record<string, string>;
  #value: number | undefined;

  constructor(values: Record<string, string>) {
    this.#values = values;
  }

  set(value: number): void {
    this.#value = value;
  }

  inc(by = 1): void {
    this.#value = (this.#value ?? 0) + by;
  }

  dec(by = 1): void {
    this.inc(-by);
  }

  clear(): void {
    this.#value = undefined;
  }

  flush(gauge: Gauge): void {
    if (this.#value === undefined) gauge.remove(this.#values);
    else gauge.set(this.#values, this.#value);
  }
}
