import { describe, expect, it } from '@jest/globals';
import { stripVTControlCharacters } from 'node:util';
import { createLogger, logCodes } from '../../../src/telemetry/index.js';
import type { LogLevel, Logger } from '../../../src/telemetry/index.js';

function logger(options: { level?: LogLevel; format?: 'json' | 'pretty'; nowMs?: () => number } = {}): {
  log: Logger;
  lines: string[];
  entries: () => Record<string, unknown>[];
} {
  const lines: string[] = [];
  const log = createLogger({
    level: options.level ?? 'info',
    format: options.format ?? 'json',
    fields: { validator: 'v1' },
    sink: { write: (line) => void lines.push(line) },
    ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
  });
  return { log, lines, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('createLogger', () => {
  it('writes one object a line with time, level, code, fields and message', () => {
    const { log, entries } = logger();
    log.warn({ code: 'VIEW_CHANGE_STARTED', view: 3 }, 'Asking for the next view.');
    expect(entries()).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        validator: 'v1',
        code: 'VIEW_CHANGE_STARTED',
        view: 3,
        msg: 'Asking for the next view.',
      },
    ]);
  });

  it('changes the level at run time, for children too', () => {
    const { log, lines } = logger();
    const child = log.child({ part: 'consensus' });
    child.debug({}, 'hidden');
    expect(log.setLevel('debug')).toBe('info');
    child.debug({}, 'shown');
    expect(child.enabled('trace')).toBe(false);
    expect(child.setLevel('error')).toBe('debug');
    log.warn({}, 'hidden');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"part":"consensus"');
  });

  it('writes bytes in hex, bounded, and bigints as digits', () => {
    const { log, entries } = logger();
    log.info({ digest: Uint8Array.of(1, 255), amount: 2n ** 100n, long: new Uint8Array(1000) }, 'x');
    expect(entries()[0]).toMatchObject({
      digest: '01ff',
      amount: '1267650600228229401496703205376',
      long: `${'00'.repeat(64)}… (1000 bytes)`,
    });
  });

  it('keeps secrets out', () => {
    const { log, lines } = logger();
    log.info(
      { password: 'hunter2', key: { privateKey: 'hunter2', file: 'k' }, tls: { privateKeyPem: 'hunter2' } },
      'x',
    );
    expect(lines[0]).not.toContain('hunter2');
    expect(lines[0]).toContain('"file":"k"');
  });

  it('writes a bounded number of lines of one code, and says how many it left out', () => {
    let nowMs = 0;
    const { log, entries } = logger({ nowMs: () => nowMs });
    for (let index = 0; index < 1000; index++) log.warn({ code: 'PEER_MISBEHAVED', index }, 'Rubbish.');
    log.error({ code: 'API_DEFECT' }, 'Another code is not affected.');
    expect(entries()).toHaveLength(51);
    nowMs = 10_001;
    log.warn({ code: 'PEER_MISBEHAVED' }, 'Rubbish.');
    expect(entries().slice(51)).toMatchObject([
      { code: 'LINES_SUPPRESSED', suppressedCode: 'PEER_MISBEHAVED', lines: 950 },
      { code: 'PEER_MISBEHAVED' },
    ]);
  });

  it('writes lines for people on demand, without control characters of others', () => {
    const { log, lines } = logger({ format: 'pretty' });
    log.info({ code: 'PEER_CONNECTED', peer: 'v2', note: 'a\u001b[2Jb' }, 'Connected.');
    const plain = stripVTControlCharacters(lines.join(''));
    expect(plain).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}PEER_CONNECTED Connected\. validator=v1 peer=v2 /);
    expect(plain).toContain('note=a\\u001b[2Jb');
  });
});

describe('logCodes', () => {
  it('are upper snake case and explained in sentences', () => {
    for (const [code, { meaning }] of Object.entries(logCodes)) {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(meaning).toMatch(/^[A-Z].*\.$/);
    }
  });
});
