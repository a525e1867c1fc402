/** Grafana's JSON of a dashboard, by Grafana's own library. */
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
  type DataSourceRef,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { BigValueTextMode, BigValueColorMode } from '@grafana/grafana-foundation-sdk/common';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { capacity } from './capacity.js';
import { ledger } from './ledger.js';
import { network } from './network.js';
import type { Dashboard, Panel, Query } from './panel.js';
import { validator } from './validator.js';

export const dashboards: readonly Dashboard[] = [network, validator, ledger, capacity];

const source: DataSourceRef = { type: 'prometheus', uid: '${datasource}' };

/** Height of a panel in rows of the grid. */
const [graphHeight, statHeight] = [8, 4];

/** The JSON that Grafana provisions. */
export function grafanaJson(dashboard: Dashboard): string {
  // The schema after it is read by the newest versions of Grafana only; this one by all that are in use.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const builder = new DashboardBuilder(dashboard.title)
    .uid(`quaestor-${dashboard.name}`)
    .description(dashboard.description)
    .tags(['quaestor'])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh('30s')
    .time({ from: 'now-1h', to: 'now' })
    .timezone('browser')
    .link(
      new DashboardLinkBuilder('Quaestor')
        .type(DashboardLinkType.Dashboards)
        .tags(['quaestor'])
        .keepTime(true)
        .includeVars(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Source').type('prometheus'))
    .withVariable(variable('network', 'Network', 'label_values(quaestor_build_info, network)'))
    .withVariable(
      variable('validator', 'Node', 'label_values(quaestor_build_info{network="$network"}, validator)')
        .multi(true)
        .includeAll(true)
        .allValue('.*'),
    );
  for (const row of dashboard.rows) {
    builder.withRow(new RowBuilder(row.title));
    for (const panel of row.panels)
      builder.withPanel(panel.kind === 'stat' ? stat(panel) : timeseries(panel));
  }
  return `${JSON.stringify(builder.build(), undefined, 2)}\n`;
}

function variable(name: string, label: string, expression: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(source)
    .query(expression)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.NaturalAsc);
}

function targets(queries: readonly Query[], instant: boolean): DataqueryBuilder[] {
  return queries.map(({ expr, legend }, index) => {
    const target = new DataqueryBuilder()
      .expr(expr)
      .legendFormat(legend)
      .refId(String.fromCharCode(65 + index));
    return instant ? target.instant() : target.range();
  });
}

function thresholds({ alarm }: Panel): ThresholdsConfigBuilder {
  const [low, high] = alarm?.below === true ? ['red', 'green'] : ['green', 'red'];
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([
      { value: null, color: alarm === undefined ? 'green' : low },
      ...(alarm === undefined ? [] : [{ value: alarm.value, color: high }]),
    ]);
}

function timeseries(panel: Panel): TimeseriesBuilder {
  const builder = new TimeseriesBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .unit(panel.unit)
    .min(0)
    .span(panel.width ?? 8)
    .height(graphHeight)
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(panel.stacked === true ? 30 : 5)
    .thresholds(thresholds(panel))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (panel.stacked === true)
    builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  for (const target of targets(panel.queries, false)) builder.withTarget(target);
  return builder;
}

function stat(panel: Panel): StatBuilder {
  const named = panel.queries.some(({ legend }) => legend.includes('{{version}}'));
  const builder = new StatBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .unit(panel.unit)
    .span(panel.width ?? 4)
    .height(statHeight)
    .colorMode(panel.alarm === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .textMode(named || panel.title === 'Primary' ? BigValueTextMode.Name : BigValueTextMode.Auto)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(thresholds(panel));
  for (const target of targets(panel.queries, true)) builder.withTarget(target);
  return builder;
}
