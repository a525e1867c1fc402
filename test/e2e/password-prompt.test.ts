/** Passwords that are typed: `quaestor` in a pseudo-terminal, as somebody sits at it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKeystore } from '../../src/crypto/native/index.js';
import { mainProgram } from './command-line.js';

/**
 * Runs a command in a terminal and types a line whenever it has shown a certain text; prints what was on the screen, ends
 * with the command's exit code.
 */
const typist = `
import os, pty, sys
words, lines = sys.argv[1].split("\\n"), sys.argv[2].split("\\n")
child, screen = pty.fork()
if child == 0:
    os.execvp(words[0], words)
shown, seen = b"", 0
while True:
    try:
        data = os.read(screen, 4096)
    except OSError:
        break
    if not data:
        break
    shown += data
    while lines and shown.find(b": ", seen) >= 0:
        seen = shown.find(b": ", seen) + 2
        os.write(screen, lines.pop(0).encode() + b"\\n")
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`;

const hasPython = spawnSync('python3', ['-c', 'import pty'], { stdio: 'ignore' }).status === 0;
const describeWithTerminal = hasPython ? describe : describe.skip;

describeWithTerminal('a password that is typed (skipped without Python 3)', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'quaestor-terminal-'));
    writeFileSync(join(dir, 'typist.py'), typist);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  function typing(lines: readonly string[], ...args: readonly string[]) {
    const words = [process.execPath, mainProgram, ...args].join('\n');
    const { status, stdout } = spawnSync('python3', [join(dir, 'typist.py'), words, lines.join('\n')], {
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
      timeout: 60_000,
    });
    return { status, screen: stdout };
  }

  it('makes a key, is asked for twice, and is never on the screen', async () => {
    const file = join(dir, 'typed.key');
    const { status, screen } = typing(
      ['correct horse', 'correct horse'],
      'keys',
      'generate',
      '--prompt',
      '--out',
      file,
    );
    expect({ status, screen }).toMatchObject({ status: 0 });
    expect(screen).not.toMatch(/horse/);
    expect((await openKeystore(file, 'correct horse')).ok).toBe(true);
    expect((await openKeystore(file, 'wrong horse')).ok).toBe(false);
  });

  it('that is typed in two ways makes no key', () => {
    const file = join(dir, 'none.key');
    const { status, screen } = typing(
      ['correct horse', 'another horse'],
      'keys',
      'generate',
      '--prompt',
      '--out',
      file,
    );
    expect(status).not.toBe(0);
    expect(screen).toMatch(/error: .{10,}/);
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
  });

  it('is refused where there is no terminal, with what to do instead', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [mainProgram, 'keys', 'generate', '--prompt', '--out', join(dir, 'none.key')],
      { encoding: 'utf8', input: 'correct horse\ncorrect horse\n', timeout: 60_000 },
    );
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/error: .*terminal.*--password-file/s);
  });

  it('opens the key of a signer, and is asked for only once when it is wrong', () => {
    const network = join(dir, 'network');
    execFileSync(process.execPath, [mainProgram, 'init', '--dir', network, '--validators', '1', '--json']);
    const validator = join(network, 'validators', 'validator-1');
    const config = join(dir, 'signer.yaml');
    writeFileSync(
      config,
      `validator: validator-1
genesis: ${validator}/genesis.yaml
stateDir: ${dir}/state
listen: { validator: "127.0.0.1:0", http: "127.0.0.1:0" }
tls: { ca: ${validator}/tls/ca.pem, cert: ${validator}/tls/validator.pem, key: ${validator}/tls/validator-key.pem }
key: { file: ${validator}/key/validator.key }
`,
    );
    const password = readFileSync(join(validator, 'key', 'validator.password'), 'utf8').trim();
    const wrong = typing(['wrong horse'], 'signer', 'init', '--config', config);
    expect(wrong.status).not.toBe(0);
    expect(wrong.screen).toMatch(/Password of .*validator\.key: \s*error: .*password/s);
    const right = typing([password], 'signer', 'init', '--config', config);
    expect(right).toMatchObject({ status: 0 });
    expect(right.screen).not.toContain(password);
  });
});
