/** The rules of deploy/prometheus as data. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

interface RuleFile {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly (AlertRule | RecordingRule)[];
  }[];
}

const folder = 'deploy/prometheus/rules';

export const ruleFiles = [`${folder}/recording.yml`, `${folder}/alerts.yml`] as const;

function rulesOf(path: string): readonly (AlertRule | RecordingRule)[] {
  return (parse(readFileSync(path, 'utf8')) as RuleFile).groups.flatMap(({ rules }) => rules);
}

export const alertRules = (): readonly AlertRule[] =>
  rulesOf(`${folder}/alerts.yml`).filter((rule) => 'alert' in rule);
export const recordingRules = (): readonly RecordingRule[] =>
  rulesOf(`${folder}/recording.yml`).filter((rule) => 'record' in rule);

/** Names of metrics of a node in an expression; recorded ones with their colons. */
export function metricsIn(expression: string): readonly string[] {
  const known = /(?:\b[a-z]+:)?\b(?:quaestor|process|nodejs)_[a-z0-9_]+(?::[a-z0-9_]+)?/g;
  return expression.match(known) ?? [];
}
