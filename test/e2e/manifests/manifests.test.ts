/** Random manifests on real processes, a short set; `npm run test:e2e` runs as many as one likes. */
import { describe, expect, it } from '@jest/globals';
import { anomaliesOf, type BankEvent, type TransferEvent } from './bank.js';
import { drawManifest, formatManifest, parseManifest } from './manifest.js';
import { runManifest } from './run-manifest.js';

/** Chosen for what they do: between them a cut and a slow connection, a pause, kills within and beyond what is tolerated. */
const short = [
  `
seed: 101
validators: 4
engine: leveldb
checkpointIntervalBlocks: 5
pipelineWindowBlocks: 8
load: [{ via: submitMany, validator: 0, inFlight: 24 }, { via: submit, validator: 2, inFlight: 4 }]
bankClients: 4
perturbations:
  - { kind: disconnect, validators: [1] }
  - { kind: delay, validators: [0], delayMs: 150 }
  - { kind: kill, validators: [0, 2, 3] }
  - { kind: pause, validators: [3] }
`,
];

describe('a network of processes', () => {
  for (const text of short) {
    const manifest = parseManifest(text);
    it(`keeps its promises with manifest ${manifest.seed}`, async () => {
      const report = await runManifest(manifest);
      expect(report.acknowledged).toBeGreaterThan(100);
      expect(report.bankEvents).toBeGreaterThan(10);
    }, 240_000);
  }
});

describe('a manifest', () => {
  it('is drawn from its seed, and read back as it was written', () => {
    const abilities = { fullDisk: true, rocksdb: true, previousRelease: true };
    for (let seed = 1; seed <= 50; seed++) {
      const manifest = drawManifest(seed, 5, abilities);
      expect(drawManifest(seed, 5, abilities)).toEqual(manifest);
      expect(parseManifest(formatManifest(manifest))).toEqual(manifest);
    }
    expect(drawManifest(1, 5, abilities)).not.toEqual(drawManifest(2, 5, abilities));
  });

  it('that does not fit is refused with a sentence', () => {
    const good = formatManifest(
      drawManifest(1, 2, { fullDisk: false, rocksdb: false, previousRelease: false }),
    );
    expect(() => parseManifest(good.replace(/validators: \d/, 'validators: 40'))).toThrow(
      '"validators" is 40',
    );
    expect(() => parseManifest(good.replace(/kind: \w+/, 'kind: earthquake'))).toThrow(
      '"earthquake" is no kind',
    );
  });
});

describe('the check of a history', () => {
  const opening = new Map([
    ['a', 100n],
    ['b', 50n],
  ]);
  const transfer = (event: Partial<TransferEvent>): TransferEvent => ({
    kind: 'transfer',
    client: 0,
    invokedMs: 0,
    completedMs: 1,
    from: 'a',
    to: 'b',
    amount: 10n,
    code: 'OK',
    height: 1,
    index: 0,
    ...event,
  });
  const read = (account: string, amount: bigint, height: number, invokedMs: number): BankEvent => ({
    kind: 'read',
    client: 1,
    invokedMs,
    completedMs: invokedMs + 1,
    account,
    amount,
    height,
  });
  const first = transfer({});
  const second = transfer({ from: 'b', to: 'a', amount: 5n, height: 2, invokedMs: 4, completedMs: 6 });
  const good = [first, read('a', 90n, 1, 2), second, read('b', 55n, 2, 8), read('a', 95n, 2, 8)];

  it('finds nothing in one that is strictly serializable', () => {
    expect(anomaliesOf(good, opening, [first, second])).toEqual([]);
  });

  it.each<[string, BankEvent[], TransferEvent[]]>([
    ['a balance that never was', [first, read('a', 91n, 1, 2)], [first]],
    ['a read of the past', [first, read('a', 100n, 0, 2)], [first]],
    [
      'a transfer before one that was known',
      [second, transfer({ height: 2, index: 1, invokedMs: 7 })],
      [second],
    ],
    ['an acknowledged transfer that is lost', [first, second], [first]],
    ['money that was not there', [transfer({ amount: 1000n })], [transfer({ amount: 1000n })]],
    [
      'a refusal although there was enough',
      [transfer({ code: 'INSUFFICIENT_FUNDS' })],
      [transfer({ code: 'INSUFFICIENT_FUNDS' })],
    ],
  ])('finds %s', (_name, history, chain) => {
    expect(anomaliesOf(history, opening, chain)).not.toEqual([]);
  });
});
