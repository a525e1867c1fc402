import type { ReadStream, WriteStream } from 'node:tty';
import { QuaestorError } from '../../types/index.js';

/** A terminal to ask at. */
export interface Terminal {
  readonly input: Pick<ReadStream, 'isTTY' | 'setRawMode' | 'on' | 'off' | 'pause' | 'resume'>;
  readonly output: Pick<WriteStream, 'write'>;
}

const maxLength = 1024;
const [endOfText, endOfTransmission, backspace, deletion] = ['\u0003', '\u0004', '\b', '\u007f'];

/** Whether somebody can be asked. */
export const canPrompt = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/**
 * Asks for a password at the terminal, without showing what is typed.
 *
 * @throws QuaestorError PASSWORD_NOT_GIVEN when there is no terminal, or who was asked gave up (Ctrl-C, Ctrl-D).
 */
export function promptPassword(
  title: string,
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<string> {
  if (!input.isTTY) {
    return Promise.reject(
      new QuaestorError(
        'PASSWORD_NOT_GIVEN',
        `${title}: there is no terminal to ask for the password at. Name a file that holds it ("passwordFile" in a configuration, --password-file for a command).`,
      ),
    );
  }
  return new Promise((resolve, reject) => {
    let typed = '';
    const done = (finish: () => void): void => {
      input.off('data', onData);
      input.setRawMode(false);
      input.pause();
      output.write('\n');
      finish();
    };
    const onData = (chunk: Buffer | string): void => {
      for (const character of chunk.toString()) {
        if (character === '\r' || character === '\n') {
          done(() => resolve(typed));
          return;
        }
        if (character === endOfText || character === endOfTransmission) {
          done(() => reject(new QuaestorError('PASSWORD_NOT_GIVEN', 'No password was given.')));
          return;
        }
        if (character === backspace || character === deletion)
          typed = Array.from(typed).slice(0, -1).join('');
        else if (typed.length < maxLength) typed += character;
      }
    };
    // First, so that nothing is shown of what is typed as soon as the question is there.
    input.setRawMode(true);
    output.write(`${title}: `);
    input.on('data', onData);
    input.resume();
  });
}
