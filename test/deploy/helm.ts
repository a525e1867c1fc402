import { spawnSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';
import { chart } from './generated.js';
import { findTool } from './tools.js';

/** An object of Kubernetes, as far as tests look at it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Spec;
  readonly data?: Readonly<Record<string, string>>;
  readonly automountServiceAccountToken?: boolean;
}

/** Deep in manifests nothing is known of types: tests say what they expect. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Spec = any;

export const helm = findTool('helm');

export interface HelmResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export function runHelm(args: readonly string[], input?: string): HelmResult {
  const { status, stdout, stderr } = spawnSync(helm ?? 'helm', args, {
    encoding: 'utf8',
    input,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { ok: status === 0, stdout, stderr };
}

/** `helm template` with values as YAML or JSON text, over those of files. */
export function template(files: readonly string[], values: object = {}, kubernetes = '1.34.0'): HelmResult {
  const given = files.flatMap((file) => ['--values', file]);
  return runHelm(
    ['template', 'q', chart, '--namespace', 'bank', '--kube-version', kubernetes, ...given, '--values', '-'],
    JSON.stringify(values),
  );
}

/** The objects that it renders. Throws when it refuses the values. */
export function render(
  files: readonly string[],
  values: object = {},
  kubernetes?: string,
): readonly Manifest[] {
  const { ok, stdout, stderr } = template(files, values, kubernetes);
  if (!ok) throw new Error(stderr);
  return manifestsOf(stdout);
}

export function manifestsOf(text: string): readonly Manifest[] {
  return parseAllDocuments(text, { merge: true })
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest): manifest is Manifest => manifest !== null);
}

export function find(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter(
    (item) => item.kind === kind && (name === undefined || item.metadata.name === name),
  );
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new Error(`There are ${found.length} of ${kind} ${name ?? ''}.`);
  return only;
}

/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access -- as said of Spec */
/** Specs of all pods, with the labels that they will have and a name for messages. */
export function podsOf(manifests: readonly Manifest[]): readonly {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: Spec;
}[] {
  return manifests.flatMap(({ kind, metadata, spec }) => {
    const name = `${kind}/${metadata.name}`;
    if (kind === 'Pod') return [{ name, labels: metadata.labels ?? {}, pod: spec }];
    if (!['StatefulSet', 'Deployment', 'Job'].includes(kind)) return [];
    return [{ name, labels: spec.template.metadata.labels, pod: spec.template.spec }];
  });
}
