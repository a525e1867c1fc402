/** The thread that talks to a PKCS #11 library, with a library that counts what it is asked. */
import { describe, expect, it } from '@jest/globals';
import {
  pkcs11Thread,
  type Pkcs11Answer,
  type Pkcs11Library,
  type Pkcs11Request,
} from '../../../src/crypto/native/pkcs11-thread.js';

/** A token with one key and a PIN, which is taken out and put back. */
class Token {
  readonly logins: string[] = [];
  away = false;

  library(): Pkcs11Library {
    return {
      load: () => undefined,
      C_Initialize: () => undefined,
      C_Finalize: () => undefined,
      C_GetSlotList: () => (this.away ? [] : [Buffer.from('slot')]),
      C_GetTokenInfo: () => ({ label: 'bank   ' }),
      C_OpenSession: () => Buffer.from('session'),
      C_Login: (_session, _user, pin) => {
        this.logins.push(pin);
        if (pin !== '4321') throw new Error('CKR_PIN_INCORRECT:160');
      },
      C_FindObjectsInit: () => undefined,
      C_FindObjects: () => [Buffer.from('key')],
      C_FindObjectsFinal: () => undefined,
      C_GetAttributeValue: () => [{ value: Buffer.alloc(32, 7) }],
      C_GenerateKeyPair: () => ({}),
      C_SignInit: () => undefined,
      C_Sign: () => {
        if (this.away) throw new Error('CKR_DEVICE_REMOVED:50');
        return Buffer.alloc(64, 1);
      },
    };
  }
}

function threadOf(token: Token, pin: string): (request: Pkcs11Request) => Pkcs11Answer {
  let listener: (request: Pkcs11Request) => void = () => undefined;
  const answers: Pkcs11Answer[] = [];
  const place = { module: '/lib', tokenLabel: 'bank', keyLabel: 'v1', pin };
  pkcs11Thread(place, () => token.library(), {
    on: (_event, given) => (listener = given),
    postMessage: (answer) => answers.push(answer),
  });
  return (request) => {
    listener(request);
    return answers.at(-1)!;
  };
}

describe('a token', () => {
  it('that refuses the PIN is not asked with it again, however often it is tried to open it', () => {
    const token = new Token();
    const ask = threadOf(token, '9999');
    const faults = Array.from({ length: 20 }, () => ask({ kind: 'open', pin: '9999' }));
    expect(new Set(faults.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(faults[0]).toMatchObject({
      kind: 'failed',
      fault: expect.stringMatching(/CKR_PIN_INCORRECT.*locks itself/),
    });
    expect(token.logins).toEqual(['9999']);
    // Corrected, it is.
    expect(ask({ kind: 'open', pin: '4321' }).kind).toBe('opened');
    expect(ask({ kind: 'sign', id: 1, message: Buffer.from('vote') }).kind).toBe('signed');
    expect(token.logins).toEqual(['9999', '4321']);
  });

  it('that was away is opened again with the same PIN', () => {
    const token = new Token();
    const ask = threadOf(token, '4321');
    expect(ask({ kind: 'open' }).kind).toBe('opened');
    token.away = true;
    expect(ask({ kind: 'sign', id: 1, message: Buffer.from('vote') })).toMatchObject({ kind: 'failed' });
    expect(ask({ kind: 'open' })).toMatchObject({ kind: 'failed', fault: 'there is no token "bank"' });
    token.away = false;
    expect(ask({ kind: 'open' }).kind).toBe('opened');
    expect(token.logins).toEqual(['4321', '4321']);
  });
});
