/** What the dashboards show, as data: made into Grafana's JSON by grafana.ts, and drawn for docs/ by pictures.ts. */

export interface Query {
  /** PromQL with Grafana's variables $network, $validator and $__rate_interval. */
  readonly expr: string;
  /** Name of a series, with labels in double braces. */
  readonly legend: string;
  /** It gives nothing while all is well; elsewhere a query without data is a broken one. */
  readonly quiet?: boolean;
}

/** Units of Grafana. */
export type Unit =
  'short' | 's' | 'bytes' | 'Bps' | 'ops' | 'reqps' | 'percentunit' | 'dateTimeFromNow' | 'none';

export interface Panel {
  readonly title: string;
  /** What it answers, for whoever sees it for the first time. */
  readonly description: string;
  readonly kind: 'timeseries' | 'stat';
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Red from (or, `below`, under) this value on. */
  readonly alarm?: { readonly value: number; readonly below?: boolean };
  readonly stacked?: boolean;
  /** Of 24 columns. Default 8 for a graph, 4 for a value. */
  readonly width?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Name of the file and id in addresses: quaestor-NAME. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

/** Series of the chosen network, of all its nodes. */
export const ofNetwork = 'network="$network"';
/** Series of the chosen nodes. */
export const ofValidators = 'network="$network",validator=~"$validator"';

export const query = (expr: string, legend = '{{validator}}'): Query => ({ expr, legend });
/** A query that gives nothing while all is well. */
export const trouble = (expr: string, legend = '{{validator}}'): Query => ({ expr, legend, quiet: true });

/** A quantile of a histogram of a node, by the labels that are kept. */
export const quantile = (q: number, metric: string, by = 'validator'): string =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${metric}_bucket{${ofValidators}}[$__rate_interval])))`;

/** What a counter of a node grows by in a second. */
export const rate = (metric: string, labels = ''): string =>
  `rate(${metric}{${ofValidators}${labels === '' ? '' : `,${labels}`}}[$__rate_interval])`;

export const graph = (
  title: string,
  description: string,
  unit: Unit,
  queries: readonly Query[],
  more: Partial<Panel> = {},
): Panel => ({ title, description, kind: 'timeseries', unit, queries, ...more });

export const value = (
  title: string,
  description: string,
  unit: Unit,
  queries: readonly Query[],
  more: Partial<Panel> = {},
): Panel => ({ title, description, kind: 'stat', unit, queries, ...more });

/** An expression with values in the place of Grafana's variables. */
export const filledIn = (
  expr: string,
  values: { readonly network: string; readonly validator: string; readonly rate: string },
): string =>
  expr
    .replaceAll('$network', values.network)
    .replaceAll('$validator', values.validator)
    .replaceAll('$__rate_interval', values.rate);
