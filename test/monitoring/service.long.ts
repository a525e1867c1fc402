/** Alerts about clients and about others that are faulty, each by its real cause: npm run test:monitoring */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TransactionFailedError } from '../../src/client/index.js';
import { asDigest, asHeight } from '../../src/types/index.js';
import { rawTo, streamTo } from '../e2e/desk.js';
import { envelopeBytes, payloadOf, sealed, transferOf } from '../e2e/envelopes.js';
import { impersonate, proposeFalseBlock, sendCommit } from '../e2e/impersonate.js';
import { routes, signPayment, type PaymentRoute } from '../e2e/load.js';
import { withLogTails } from '../e2e/network.js';
import { eventually } from '../helpers/eventually.js';
import { describeWatched } from './describe-watched.js';
import { boundMs, primaryOf, watch, type Watched } from './watched-network.js';

describeWatched('alerts about the service (skipped where Prometheus is not installed)', () => {
  let watched: Watched;
  const closers: (() => void)[] = [];

  beforeAll(async () => {
    const environment = {
      QUAESTOR_MEMPOOL_MAX_TRANSACTIONS: '200',
      QUAESTOR_MEMPOOL_MAX_MEMBER_TRANSACTIONS: '200',
      QUAESTOR_CONSENSUS_VIEW_TIMEOUT: '8s',
      QUAESTOR_CONSENSUS_PRIMARY_SILENCE: '10s',
    };
    watched = await watch({ environment });
  }, boundMs);

  afterAll(async () => {
    for (const close of closers) close();
    await watched.prometheus.close();
    await watched.network.close();
  }, boundMs);

  /** Envelopes of payments that the network has not seen. */
  async function payments(
    route: PaymentRoute,
    count: number,
    asked = watched.network.validators[0]!,
  ): Promise<readonly Uint8Array[]> {
    const { network } = watched;
    const member = await network.member(route.member);
    const height = await asked.metric('quaestor_consensus_height');
    const made = Array.from({ length: count }, () =>
      signPayment(route, member, network.chainId, { validUntilHeight: height + 500 }),
    );
    return (await Promise.all(made)).map(({ bytes }) => bytes);
  }

  async function rawOf(route: PaymentRoute, index: number) {
    const { network } = watched;
    const raw = rawTo(network.validators[index]!.clientAddress, (await network.member(route.member)).tls);
    closers.push(() => raw.close());
    return raw;
  }

  it(
    'payments without funds',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const member = await network.member(routes.alba.member);
      const client = network.connect(network.clientOptions(member.tls));
      let fired = false;
      const paying = (async () => {
        while (!fired) {
          const validUntilHeight = (await client.currentHeight()) + 500;
          const amount = 10n ** 30n;
          const payment = await signPayment(routes.alba, member, network.chainId, {
            validUntilHeight,
            amount,
          });
          await client.submit(payment).catch((error: unknown) => {
            if (!(error instanceof TransactionFailedError)) throw error;
          });
        }
      })();
      await prometheus.expectFiring(['QuaestorTransactionsFailing']);
      fired = true;
      await paying;
      await prometheus.expectQuiet(['QuaestorTransactionsFailing']);
    }),
    boundMs,
  );

  it(
    'a client that sends false signatures by the thousand',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const { signer } = await network.member(routes.alba.member);
      const raw = await rawOf(routes.alba, 1);
      const operations = [transferOf(routes.alba.fromAccount, routes.alba.toAccount, 'EUR', 1n)];
      const height = await network.validators[0]!.metric('quaestor_consensus_height');
      const [honest] = await sealed(
        payloadOf({ sender: routes.alba.member, operations, validUntilHeight: height + 500 }),
        signer,
        network.chainId,
      ).then(({ signatures }) => signatures);
      const streams = Promise.all(
        Array.from({ length: 12 }, async () => {
          const envelopes = Array.from({ length: 1000 }, () => {
            const payload = payloadOf({
              sender: routes.alba.member,
              operations,
              validUntilHeight: height + 500,
            });
            return envelopeBytes({ payload, signatures: [honest!] });
          });
          await streamTo(raw, envelopes);
        }),
      );
      await Promise.all([streams, prometheus.expectFiring(['QuaestorVerifierBacklog'])]);
      await prometheus.expectQuiet(['QuaestorVerifierBacklog']);
    }),
    boundMs,
  );

  it(
    'more load than is committed',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      // Nothing is committed, so that what is taken stays.
      await Promise.all([network.validators[2]!.kill(), network.validators[3]!.kill()]);
      const flooding = [routes.alba, routes.borealis, routes.cadence].map(async (route) => {
        await streamTo(await rawOf(route, 0), await payments(route, 400));
      });
      await prometheus.expectFiring(['QuaestorMempoolNearlyFull', 'QuaestorShedding']);
      await network.startAll();
      await Promise.all(flooding);
      await network.agreed();
      await prometheus.expectQuiet(['QuaestorMempoolNearlyFull', 'QuaestorShedding']);
    }),
    boundMs,
  );

  it(
    'a primary that proposes a false block',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const primary = await primaryOf(network);
      const victim = network.validators.find(({ index }) => index !== primary.index)!;
      const height = asHeight((await network.agreed()) + 1);
      const answers = await (await network.operator()).getStatusOfAll({ timeoutMs: 2000 });
      const [status] = answers.flatMap((item) => ('status' in item ? [item.status] : []));
      const view = await victim.metric('quaestor_consensus_view');
      await primary.kill();
      const impersonation = await impersonate(network, primary, victim);
      closers.push(() => impersonation.raw.close());
      const [envelope] = await payments(routes.alba, 1, victim);
      const paid = streamTo(await rawOf(routes.alba, victim.index), [envelope!]);
      await eventually('it waits', async () => (await victim.metric('quaestor_mempool_transactions')) === 1);
      await proposeFalseBlock(network, impersonation, {
        proposer: primary.index,
        view,
        height,
        parent: asDigest(status!.digest),
        envelope: envelope!,
      });
      await prometheus.expectFiring(['QuaestorProposalInvalid']);
      impersonation.raw.close();
      await network.startAll();
      expect((await paid).map(({ outcome }) => outcome)).toEqual(['FINAL']);
    }),
    boundMs,
  );

  it(
    'a validator that sends votes that do not hold',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const culprit = network.validators[0]!;
      const height = asHeight((await network.agreed()) + 1);
      await culprit.stop();
      const impersonation = await impersonate(network, culprit, network.validators[1]!);
      closers.push(() => impersonation.raw.close());
      await sendCommit(network, impersonation, { index: culprit.index, height, byte: 3, broken: true });
      await prometheus.expectFiring(['QuaestorPeerMisbehaving']);
    }),
    boundMs,
  );

  it(
    'a validator that votes for two blocks',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const culprit = network.validators[0]!;
      const victim = network.validators[1]!;
      const impersonation = await impersonate(network, culprit, victim);
      closers.push(() => impersonation.raw.close());
      const height = asHeight((await victim.metric('quaestor_consensus_height')) + 1);
      const view = await victim.metric('quaestor_consensus_view');
      for (const byte of [1, 2]) {
        await sendCommit(network, impersonation, { index: culprit.index, height, byte, view });
      }
      await prometheus.expectFiring(['QuaestorEquivocation']);
      await network.startAll();
    }),
    boundMs,
  );
});
