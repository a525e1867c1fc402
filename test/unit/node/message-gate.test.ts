import { describe, expect, it } from '@jest/globals';
import { encodeConsensusMessage } from '../../../src/codec/index.js';
import { MessageGate, type MessageGateOptions } from '../../../src/node/message-gate.js';
import { EarlyMessages } from '../../../src/node/early-messages.js';
import { asValidatorIndex, asView } from '../../../src/types/index.js';
import { genesisTip, makeBlock, say, testConfig } from '../../helpers/consensus-words.js';

const config = testConfig({ n: 4 }, 0);
const block = makeBlock(config, {
  height: 1,
  view: 0,
  parent: genesisTip.digest,
  timeMs: genesisTip.timeMs + 1,
  label: 'a',
});
const message = encodeConsensusMessage(
  say(config, 1, { kind: 'prepare', view: asView(0), height: block.header.height, digest: block.digest }),
);

/** A gate whose checks of signatures end when they are told to. */
function gateWith() {
  const releases: (() => void)[] = [];
  const delivered: number[] = [];
  const failures: unknown[] = [];
  const epochs = {
    parts: { config },
    electorates: { current: config.validatorSet, previous: undefined, scheduled: undefined },
    early: new EarlyMessages(),
  };
  const driver = {
    observer: { message: () => undefined },
    ports: {
      clock: { defer: (run: () => void) => run() },
      verifier: {
        verify: (checks: readonly unknown[]) =>
          new Promise<boolean[]>((resolve) => releases.push(() => resolve(checks.map(() => true)))),
      },
    },
  };
  const gate = new MessageGate({
    driver,
    epochs,
    deliver: (from: number) => delivered.push(from),
    failed: (error: unknown) => failures.push(error),
  } as unknown as MessageGateOptions);
  return { gate, epochs, releases, delivered, failures };
}

describe('the gate of consensus messages', () => {
  it('delivers what was checked', async () => {
    const { gate, releases, delivered, failures } = gateWith();
    const received = gate.receive(asValidatorIndex(1), message);
    releases.forEach((release) => release());
    await received;
    expect(failures).toEqual([]);
    expect(delivered).toEqual([1]);
  });

  it('delivers nothing that was checked against a validator set which has been replaced meanwhile', async () => {
    const { gate, epochs, releases, delivered, failures } = gateWith();
    const received = gate.receive(asValidatorIndex(1), message);
    // The same number means another validator now.
    epochs.parts = { config };
    gate.enterEpoch();
    releases.forEach((release) => release());
    await received;
    expect(failures).toEqual([]);
    expect(delivered).toEqual([]);
  });

  it('lets nobody of the new set wait for what was sent under its number in the old one', async () => {
    const { gate, epochs, releases, delivered } = gateWith();
    // Its check never ends.
    void gate.receive(asValidatorIndex(1), message);
    epochs.parts = { config };
    gate.enterEpoch();
    const received = gate.receive(asValidatorIndex(1), message);
    releases.slice(1).forEach((release) => release());
    await received;
    expect(delivered).toEqual([1]);
  });
});

describe('messages that come too early', () => {
  it("have places for each sender: who fills its own takes nobody else's", () => {
    const early = new EarlyMessages();
    for (let count = 0; count < 1000; count++) early.keep('greedy', Uint8Array.of(count & 255));
    early.keep('large', new Uint8Array(2 * 1024 * 1024));
    early.keep('modest', Uint8Array.of(7));
    const kept = early.take();
    expect(kept.filter(({ sender }) => sender === 'greedy')).toHaveLength(32);
    expect(kept.filter(({ sender }) => sender === 'large')).toHaveLength(0);
    expect(kept.filter(({ sender }) => sender === 'modest')).toHaveLength(1);
    expect(early.take()).toEqual([]);
  });
});
