/**
 * Manifests of the chart against the schemas of the APIs that take them, and the Dockerfile against its linter. A part of
 * `npm run test:deploy` only.
 */
/* eslint-disable @typescript-eslint/no-unsafe-assignment -- a manifest is spread as it is */
import { describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chart } from './generated.js';
import { helm, render, template, type Manifest } from './helm.js';
import { findTool, kubernetesVersions } from './tools.js';

const [kubeconform, schemas, models, hadolint] = (
  ['kubeconform', 'schemas', 'models', 'hadolint'] as const
).map(findTool);
const needs = (...tools: readonly (string | undefined)[]): typeof describe | typeof describe.skip =>
  process.env['QUAESTOR_DEPLOY_TESTS'] === 'all' && !tools.includes(undefined) ? describe : describe.skip;
const examples = readdirSync(`${chart}/ci`).sort();
const optional = { monitoring: { serviceMonitor: { enabled: true }, prometheusRule: { enabled: true } } };
/** Objects that Kubernetes itself does not know. */
const custom = {
  Certificate: 'cert-manager',
  ServiceMonitor: 'prometheus-operator',
  PrometheusRule: 'prometheus-operator',
};

/** What kubeconform has to say, with unknown fields refused; empty when all is well. */
function problems(manifests: string, version: string): string {
  const location = `${schemas ?? ''}/${version}/{{.ResourceKind}}{{.KindSuffix}}.json`;
  const skip = Object.keys(custom).join(',');
  const args = ['-strict', '-schema-location', location, '-skip', skip, '-summary', '-output', 'text'];
  const { status, stdout } = spawnSync(kubeconform ?? '', args, { input: manifests, encoding: 'utf8' });
  return status === 0 && !/Valid: 0/.test(stdout) ? '' : stdout;
}

needs(
  helm,
  kubeconform,
  schemas,
)('the Kubernetes API (needs helm, kubeconform, schemas)', () => {
  for (const version of kubernetesVersions) {
    it.each(examples)(`of ${version} knows every field of %s`, (name) => {
      const { ok, stdout, stderr } = template([`${chart}/ci/${name}`], optional, version);
      expect([ok, stderr]).toEqual([true, '']);
      expect(problems(stdout, version)).toBe('');
    });
  }

  it('would not know a field that is none, or miss one that must be there', () => {
    const { stdout } = template([`${chart}/ci/all-in-one.yaml`]);
    expect(problems(stdout.replace('serviceName:', 'serviceNaem:'), '1.37.0')).toContain('serviceNaem');
    expect(problems(stdout.replace('containerPort: 7050,', ''), '1.37.0')).toContain('containerPort');
  });
});

needs(helm, models)('cert-manager and the Prometheus operator (needs helm, models)', () => {
  const values = `${chart}/ci/one-institution-cert-manager.yaml`;
  const objects = helm === undefined ? [] : render([values], optional).filter(({ kind }) => kind in custom);

  it('take what the chart makes for them', async () => {
    expect(objects.map(({ kind }) => kind).sort()).toEqual([
      'Certificate',
      'Certificate',
      'Certificate',
      'PrometheusRule',
      'ServiceMonitor',
    ]);
    // The models are modules that Jest's own loader does not take: they judge in a process of their own.
    const program = `
      const objects = JSON.parse(process.argv[1]);
      for (const { model, object } of objects) {
        const { [object.kind]: Model } = await import(model);
        new Model(object).validate();
      }`;
    const given = objects.map((object) => ({ model: modelOf(object).url, object }));
    execFileSync(process.execPath, ['--input-type=module', '--eval', program, JSON.stringify(given)], {
      cwd: models,
    });
    await Promise.resolve();
  });

  it('know every field of it', () => {
    // An object literal may have no field that its type lacks: TypeScript refuses unknown ones.
    const literal = (object: Manifest): string => {
      const { kind } = object;
      return `{ const object: import(${JSON.stringify(modelOf(object).name)}).I${kind} = ${JSON.stringify(object)}; void object; }`;
    };
    expect(typeProblems(objects.map(literal).join('\n'))).toBe('');
    const [certificate] = objects.filter(({ kind }) => kind === 'Certificate');
    const wrong = { ...certificate!, spec: { ...certificate!.spec, dnsNaems: [] } };
    expect(typeProblems(literal(wrong))).toContain('dnsNaems');
  });
});

/** The module of an object's model. */
function modelOf({ kind, apiVersion }: Manifest): { readonly name: string; readonly url: string } {
  const name = `@kubernetes-models/${custom[kind as keyof typeof custom]}/${apiVersion}/${kind}`;
  return { name, url: pathToFileURL(join(models ?? '', 'node_modules', `${name}.js`)).href };
}

function typeProblems(program: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'quaestor-models-'));
  try {
    writeFileSync(join(folder, 'objects.ts'), `export {};\n${program}\n`);
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    symlinkSync(join(models ?? '', 'node_modules'), join(folder, 'node_modules'));
    const args = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
      'objects.ts',
    ];
    const { stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...args], {
      cwd: folder,
      encoding: 'utf8',
    });
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

needs(hadolint)('the Dockerfile (needs hadolint)', () => {
  const lint = (input: string): string =>
    spawnSync(hadolint ?? '', ['--failure-threshold', 'style', '-'], { input, encoding: 'utf8' }).stdout;

  it('is without fault', () => {
    expect(execFileSync(hadolint ?? '', ['deploy/docker/Dockerfile'], { encoding: 'utf8' })).toBe('');
    expect(lint('FROM debian\nRUN cd /x\n')).toContain('DL3006');
  });
});
