/** Peers of different releases: the highest common version is spoken, and without one both sides say why. */
import { Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { createPeerNetwork } from '../../../src/network/index.js';
import { encodeFrames } from '../../../src/network/wire/connect.js';
import { encodeConsensusFrame } from '../../../src/network/wire/frames.js';
import {
  formatVersionRange,
  highestCommonVersion,
  parseVersionRange,
  type VersionRange,
} from '../../../src/types/index.js';
import {
  makeConsortium,
  network,
  recordingHandlers,
  recordingLogger,
  recordingMetrics,
  Records,
  tlsFor,
} from '../../helpers/peer-networks.js';
import { contextOf, rawDial, rawHandshake } from '../../helpers/raw-peer.js';

let consortium: Awaited<ReturnType<typeof makeConsortium>>;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await consortium.stop();
});

const range = (oldest: number, newest = oldest): VersionRange => ({ oldest, newest });

/** A consortium whose validators speak these versions. */
const speaking = (...versions: readonly VersionRange[]) =>
  makeConsortium(versions.length, (index) => ({ options: { versions: versions[index]! } }));

/** Versions that a validator logged that it speaks with others. */
const spoken = (records: Records) =>
  records.logs.flatMap(({ fields }) => ('protocol' in fields ? [fields.protocol] : []));
const details = (records: Records) =>
  records.logs.flatMap(({ fields }) => ('detail' in fields ? [String(fields.detail)] : [])).join('\n');

describe('ranges of versions', () => {
  it('have the highest that is in both', async () => {
    consortium = await makeConsortium(1);
    expect(highestCommonVersion(range(1, 3), range(2, 5))).toBe(3);
    expect(highestCommonVersion(range(2, 5), range(1, 2))).toBe(2);
    expect(highestCommonVersion(range(1, 2), range(3, 4))).toBeUndefined();
    for (const each of [range(1), range(2, 7)]) {
      expect(parseVersionRange(formatVersionRange(each))).toEqual(each);
    }
    for (const wrong of ['', '0', '2-1', '1-2-3', '1-', '-1', '1 - 2', '123456', 'x']) {
      expect(parseVersionRange(wrong)).toBeUndefined();
    }
  });
});

describe('validators of different releases', () => {
  it.each([
    ['the dialing one is newer', [range(1, 2), range(1)], 1],
    ['the accepting one is newer', [range(1), range(1, 4)], 1],
    ['both have left the oldest behind in part', [range(2, 5), range(1, 3)], 3],
  ] as const)('speak the highest common version when %s', async (_, versions, expected) => {
    consortium = await speaking(...versions);
    await consortium.start();
    await consortium.allConnected();
    for (const { records } of consortium.nodes) expect(spoken(records)).toEqual([expected]);
    consortium.node(0).network.sendConsensus('all', Buffer.from('vote'));
    const { records } = consortium.node(1);
    await records.until(() => records.consensus.length === 1);
  });

  it.each([
    ['dialing', [range(3, 4), range(1, 2)]],
    ['accepting', [range(1, 2), range(3, 4)]],
  ] as const)(
    'without a common one refuse each other, naming both ranges (newer: %s)',
    async (_, versions) => {
      consortium = await speaking(...versions);
      await consortium.start();
      const [left, right] = [consortium.node(0), consortium.node(1)];
      const isRefused = (records: Records) => records.refused.some(({ reason }) => reason === 'version');
      await left.records.until(() => isRefused(left.records));
      await right.records.until(() => isRefused(right.records));
      expect(left.network.connected()).toEqual([]);
      const [mine, theirs] = versions.map(formatVersionRange);
      expect(details(left.records)).toContain(`version ${theirs} of the peer protocol, this node ${mine}:`);
      expect(details(right.records)).toMatch(/of the peer protocol, this node/);
      expect(details(right.records)).toContain(`this node ${theirs}`);
      const newer = versions[0].oldest === 3 ? left : right;
      const older = newer === left ? right : left;
      expect(details(older.records)).toContain('this node has to be upgraded');
      expect(details(newer.records)).toContain('the other node has to be upgraded');
      // It is nobody's fault: no one is shut out, and once it is upgraded it is let in.
      expect(
        [left, right].flatMap(({ records }) => records.refused.map(({ reason }) => reason)),
      ).not.toContain('penalty');
      await older.restart({ versions: range(2, 3) });
      await consortium.allConnected();
      expect(spoken(newer.records)).toEqual([3]);
    },
  );

  it('an observer that is too old is told so', async () => {
    consortium = await speaking(range(2));
    await consortium.start();
    const records = new Records();
    const identity = { network, role: 'observer', id: 'auditor' } as const;
    const observer = createPeerNetwork({
      network,
      chainId: consortium.chainId,
      role: 'observer',
      self: 'auditor',
      signer: undefined,
      listen: undefined,
      validators: consortium.validators,
      tls: await tlsFor(consortium.authority, identity),
      versions: range(1),
      timeouts: { minReconnectMs: 20, maxReconnectMs: 100 },
      logger: recordingLogger(records),
      metrics: recordingMetrics(records),
      handlers: recordingHandlers(records, {}),
    });
    closing.push(() => observer.stop());
    await observer.start();
    await records.until(() => records.refused.some(({ reason }) => reason === 'version'));
    expect(details(records)).toMatch(
      /speaks version 2 of the peer protocol, this node 1: this node has to be/,
    );
    const refusing = consortium.node(0).records;
    expect(details(refusing)).toMatch(/auditor: it speaks version 1 of the peer protocol, this node 2/);
  });
});

describe('a peer that says things that this release does not know', () => {
  const unknownFrame = Buffer.from([0x0a, 3, 0x3a, 1, 0xff]);
  // View 1, then a field 9.
  const fullerStatus = Buffer.from([0x0a, 6, 0x1a, 4, 0x08, 1, 0x48, 1]);

  async function dialAsPeer(versions: string | undefined) {
    consortium = await makeConsortium(2);
    const node = consortium.node(1);
    await node.network.start();
    const metadata = new Metadata();
    if (versions !== undefined) metadata.set('quaestor-versions', versions);
    const { tls, signer } = consortium.node(0);
    const call = rawDial(node.network.port(), contextOf(tls), metadata);
    closing.push(() => call.close());
    const greeting = { chainId: consortium.chainId, validator: 'bank-0', peer: 'bank-1', signer };
    await rawHandshake(call, new X509Certificate(tls.certificatePem).raw, greeting);
    await node.records.until(() => node.records.connected.length === 1);
    return { call: call.call, records: node.records };
  }

  it('is listened to as to the rest when it is newer', async () => {
    const { call, records } = await dialAsPeer('1-7');
    call.write(Buffer.from([0x7a, 0]));
    call.write(encodeFrames([unknownFrame, fullerStatus, encodeConsensusFrame(Buffer.from('vote'))]));
    await records.until(() => records.consensus.length === 1);
    expect(records.statuses).toMatchObject([{ status: { view: 1 } }]);
    expect(records.disconnected).toEqual([]);
  });

  it.each([undefined, '1', 'nonsense'])('is cut off when it is not (says %p)', async (versions) => {
    const { call, records } = await dialAsPeer(versions);
    call.write(encodeFrames([unknownFrame, encodeConsensusFrame(Buffer.from('vote'))]));
    await records.until(() => records.disconnected.length === 1);
    expect(records.disconnected).toEqual([{ peer: 0, reason: 'garbage' }]);
    expect(records.consensus).toEqual([]);
  });
});
