/** A signer as a process runs it: key, memory, port, put together and taken apart. */
import { readFile } from 'node:fs/promises';
import { startHttpServer } from '../api/http.js';
import { firstValidatorSet, type Genesis } from '../codec/index.js';
import { formatAddress, loadGenesis, type SignerConfig, type TlsFiles } from '../config/index.js';
import { chainIdOf } from '../crypto/index.js';
import { encodeGenesis } from '../codec/index.js';
import { installNativeSha256 } from '../crypto/native/index.js';
import { prepareTls } from '../network/tls.js';
import type { TlsMaterial } from '../network/types.js';
import { createSignerMetrics, type Logger } from '../telemetry/index.js';
import { asHeight, asView, QuaestorError, type ChainId } from '../types/index.js';
import { SigningGuard } from './guard.js';
import { openHeldKey } from './held-key.js';
import { createJournal, Journal } from './journal.js';
import { startSignerServer } from './server.js';
import type { Change } from './state.js';

export interface SignerOptions {
  readonly config: SignerConfig;
  readonly log: Logger;
  /** Version of the software. */
  readonly version: string;
}

/** A signer that runs. */
export interface RunningSignerProcess {
  readonly ports: { readonly validator: number; readonly http: number };
  /** Resolves with the reason when nothing can be signed any more. */
  readonly failed: Promise<string>;
  /** Uses the certificate files as they are now, for new connections. Throws a QuaestorError when they can't be used. */
  reloadCertificates(): Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** Starts a signer. Rejects with a QuaestorError that says what was wrong, having closed what it had opened. */
export async function startSigner(options: SignerOptions): Promise<RunningSignerProcess> {
  const closers: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  };
  try {
    return await assemble(options, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(
  { config, log, version }: SignerOptions,
  closers: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<RunningSignerProcess> {
  installNativeSha256();
  const { genesis, chainId } = await readGenesis(config);
  const { validator, stateDir, listen } = config;
  const { network } = genesis;
  const tls = await readSignerTls(config.tls, network, validator);
  const metrics = createSignerMetrics({ version, network, validator });
  metrics.certificateExpiry.set(tls.expiryMs / 1000);
  let fail: (reason: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => (fail = resolve));
  let trouble: string | undefined = 'The key is being opened.';
  let interrupt: (reason: string) => void = () => undefined;
  const key = await openHeldKey(config.key, (ready, reason) => {
    trouble = ready ? undefined : (reason ?? 'The key cannot be used.');
    if (trouble !== undefined) interrupt(trouble);
    metrics.ready.set(ready ? 1 : 0);
    if (ready) log.info({ code: 'SIGNER_READY' }, 'The key can be used.');
    else
      log.error(
        { code: 'SIGNER_NOT_READY', reason },
        'The key cannot be used for now; what is to be signed waits.',
      );
  });
  closers.push(() => key.close());
  const { publicKey } = key.signer;
  const journal = await Journal.open(stateDir, { chainId, publicKey });
  closers.push(() => journal.close());
  metrics.finalHeight.set(journal.state.final);
  metrics.connections.set(0);
  const guard = new SigningGuard({
    chainId,
    publicKey,
    pipelineWindow: genesis.parameters.pipelineWindowBlocks,
    state: journal.state,
  });
  const http = await startHttpServer({
    ...listen.http,
    health: {
      live: () => true,
      ready: () => ({ ready: trouble === undefined, reasons: trouble === undefined ? [] : [trouble] }),
      quorumReachable: () => true,
    },
    metrics,
    log,
  });
  closers.push(() => http.close());
  const server = await startSignerServer({
    address: formatAddress(listen.validator),
    network,
    validator,
    chainId,
    tls: tls.material,
    key: key.signer,
    guard,
    journal,
    log,
    counts: {
      signed: (kind) => metrics.signatures.with({ kind }).inc(),
      refused: (code) => metrics.refusals.with({ code }).inc(),
      answered: (ms) => metrics.duration.observe(ms / 1000),
      connections: (open) => metrics.connections.set(open),
      finalHeight: (height) => metrics.finalHeight.set(height),
    },
    trouble: () => trouble,
    failed: (error) => fail(error instanceof Error ? error.message : String(error)),
  });
  interrupt = (reason) => server.interrupt(reason);
  closers.push(() => server.close());
  log.info(
    { code: 'LISTENING', surface: 'signer', port: server.port, publicKey, finalHeight: journal.state.final },
    'Listening for the validator.',
  );
  return {
    ports: { validator: server.port, http: http.port },
    failed,
    stop,
    async reloadCertificates() {
      const renewed = await readSignerTls(config.tls, network, validator);
      server.reloadTls(renewed.material);
      metrics.certificateExpiry.set(renewed.expiryMs / 1000);
      log.info({ code: 'CERTIFICATE_RELOADED' }, 'New certificates are used for new connections.');
    },
  };
}

/**
 * Makes the memory of a signer whose key has never signed, or has signed nothing above a height or in a view above one.
 *
 * @throws QuaestorError SIGNER_STATE_EXISTS, or what is wrong with the key.
 */
export async function initSigner(
  config: SignerConfig,
  from: { readonly height: number; readonly view: number },
): Promise<void> {
  installNativeSha256();
  const { genesis, chainId } = await readGenesis(config);
  const key = await openHeldKey(config.key, () => undefined);
  const changes: Change[] = [
    { kind: 'final', height: asHeight(from.height) },
    { kind: 'view', view: asView(from.view) },
  ];
  try {
    const { publicKey } = key.signer;
    await createJournal(
      config.stateDir,
      { chainId, publicKey },
      firstValidatorSet(genesis.validators),
      changes,
    );
  } finally {
    await key.close();
  }
}

async function readGenesis(config: SignerConfig): Promise<{ genesis: Genesis; chainId: ChainId }> {
  const genesis = await loadGenesis(config.genesisFile);
  if (!genesis.ok) throw genesis.error;
  return { genesis: genesis.value, chainId: chainIdOf(encodeGenesis(genesis.value)) };
}

async function readSignerTls(
  files: TlsFiles,
  network: string,
  validator: string,
): Promise<{ readonly material: TlsMaterial; readonly expiryMs: number }> {
  const [caPem = '', certificatePem = '', privateKeyPem = ''] = await Promise.all(
    [files.ca, files.cert, files.key].map((file) =>
      readFile(file, 'utf8').catch((cause: unknown) => {
        throw new QuaestorError(
          'TLS_MATERIAL_INVALID',
          `${file} cannot be read: ${String(cause)}.`,
          {},
          cause,
        );
      }),
    ),
  );
  const material = { caPem, certificatePem, privateKeyPem };
  const title = "The signer's TLS certificate";
  const { expiryMs } = prepareTls(material, network, { id: validator }, title, 'signer');
  return { material, expiryMs };
}
