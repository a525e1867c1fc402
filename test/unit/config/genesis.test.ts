import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeGenesis, encodeGenesis } from '../../../src/codec/index.js';
import type { Genesis, KeyPolicy } from '../../../src/codec/index.js';
import {
  genesisFromWorld,
  loadGenesis,
  loadWorld,
  renderGenesis,
  renderGenesisJson,
} from '../../../src/config/index.js';
import type { ConfigError } from '../../../src/config/index.js';
import { parseConfigDocument } from '../../../src/config/document.js';
import { genesisOf } from '../../../src/config/genesis.js';
import { asAmount, asHeight, asPublicKey, compareBytes, toHex } from '../../../src/types/index.js';

const key = (fill: number) => asPublicKey(new Uint8Array(32).fill(fill));
const hex = (fill: number) => `'${toHex(key(fill))}'`;

const valid = `network: test
time: 2026-11-02T09:00:00+01:00
members:
  - { id: bank-b, name: B, roles: [assetAdmin, registrar], policy: { threshold: 2, keys: [{ publicKey: ${hex(9)} }, { publicKey: ${hex(3)} }] } }
  - { id: bank-a, name: 'Bank Ä', policy: { threshold: 1, keys: [{ publicKey: ${hex(1)}, weight: 5 }] } }
validators:
  - { id: v2, member: bank-b, publicKey: ${hex(20)} }
  - { id: v1, member: bank-a, publicKey: "${Buffer.from(key(10)).toString('base64')}" }
assets:
  - { id: JPY, exponent: 0, issuer: bank-a, name: Yen }
  - { id: EUR, exponent: 2, issuer: bank-a, name: Euro }
accounts:
  - { id: zeta, owner: bank-a, balances: { JPY: '7', EUR: '12.5' } }
  - { id: alpha, owner: bank-b, balances: { EUR: '0' }, policy: { threshold: 1, keys: [{ publicKey: ${hex(7)} }] } }
`;

function parse(text: string, name = 'genesis.yaml'): ReturnType<typeof genesisOf> {
  const document = parseConfigDocument(name, text);
  return document.ok ? genesisOf(document.value) : document;
}

function genesis(text: string, name?: string): Genesis {
  const result = parse(text, name);
  if (!result.ok) throw result.error;
  return result.value;
}

function problems(text: string): string[] {
  const result = parse(text);
  if (result.ok) throw new Error('The genesis was accepted.');
  return result.error.problems.map(({ line, field, message }) => `${line} ${field}: ${message}`);
}

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'quaestor-genesis-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('loadGenesis', () => {
  it('gives the canonical order, exact minor units and the time in UTC', () => {
    const result = genesis(valid);
    expect(result.timeMs).toBe(Date.UTC(2026, 10, 2, 8));
    expect(result.members.map(({ member, roles }) => [member, roles])).toEqual([
      ['bank-a', []],
      ['bank-b', ['registrar', 'assetAdmin']],
    ]);
    expect(result.members[1]?.policy).toEqual({
      threshold: 2,
      keys: [
        { publicKey: key(3), weight: 1 },
        { publicKey: key(9), weight: 1 },
      ],
    });
    expect(result.validators).toEqual([
      { id: 'v2', member: 'bank-b', publicKey: key(20) },
      { id: 'v1', member: 'bank-a', publicKey: key(10) },
    ]);
    expect(result.assets.map(({ asset }) => asset)).toEqual(['EUR', 'JPY']);
    expect(result.accounts.map(({ account }) => account)).toEqual(['alpha', 'zeta']);
    expect(result.balances).toEqual([
      { account: 'zeta', asset: 'EUR', amount: 1250n },
      { account: 'zeta', asset: 'JPY', amount: 7n },
    ]);
    expect(result.parameters.pipelineWindowBlocks).toBe(8);
  });

  it('does not depend on the order of what has no order', () => {
    const lines = valid.split('\n');
    const swapped = [...lines];
    for (const first of [3, 9, 12]) {
      [swapped[first], swapped[first + 1]] = [lines[first + 1] ?? '', lines[first] ?? ''];
    }
    expect(swapped).not.toEqual(lines);
    expect(genesis(swapped.join('\n'))).toEqual(genesis(valid));
  });

  it('reads the same from JSON, with places in its errors too', () => {
    const first = genesis(valid);
    const json = JSON.stringify(
      {
        network: 'test',
        time: '2026-11-02T08:00:00Z',
        members: [
          {
            id: 'm',
            name: 'M',
            policy: { threshold: 1, keys: [{ publicKey: toHex(key(1)) }] },
          },
        ],
        validators: [{ id: 'v', member: 'm', publicKey: toHex(key(2)) }],
      },
      null,
      2,
    );
    expect(genesis(json, 'genesis.json').timeMs).toBe(first.timeMs);
    const wrong = parse(json.replace('"member": "m"', '"member": 7'), 'genesis.json');
    expect(wrong).toMatchObject({
      ok: false,
      error: { problems: [{ line: 21, field: 'validators[0].member' }] },
    });
  });

  it('lists every broken reference, duplicate and amount with its line', () => {
    const text = valid
      .replace('id: v2, member: bank-b', 'id: v1, member: bank-c')
      .replace('exponent: 0, issuer: bank-a', 'exponent: 0, issuer: nobody')
      .replace("JPY: '7', EUR: '12.5'", "JPY: '7.0', EUR: '12.505', USD: '1'")
      .replace('id: alpha, owner: bank-b', 'id: zeta, owner: bank-b')
      .replace('threshold: 2, keys', 'threshold: 3, keys')
      .replace(hex(3), hex(9))
      .replace('[assetAdmin, registrar]', '[registrar, registrar]');
    expect(problems(text)).toEqual([
      '8 validators[1].id: Found "v1" a second time, after validators[0]; expected each once.',
      '14 accounts[1].id: Found "zeta" a second time, after accounts[0]; expected each once.',
      '4 members[0].roles[1]: Found "registrar" a second time, after roles[0]; expected each once.',
      '7 validators[0].member: Found "bank-c", which is no member of this file. Did you mean "bank-b"?',
      '10 assets[0].issuer: Found "nobody", which is no member of this file.',
      '13 accounts[0].balances.JPY: Found "7.0"; expected a whole number, because the asset has no decimal places.',
      '13 accounts[0].balances.EUR: Found "12.505"; expected at most 2 decimal places, those of the asset.',
      '13 accounts[0].balances.USD: Found "USD", which is no asset of this file.',
      expect.stringMatching(/^4 members\[0\]\.policy\.threshold: Found 3, .* expected at most 2/),
      expect.stringMatching(/^4 members\[0\]\.policy\.keys\[1\]\.publicKey: Found "0909.*second time/),
    ]);
  });

  it.each([
    ["EUR: '12.5'", 'EUR: 12.5', 'Found the number 12.5; expected a decimal number in quotes'],
    ["EUR: '12.5'", "EUR: '-1'", 'Found "-1"; expected a decimal number without sign'],
    ["EUR: '12.5'", "EUR: '1e3'", 'Found "1e3"; expected a decimal number without sign'],
    ["EUR: '12.5'", "EUR: '01'", 'Found "01"; expected a decimal number without sign'],
    ["EUR: '12.5'", `EUR: '${2n ** 128n}'`, 'expected at most 2^128 - 1 minor units'],
    [hex(20), '1234', 'Found the number 1234; expected an Ed25519 public key'],
    [hex(20), `'${'0'.repeat(63)}g'`, 'expected an Ed25519 public key'],
    [hex(20), hex(10), 'a second time'],
    [hex(20), `'${'A'.repeat(42)}B='`, 'expected an Ed25519 public key'],
    ['time: 2026-11-02T09:00:00+01:00', 'time: 2026-11-02', 'expected a time such as'],
    ['time: 2026-11-02T09:00:00+01:00', 'time: 2026-13-02T09:00:00Z', 'expected a time such as'],
    ['exponent: 2', 'exponent: 19', 'expected a whole number from 0 to 18'],
    ['id: alpha', 'id: "al pha"', 'expected an account id'],
    ['network: test', 'network: test\nparameters: { pipelineWindowBlocks: 0 }', 'from 1 to 64'],
  ])('refuses %s replaced by %s', (from, to, expected) => {
    const text = valid.replace(from, to);
    expect(text).not.toBe(valid);
    expect(problems(text).join('\n')).toContain(expected);
  });

  it('refuses balances whose sum no supply can hold', () => {
    const half = (2n ** 127n).toString();
    const text = valid.replace("JPY: '7'", `JPY: '${half}'`).replace("EUR: '0'", `JPY: '${half}'`);
    expect(problems(text)[0]).toContain('exceed 2^128 - 1 minor units');
  });

  it('reads a file of ten thousand accounts', async () => {
    const accounts = Array.from(
      { length: 10_000 },
      (_, index) => `  - { id: account-${index}, owner: bank-a, balances: { EUR: '${index}.01' } }`,
    );
    const path = join(folder, 'genesis.yaml');
    writeFileSync(path, valid + accounts.join('\n'));
    const result = await loadGenesis(path);
    expect(result.ok && result.value.accounts).toHaveLength(10_002);
  });

  it('accepts configs/genesis.yaml, and gives what has canonical bytes', async () => {
    const result = await loadGenesis('configs/genesis.yaml');
    if (!result.ok) throw result.error;
    expect(decodeGenesis(encodeGenesis(result.value))).toEqual({ ok: true, value: result.value });
  });

  it('gives the same bytes for the same genesis in another order and form', async () => {
    const path = join(folder, 'genesis.yaml');
    writeFileSync(path, renderGenesis(genesis(valid)));
    const rendered = await loadGenesis(path);
    if (!rendered.ok) throw rendered.error;
    expect(encodeGenesis(rendered.value)).toEqual(encodeGenesis(genesis(valid)));
  });

  it('says so when the file is missing', async () => {
    const result = await loadGenesis(join(folder, 'none.yaml'));
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'CONFIG_UNREADABLE' } satisfies Partial<ConfigError>,
    });
  });
});

describe('renderGenesis and renderGenesisJson', () => {
  it('give files that read back to the same genesis', () => {
    fc.assert(
      fc.property(genesisArbitrary, (original) => {
        expect(genesis(renderGenesis(original))).toEqual(original);
        expect(genesis(renderGenesisJson(original), 'genesis.json')).toEqual(original);
      }),
      { numRuns: 60, seed: 20261102 },
    );
  });
});

describe('loadWorld and genesisFromWorld', () => {
  const world = `network: w
members: [{ id: bank-a, name: A, roles: [registrar] }]
validators: [{ id: v1, member: bank-a }]
assets: [{ id: EUR, exponent: 2, issuer: bank-a, name: Euro }]
accounts: [{ id: acc, owner: bank-a, balances: { EUR: '1.10' } }]
`;
  const policy: KeyPolicy = { threshold: 1, keys: [{ publicKey: key(1), weight: 1 }] };

  it('make a genesis that a file of it reads back to', async () => {
    const path = join(folder, 'world.yaml');
    writeFileSync(path, world);
    const loaded = await loadWorld(path);
    if (!loaded.ok) throw loaded.error;
    const made = genesisFromWorld(
      loaded.value,
      { members: new Map([['bank-a', policy]]), validators: new Map([['v1', key(2)]]) },
      1_000,
    );
    if (!made.ok) throw new Error(made.error);
    expect(made.value.balances).toEqual([{ account: 'acc', asset: 'EUR', amount: 110n }]);
    expect(genesis(renderGenesis(made.value))).toEqual(made.value);
  });

  it('keep the version of the rules, and write version 1 as files did before there were versions', () => {
    const parsed = genesis(valid);
    expect(parsed.rulesVersion).toBeUndefined();
    expect(genesis(`${valid}rulesVersion: 1\n`)).toEqual(parsed);
    const later = { ...parsed, rulesVersion: 7 };
    expect(genesis(renderGenesis(later))).toEqual(later);
    expect(JSON.parse(renderGenesisJson(later))).toMatchObject({ rulesVersion: 7 });
    expect(renderGenesis(parsed)).not.toContain('rulesVersion');
  });

  it('name every key that is missing', async () => {
    const path = join(folder, 'world.yaml');
    writeFileSync(path, world);
    const loaded = await loadWorld(path);
    if (!loaded.ok) throw loaded.error;
    expect(genesisFromWorld(loaded.value, { members: new Map(), validators: new Map() }, 0)).toEqual({
      ok: false,
      error: 'There is no key for member bank-a, validator v1.',
    });
  });

  it('refuse a world with keys or with wrong references', async () => {
    const path = join(folder, 'world.yaml');
    writeFileSync(path, `${world.replace('owner: bank-a', 'owner: bank-x')}time: 2026-01-01T00:00:00Z\n`);
    const loaded = await loadWorld(path);
    expect(loaded).toMatchObject({ ok: false, error: { problems: [{ field: 'time', line: 6 }] } });
  });
});

const keyArbitrary = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(asPublicKey);
const nameArbitrary = fc.string({ unit: 'grapheme', maxLength: 20 });

const policyArbitrary = fc
  .uniqueArray(fc.record({ publicKey: keyArbitrary, weight: fc.integer({ min: 1, max: 255 }) }), {
    minLength: 1,
    maxLength: 4,
    selector: ({ publicKey }) => toHex(publicKey),
  })
  .map((keys): KeyPolicy => ({
    threshold: keys.reduce((sum, { weight }) => sum + weight, 0),
    keys: keys.sort((a, b) => compareBytes(a.publicKey, b.publicKey)),
  }));

const genesisArbitrary = fc
  .record({
    network: fc.constantFrom('n', 'Réseau: "1"', 'x # y', 'true'),
    timeMs: fc.integer({ min: 0, max: 253402300799999 }),
    members: fc.array(fc.record({ name: nameArbitrary, policy: policyArbitrary }), {
      minLength: 1,
      maxLength: 3,
    }),
    validators: fc.uniqueArray(keyArbitrary, { minLength: 1, maxLength: 4, selector: toHex }),
    exponents: fc.array(fc.integer({ min: 0, max: 18 }), { maxLength: 3 }),
    accounts: fc.array(
      fc.record({
        policy: fc.option(policyArbitrary, { nil: undefined }),
        amount: fc.bigInt({ min: 1n, max: 2n ** 120n }),
      }),
      { maxLength: 4 },
    ),
    window: fc.integer({ min: 1, max: 64 }),
  })
  .map(({ network, timeMs, members, validators, exponents, accounts, window }): Genesis => ({
    network,
    timeMs,
    members: members.map(({ name, policy }, index) => ({
      member: `m${index}`,
      name,
      policy,
      roles: index === 0 ? ['registrar', 'assetAdmin'] : [],
    })),
    validators: validators.map((publicKey, index) => ({ id: `v${index}`, member: 'm0', publicKey })),
    assets: exponents.map((exponent, index) => ({ asset: `A${index}`, exponent, issuer: 'm0', name: '' })),
    accounts: accounts.map(({ policy }, index) => ({
      account: `c${index}`,
      owner: 'm0',
      openedHeight: asHeight(0),
      ...(policy === undefined ? {} : { policy }),
    })),
    balances: accounts.flatMap(({ amount }, index) =>
      exponents.map((_, asset) => ({ account: `c${index}`, asset: `A${asset}`, amount: asAmount(amount) })),
    ),
    parameters: {
      validityWindowBlocks: 10,
      maxBlockTransactions: 20,
      maxBlockBytes: 70_000,
      maxClockSkewMs: 1,
      checkpointIntervalBlocks: 5,
      pipelineWindowBlocks: window,
    },
  }));
