/** Files of the Helm chart that follow from other files of the repository. */
import { format } from 'prettier';
import { configSchema } from './config-schema.js';

export const chart = 'deploy/helm/quaestor';
export const valuesSchemaFile = `${chart}/values.schema.json`;
/** Alerting and recording rules, as Prometheus reads them. */
export const rulesFile = 'deploy/prometheus/rules.yaml';
export const chartRulesFile = `${chart}/files/rules.yaml`;

/** Paths from the repository's top folder, each with the text that the file must have. */
export async function generatedFiles(read: (path: string) => string): Promise<readonly [string, string][]> {
  const schema = JSON.parse(read(valuesSchemaFile)) as { properties: Record<string, unknown> };
  schema.properties['config'] = configSchema(read('configs/validator.yaml'));
  return [
    [valuesSchemaFile, await format(JSON.stringify(schema), { parser: 'json', printWidth: 110 })],
    [chartRulesFile, read(rulesFile)],
  ];
}
