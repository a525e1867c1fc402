import { Command } from 'commander';
import { loadGenesis, loadNodeConfig } from '../../config/index.js';
import type { Comparison, DifferingKey } from '../../node/divergence.js';
import { createLogger } from '../../telemetry/index.js';
import { toHex } from '../../types/index.js';
import { define } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { count, printable, type Output } from '../output.js';
import { softwareVersion } from '../version.js';

/** Bytes of a value that the table shows. */
const shownBytes = 24;

/** `quaestor divergence`. */
export function divergenceCommand(): Command {
  const command = new Command('divergence')
    .description(
      'For a node that stopped because its execution of a block gave another result than a quorum has certified ' +
        '(CONSENSUS_HALTED): executes that block once more, compares every key of the state with what the other validators ' +
        'prove, and says which keys differ and which transaction wrote them. The node must not run. Changes nothing. Exit ' +
        'code 0 if nothing differs, 4 if something does.',
    )
    .requiredOption('-c, --config <file>', "the node's configuration");
  return define<{ readonly config: string }>(
    command,
    'quaestor divergence --config data/devnet/validators/validator-1/validator.yaml',
    async ({ output, signal }, options) => {
      const { QUAESTOR_PROFILE: _profile, ...environment } = process.env;
      const config = await loadNodeConfig(options.config, environment);
      if (!config.ok) throw config.error;
      const genesis = await loadGenesis(config.value.network.genesisFile);
      if (!genesis.ok) throw genesis.error;
      const [{ diagnose }, { summaryOf }] = await Promise.all([
        import('../../node/diagnose.js'),
        import('../../node/genesis-summary.js'),
      ]);
      const log = createLogger({ level: 'error', format: 'pretty', sink: process.stderr });
      const found = await diagnose({
        config: config.value,
        genesis: summaryOf(genesis.value),
        log,
        version: softwareVersion(),
        signal,
        progressed: (fraction) => output.progress(`Comparing the state: ${Math.floor(fraction * 100)} %`),
      });
      if (found === undefined) {
        output.line('No other validator has a block after the last one here: there is nothing to compare.');
        output.document({ compared: 0 });
        return exitCodes.ok;
      }
      show(output, found);
      output.document(documentOf(found));
      return found.roots.length === 0 && found.differing === 0 ? exitCodes.ok : exitCodes.unverified;
    },
  );
}

function show(output: Output, found: Comparison): void {
  const { height, roots, transactions, keys, differing, compared } = found;
  const place = `Block ${height} (${count(transactions, 'transaction')}), ${count(compared, 'key')} compared`;
  if (roots.length === 0 && differing === 0) {
    output.line(`${place}: the execution here gives what was certified.`);
    return;
  }
  output.line(
    `${place}: ${output.colours.red(`${count(differing, 'key')} differ`)}, roots: ${roots.join(', ') || 'none'}.`,
  );
  output.line();
  output.table(
    ['key', 'here', 'certified', 'written here by'],
    keys.map(({ key, own, certified, cause }) => [
      printable(key),
      short(own),
      short(certified),
      causeText(cause),
    ]),
  );
  if (keys.length < differing) output.line(`… and ${differing - keys.length} more.`);
}

const short = (value: Uint8Array | undefined): string => {
  if (value === undefined) return '(none)';
  const hex = toHex(value.subarray(0, shownBytes));
  return value.length > shownBytes ? `${hex}…` : hex;
};

function causeText(cause: DifferingKey['cause']): string {
  switch (cause.kind) {
    case 'transaction':
      return `transaction ${cause.index + 1}, ${toHex(cause.txId)}`;
    case 'block':
      return 'the block';
    case 'notWritten':
      return 'nothing: only the certified block wrote it';
    case 'before':
      return 'an earlier block: the store differs';
  }
}

function documentOf({ keys, ...rest }: Comparison): object {
  return {
    ...rest,
    keys: keys.map(({ key, own, certified, cause }) => ({
      key,
      own: own === undefined ? null : toHex(own),
      certified: certified === undefined ? null : toHex(certified),
      cause: 'txId' in cause ? { ...cause, txId: toHex(cause.txId) } : cause,
    })),
  };
}
