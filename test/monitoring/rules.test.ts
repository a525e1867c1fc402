import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { buildProgram } from '../../src/cli/program.js';
import { logCodes } from '../../src/telemetry/index.js';
import { faultTests } from './fault-tests.js';
import { installed } from './installed.js';
import { declaredMetrics } from './pages.js';
import { alertRules, metricsIn, recordingRules, rulesFile } from './rules.js';

const { own, process: standard } = declaredMetrics();

/** Names of all series that a node shows. */
const series = new Set([
  ...own.flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
  ...standard.map(({ name }) => name),
]);
const recorded = new Set(recordingRules().map(({ record }) => record));
const ruleTests = ['alerts', 'slow-alerts'].map((name) => `deploy/prometheus/tests/${name}.yml`);
const severities = ['critical', 'warning', 'info'];

describe('the rules', () => {
  it('use metrics that a node declares, with labels that these have', () => {
    const labelsOf = new Map(
      own.flatMap(({ name, labels }) =>
        [name, `${name}_bucket`].map((each) => [each, Object.keys(labels)] as const),
      ),
    );
    for (const { expr } of [...alertRules(), ...recordingRules()]) {
      for (const name of metricsIn(expr)) {
        expect([expr, name, recorded.has(name) || series.has(name)]).toEqual([expr, name, true]);
      }
      for (const [, name = '', matchers = ''] of expr.matchAll(/(quaestor_\w+)\{([^}]*)\}/g)) {
        const known = ['network', 'validator', 'le', ...(labelsOf.get(name) ?? [])];
        for (const [, label = ''] of matchers.matchAll(/(\w+)\s*[=!]/g)) expect(known).toContain(label);
      }
    }
  });

  it('record nothing that nobody reads', () => {
    if (!existsSync('deploy/grafana')) return;
    const dashboards = readdirSync('deploy/grafana', { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.json'))
      .map((name) => readFileSync(`deploy/grafana/${name}`, 'utf8'));
    const readers = [...alertRules(), ...recordingRules()].map(({ expr }) => expr).concat(dashboards);
    const unread = [...recorded].filter((name) => !readers.some((text) => text.includes(name)));
    expect(unread).toEqual([]);
  });

  it('say of every alert how urgent it is, what it means for whom, and where its runbook is', () => {
    for (const { alert, labels, annotations } of alertRules()) {
      expect(alert).toMatch(/^Quaestor[A-Z]\w+$/);
      expect(severities).toContain(labels['severity']);
      for (const name of ['summary', 'description'])
        expect([alert, annotations[name]]).toEqual([alert, expect.stringMatching(/^[A-Z{\d].*\.$/s)]);
      expect(annotations['runbook_url']).toBe(`docs/runbooks/${alert}.md`);
    }
    const names = alertRules().map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
  });

  it('have a test that lets each alert fire and one that keeps it quiet', () => {
    const page = ruleTests.map((path) => readFileSync(path, 'utf8')).join('');
    for (const { alert } of alertRules()) {
      expect(page).toContain(`  - name: ${alert} fires\n`);
      expect(page).toContain(`  - name: ${alert} stays quiet\n`);
    }
  });

  (installed('promtool') ? it : it.skip)('pass promtool (skipped where it is not installed)', () => {
    const check = execFileSync('promtool', ['check', 'rules', rulesFile], { encoding: 'utf8' });
    expect(check).toContain('SUCCESS');
    execFileSync('promtool', ['check', 'config', 'deploy/prometheus/prometheus.yml'], { encoding: 'utf8' });
    const tested = execFileSync('promtool', ['test', 'rules', ...ruleTests], { encoding: 'utf8' });
    expect(tested.match(/SUCCESS/g)).toHaveLength(ruleTests.length);
  });
});

describe('the list of alerts', () => {
  it('names every alert', () => {
    expect(Object.keys(faultTests)).toEqual(alertRules().map(({ alert }) => alert));
  });

  it('names tests that exist', () => {
    const tests = readdirSync('test/monitoring')
      .filter((name) => name.endsWith('.long.ts'))
      .map((name) => readFileSync(`test/monitoring/${name}`, 'utf8'))
      .join('\n');
    for (const { title } of Object.values(faultTests)) {
      if (title !== undefined) expect([title, tests.includes(`'${title}'`)]).toEqual([title, true]);
    }
  });
});

describe('runbooks', () => {
  const pages = readdirSync('docs/runbooks').filter((name) => name !== 'README.md');
  const read = (name: string): string => readFileSync(`docs/runbooks/${name}`, 'utf8');

  it('are there for all alerts and for nothing else', () => {
    expect(pages.sort()).toEqual(
      alertRules()
        .map(({ alert }) => `${alert}.md`)
        .sort(),
    );
    const list = read('README.md');
    for (const { alert, labels } of alertRules()) {
      expect(list).toMatch(
        new RegExp(`^\\| \\[${alert}\\]\\(${alert}\\.md\\) +\\| ${labels['severity']} `, 'm'),
      );
    }
  });

  it.each(pages)('%s says what it means, what causes it, how to find out and what to do', (name) => {
    const text = read(name);
    expect(text.match(/^## .*$/gm)).toEqual(['## Meaning', '## Causes', '## Find out', '## Do']);
    for (const section of text.split(/^## .*$/m)) expect(section.trim().length).toBeGreaterThan(40);
    for (const [, target = ''] of text.matchAll(/\]\(([\w./-]+\.md)\)/g)) {
      expect([
        target,
        existsSync(new URL(target, new URL('docs/runbooks/', `file://${process.cwd()}/`))),
      ]).toEqual([target, true]);
    }
  });

  it('use commands and options of the command line that exist', async () => {
    const commands = new Map<string, readonly string[]>();
    const visit = (command: Command, path: string): void => {
      commands.set(
        path,
        command.options.flatMap(({ long }) => (typeof long === 'string' ? [long] : [])),
      );
      for (const child of command.commands) visit(child, `${path} ${child.name()}`);
    };
    const names = (await buildProgram([])).commands.map((command) => command.name());
    visit(await buildProgram(names), 'quaestor');
    const used = pages.flatMap((name) => [
      ...read(name).matchAll(/^\s*(quaestor [^\n|`]*)|`(quaestor [^`]*)`/gm),
    ]);
    expect(used.length).toBeGreaterThan(10);
    for (const [, line, inline] of used) {
      const words = (line ?? inline ?? '').split(' ');
      const name = [words.slice(0, 3).join(' '), words.slice(0, 2).join(' ')].find((each) =>
        commands.has(each),
      );
      expect([words.join(' '), name]).toEqual([words.join(' '), expect.any(String)]);
      const options = words.filter((word) => word.startsWith('--'));
      expect(commands.get(name!)).toEqual(expect.arrayContaining(options));
    }
  });

  it('look for codes of log lines and for metrics that exist', () => {
    for (const name of pages) {
      for (const [, codes = ''] of read(name).matchAll(/"code":"\(?([\w|]+)\)?/g)) {
        for (const code of codes.split('|')) {
          if (code.endsWith('_')) continue;
          expect([name, code, Object.keys(logCodes).includes(code)]).toEqual([name, code, true]);
        }
      }
      for (const [, pattern = ''] of read(name).matchAll(
        /\/metrics \| grep (?:-E )?'?([^'\n]+?)'?(?: \||\n|$)/gm,
      )) {
        const found = [...series].some((metric) => new RegExp(pattern.replace(/\{$/, '')).test(`${metric} `));
        expect([name, pattern, found]).toEqual([name, pattern, true]);
      }
    }
  });
});
