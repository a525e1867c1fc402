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

export const rulesFile = 'deploy/prometheus/rules.yaml';

function rules(): readonly (AlertRule | RecordingRule)[] {
  return (parse(readFileSync(rulesFile, 'utf8')) as RuleFile).groups.flatMap((group) => group.rules);
}

export const alertRules = (): readonly AlertRule[] => rules().filter((rule) => 'alert' in rule);
export const recordingRules = (): readonly RecordingRule[] => rules().filter((rule) => 'record' in rule);

/** Names of metrics of a node in an expression; recorded ones with their colons. */
export function metricsIn(expression: string): readonly string[] {
  const known = /(?:\b[a-z]+:)?\b(?:quaestor|process|nodejs)_[a-z0-9_]+(?::[a-z0-9_]+)?/g;
  return expression.match(known) ?? [];
}
