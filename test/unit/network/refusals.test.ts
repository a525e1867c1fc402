import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { X509Certificate } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { createPeerNetwork } from '../../../src/network/index.js';
import type { Signer } from '../../../src/crypto/types.js';
import type { DisconnectReason, PeerValidator, TlsMaterial } from '../../../src/network/index.js';
import { asChainId, asDigest } from '../../../src/types/index.js';
import {
  decodeConnectMessage,
  encodeFrames,
  encodeHello,
  encodeProof,
} from '../../../src/network/wire/connect.js';
import { encodeConsensusFrame, encodeFetchBodiesFrame } from '../../../src/network/wire/frames.js';
import type { TestConsortium } from '../../helpers/peer-networks.js';
import {
  fastTimeouts,
  hashOf,
  makeConsortium,
  makeSigner,
  network,
  newAuthority,
  tlsFor,
} from '../../helpers/peer-networks.js';
import type { Greeting, RawCall } from '../../helpers/raw-peer.js';
import { contextOf, rawDial, rawHandshake, rawServer } from '../../helpers/raw-peer.js';

const derOf = (tls: TlsMaterial): Uint8Array => new X509Certificate(tls.certificatePem).raw;

describe('a validator that is dialed', () => {
  let consortium: TestConsortium;
  const calls: RawCall[] = [];

  // Only bank-1 runs; the attacker plays bank-0, which would dial it.
  beforeEach(async () => {
    consortium = await makeConsortium(3, () => ({
      options: { timeouts: { ...fastTimeouts, handshakeMs: 2_000 } },
    }));
    await consortium.node(1).network.start();
  });
  afterEach(async () => {
    for (const call of calls.splice(0)) call.close();
    await consortium.stop();
  });

  function dial(context: SecureContextOptions): RawCall {
    const call = rawDial(consortium.node(1).network.port(), context);
    calls.push(call);
    return call;
  }

  const greeting = (changes: Partial<Greeting> = {}): Greeting => ({
    chainId: consortium.chainId,
    validator: 'bank-0',
    peer: 'bank-1',
    signer: consortium.node(0).signer,
    ...changes,
  });

  async function expectRefusal(reason: DisconnectReason, peer: number | undefined): Promise<void> {
    const { records, network: victim } = consortium.node(1);
    const inbound = () => records.refused.filter(({ direction }) => direction === 'in');
    await records.until(() => inbound().length > 0);
    expect(inbound()[0]).toEqual({ peer, direction: 'in', reason });
    expect(records.logs.some(({ level, fields }) => level === 'warn' && 'reason' in fields)).toBe(true);
    expect(records.connected).toEqual([]);
    expect(victim.connected()).toEqual([]);
  }

  it('lets in who has the certificate and the key', async () => {
    const { tls } = consortium.node(0);
    const call = dial(contextOf(tls));
    const proof = decodeConnectMessage(await rawHandshake(call, derOf(tls), greeting()));
    expect(proof).toMatchObject({ ok: true, value: { kind: 'proof' } });
    expect(consortium.node(1).network.connected()).toEqual([0]);
  });

  it('refuses a client without a certificate', async () => {
    const call = dial({ ca: consortium.authority.certificatePem });
    expect(await call.ended).toBeDefined();
    await expectRefusal('tls', undefined);
  });

  it('refuses a certificate of a foreign authority', async () => {
    const foreign = await tlsFor(await newAuthority(), { network, role: 'validator', id: 'bank-0' });
    const call = dial({ ...contextOf(foreign), ca: consortium.authority.certificatePem });
    expect(await call.ended).toBeDefined();
    await expectRefusal('tls', undefined);
  });

  it('refuses TLS 1.2', async () => {
    const call = dial({ ...contextOf(consortium.node(0).tls), maxVersion: 'TLSv1.2' });
    expect(await call.ended).toBeDefined();
    await expectRefusal('tls', undefined);
  });

  it.each([
    ['a member', { network, role: 'member', id: 'bank-0' }],
    ['an operator', { network, role: 'operator', id: 'bank-0' }],
    ['a validator of another network', { network: 'othernet', role: 'validator', id: 'bank-0' }],
    ['this validator itself', { network, role: 'validator', id: 'bank-1' }],
  ] as const)('refuses the certificate of %s', async (_, identity) => {
    const call = dial(contextOf(await tlsFor(consortium.authority, identity)));
    expect(await call.ended).toBeDefined();
    await expectRefusal('identity', undefined);
  });

  it('refuses a validator that is in no set, but for following', async () => {
    const identity = { network, role: 'validator', id: 'bank-9' } as const;
    const call = dial(contextOf(await tlsFor(consortium.authority, identity)));
    expect(await call.ended).toMatchObject({ details: 'stranger' });
    await expectRefusal('stranger', undefined);
  });

  it('refuses a validator that should be dialed itself', async () => {
    const call = dial(contextOf(consortium.node(2).tls));
    expect(await call.ended).toMatchObject({ details: 'identity' });
    await expectRefusal('identity', 2);
  });

  it('refuses a hello in the name of another validator than the certificate names', async () => {
    const { tls } = consortium.node(0);
    const call = dial(contextOf(tls));
    await expect(
      rawHandshake(call, derOf(tls), greeting({ hello: { validator: 'bank-2' } })),
    ).rejects.toMatchObject({ details: 'identity' });
    await expectRefusal('identity', 0);
  });

  it('refuses another chain, and another version of the protocol', async () => {
    const { tls } = consortium.node(0);
    const otherChain = { chainId: asChainId(hashOf('another chain')) };
    await expect(
      rawHandshake(dial(contextOf(tls)), derOf(tls), greeting({ hello: otherChain })),
    ).rejects.toMatchObject({ details: 'chain' });
    await expectRefusal('chain', 0);
    await expect(
      rawHandshake(dial(contextOf(tls)), derOf(tls), greeting({ hello: { protocolVersion: 2 } })),
    ).rejects.toMatchObject({ details: 'version' });
  });

  it('refuses a key that no set has any more by the time that it is proven', async () => {
    const { tls, signer } = consortium.node(0);
    const [zero, ...others] = consortium.validators as [PeerValidator, ...PeerValidator[]];
    const slow: Signer = {
      publicKey: signer.publicKey,
      sign: (message) => {
        const publicKey = makeSigner().publicKey;
        consortium.node(1).network.setValidators([{ ...zero, publicKey }, ...others]);
        return signer.sign(message);
      },
    };
    await expect(
      rawHandshake(dial(contextOf(tls)), derOf(tls), greeting({ signer: slow })),
    ).rejects.toMatchObject({ details: 'proof' });
    await expectRefusal('proof', 0);
  });

  it('refuses a certificate without the validator key', async () => {
    const { tls } = consortium.node(0);
    const call = dial(contextOf(tls));
    await expect(rawHandshake(call, derOf(tls), greeting({ signer: makeSigner() }))).rejects.toMatchObject({
      details: 'proof',
    });
    await expectRefusal('proof', 0);
  });

  it('refuses a proof that was made for another connection', async () => {
    // Somebody who got hold of a second certificate for bank-0 passes on what the real bank-0 signs for its own.
    const second = await tlsFor(consortium.authority, { network, role: 'validator', id: 'bank-0' });
    const call = dial(contextOf(second));
    const relayed = greeting({ certificateDer: derOf(consortium.node(0).tls) });
    await expect(rawHandshake(call, derOf(second), relayed)).rejects.toMatchObject({ details: 'proof' });
    await expectRefusal('proof', 0);
  });

  it.each([
    ['rubbish', Buffer.from('no message')],
    ['an empty message', Buffer.alloc(0)],
    ['traffic before the handshake', encodeFrames([encodeConsensusFrame(Buffer.from('vote'))])],
    ['a proof before the hello', encodeProof(new Uint8Array(64))],
  ])('cuts off %s', async (_, message) => {
    const call = dial(contextOf(consortium.node(0).tls));
    call.call.write(message);
    expect(await call.ended).toMatchObject({ details: 'garbage' });
    await expectRefusal('garbage', 0);
  });

  it('does not answer a hello before the key is proven with anything signed', async () => {
    const { tls } = consortium.node(0);
    const call = dial(contextOf(tls));
    call.call.write(encodeHello({ ...greeting(), protocolVersion: 1, nonce: new Uint8Array(32) }));
    expect(decodeConnectMessage(await call.next())).toMatchObject({ ok: true, value: { kind: 'hello' } });
    call.call.write(encodeProof(new Uint8Array(64)));
    expect(await call.ended).toMatchObject({ details: 'proof' });
    expect(call.received).toEqual([]);
  });

  it('gives up on one that does not finish the handshake', async () => {
    await consortium.node(1).restart({ timeouts: { ...fastTimeouts, handshakeMs: 50 } });
    const { records } = consortium.node(1);
    // On a busy machine the time may be over before TLS is through; that is a refusal too, but not the one meant here.
    while (!records.refused.some(({ reason }) => reason === 'timeout')) {
      await dial(contextOf(consortium.node(0).tls)).ended;
    }
    expect(records.refused).toContainEqual({ peer: 0, direction: 'in', reason: 'timeout' });
    expect(records.connected).toEqual([]);
  });

  it('cuts off a proven peer that sends rubbish, and shuts it out for a while', async () => {
    await consortium
      .node(1)
      .restart({ timeouts: { ...fastTimeouts, minPenaltyMs: 60_000, maxPenaltyMs: 60_000 } });
    const { tls } = consortium.node(0);
    const { records, network: victim } = consortium.node(1);
    const call = dial(contextOf(tls));
    await rawHandshake(call, derOf(tls), greeting());
    call.call.write(encodeFrames([encodeConsensusFrame(Buffer.from('good'))]));
    call.call.write(Buffer.from([0x12, 0x02, 0x0a, 0xff]));
    expect(await call.ended).toMatchObject({ details: 'garbage' });
    await records.until(() => records.disconnected.length > 0);
    expect(records.consensus).toEqual([{ from: 0, text: 'good' }]);
    expect(records.disconnected).toEqual([{ peer: 0, reason: 'garbage' }]);
    expect(victim.connected()).toEqual([]);

    const again = dial(contextOf(tls));
    expect(await again.ended).toBeDefined();
    await records.until(() => records.refused.some(({ reason }) => reason === 'penalty'));
  });

  it('cuts off a message above the size limit before it is received', async () => {
    await consortium.node(1).restart({ limits: { maxMessageBytes: 10_000 } });
    const { tls } = consortium.node(0);
    const call = dial(contextOf(tls));
    await rawHandshake(call, derOf(tls), greeting());
    call.call.write(encodeFrames([encodeConsensusFrame(Buffer.alloc(20_000))]));
    expect(await call.ended).toBeDefined();
    const { records } = consortium.node(1);
    await records.until(() => records.disconnected.length > 0);
    expect(records.consensus).toEqual([]);
  });

  it('replaces the connection of a validator that comes again', async () => {
    const { tls } = consortium.node(0);
    const { records } = consortium.node(1);
    const first = dial(contextOf(tls));
    await rawHandshake(first, derOf(tls), greeting());
    const second = dial(contextOf(tls));
    await rawHandshake(second, derOf(tls), greeting());
    expect(await first.ended).toMatchObject({ details: 'replaced' });
    second.call.write(encodeFrames([encodeFetchBodiesFrame(asDigest(hashOf('block')), [])]));
    await records.until(() => records.fetches.length > 0);
    expect(records.disconnected).toEqual([{ peer: 0, reason: 'replaced' }]);
  });
});

describe('a validator that dials', () => {
  let consortium: TestConsortium;
  let stopServer = (): void => undefined;
  afterEach(async () => {
    await consortium.stop();
    stopServer();
  });

  /** Lets bank-0 dial a server that pretends to be bank-1. */
  async function dialImpostor(
    identity: Parameters<typeof tlsFor>[1],
    options: { foreign?: boolean; onConnect?: (call: ServerDuplexStream<Buffer, Buffer>) => void } = {},
  ): Promise<DisconnectReason> {
    consortium = await makeConsortium(2);
    const authority = options.foreign === true ? await newAuthority() : consortium.authority;
    const server = await rawServer(await tlsFor(authority, identity), options.onConnect ?? (() => undefined));
    stopServer = () => server.stop();
    const { records, restart } = consortium.node(0);
    const validators = consortium.validators.map((validator) =>
      validator.index === 1 ? { ...validator, address: `127.0.0.1:${server.port}` } : { ...validator },
    );
    await restart({ validators });
    await records.until(() => records.refused.length > 0);
    expect(consortium.node(0).network.connected()).toEqual([]);
    expect(records.refused[0]).toMatchObject({ peer: 1, direction: 'out' });
    return records.refused[0]!.reason;
  }

  it('refuses a server of a foreign authority', async () => {
    const identity = { network, role: 'validator', id: 'bank-1' } as const;
    expect(await dialImpostor(identity, { foreign: true })).toBe('tls');
  });

  it('refuses a server with the certificate of another validator', async () => {
    expect(await dialImpostor({ network, role: 'validator', id: 'bank-0' })).toBe('identity');
  });

  it('refuses a server with the certificate of a member, which is not for servers at all', async () => {
    expect(await dialImpostor({ network, role: 'member', id: 'bank-1' })).toBe('tls');
  });

  it('refuses a server that has the certificate but not the key', async () => {
    const reason = await dialImpostor(
      { network, role: 'validator', id: 'bank-1' },
      {
        onConnect: (call) => {
          call.on('error', () => undefined);
          call.on('data', (message: Buffer) => {
            const decoded = decodeConnectMessage(message);
            if (decoded.ok && decoded.value.kind === 'hello') {
              const { chainId } = decoded.value.hello;
              call.write(
                encodeHello({
                  protocolVersion: 1,
                  chainId,
                  validator: 'bank-1',
                  peer: 'bank-0',
                  nonce: new Uint8Array(32),
                }),
              );
            } else call.write(encodeProof(new Uint8Array(64)));
          });
        },
      },
    );
    expect(reason).toBe('proof');
  });

  it('refuses a server of another chain, and says so on both sides', async () => {
    consortium = await makeConsortium(2);
    await consortium.start();
    await consortium.allConnected();
    await consortium.node(1).restart({ chainId: asChainId(hashOf('another chain')) });
    const dialer = consortium.node(0).records;
    const dialed = consortium.node(1).records;
    await dialer.until(() => dialer.refused.some(({ reason }) => reason === 'chain'));
    await dialed.until(() => dialed.refused.some(({ reason }) => reason === 'chain'));
  });
});

describe('a network', () => {
  it('does not start with a certificate of another validator, of the past or the future, or without its key', async () => {
    const consortium = await makeConsortium(2);
    const [one, two] = [consortium.node(0).tls, consortium.node(1).tls];
    const make = (tls: TlsMaterial) => () =>
      createPeerNetwork({
        network,
        chainId: consortium.chainId,
        role: 'validator',
        self: consortium.node(0).id,
        validators: consortium.validators,
        signer: consortium.node(0).signer,
        tls,
        listen: { host: '127.0.0.1', port: 0 },
        handlers: undefined as never,
        logger: undefined as never,
        metrics: undefined as never,
      });
    expect(make(two)).toThrow(expect.objectContaining({ code: 'TLS_IDENTITY_MISMATCH' }));
    expect(make({ ...one, privateKeyPem: two.privateKeyPem })).toThrow(
      expect.objectContaining({ code: 'TLS_MATERIAL_INVALID' }),
    );
    const identity = { network, role: 'validator', id: consortium.validators[0]!.id } as const;
    for (const days of [-100, 100]) {
      const held = { nowMs: Date.now() + days * 86_400_000, days: 30 };
      expect(make(await tlsFor(consortium.authority, identity, held))).toThrow(
        expect.objectContaining({ code: 'TLS_CERTIFICATE_EXPIRED' }),
      );
    }
    expect(make({ ...one, certificatePem: 'nothing' })).toThrow(
      expect.objectContaining({ code: 'TLS_MATERIAL_INVALID' }),
    );
  });

  it('says when its port is in use', async () => {
    const consortium = await makeConsortium(2);
    await consortium.node(0).network.start();
    const port = consortium.node(0).network.port();
    await expect(consortium.node(1).restart({ listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
    });
    await consortium.stop();
  });
});
