import { Command, InvalidArgumentError } from 'commander';
import { restoreBackup } from '../../backup/index.js';
import { openObjects } from '../../objects/index.js';
import { asDigest, asHeight, fromHex, limits, toHex, type Digest, type Height } from '../../types/index.js';
import { define } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { count } from '../output.js';
import { softwareVersion } from '../version.js';
import { openBackup, progressText, readConfig, reading, type FromOptions } from './backup.js';

interface RestoreCommandOptions extends FromOptions {
  readonly config: string;
  readonly backup?: string;
  readonly agreed?: { readonly height: Height; readonly digest: Digest };
}

/** `quaestor restore`. */
export function restoreCommand(): Command {
  const command = new Command('restore')
    .description(
      'Makes the store of a node from a backup. Everything is proven against the genesis file first, so the place of the ' +
        'backup need not be trusted. The data folder must have no store. Run again, it goes on where it was interrupted. ' +
        'A restored validator is silent at first: it has forgotten what it signed, and follows until it can contradict none ' +
        'of it.',
    )
    .requiredOption('--from <location>', 'where the backups are (backup.target of a node)')
    .requiredOption('-g, --genesis <file>', 'genesis of the network, from a source that is trusted')
    .requiredOption('-c, --config <file>', 'configuration of the node that is restored')
    .option('--backup <name>', 'which one (default: the latest)')
    .option(
      '--agreed <height:digest>',
      'only when the whole consortium begins anew: the block that all institutions agreed on; the validator votes at once',
      parseAgreed,
    );
  return define<RestoreCommandOptions>(
    command,
    'quaestor restore --from /var/backups/quaestor/alpha --genesis genesis.yaml --config validator.yaml',
    async ({ output, signal }, options) => {
      const config = await readConfig(options.config);
      const { objects, id, backup } = await openBackup(options, options.backup);
      const { segments } = config.storage;
      const restored = await reading(() =>
        restoreBackup({
          objects,
          backup,
          dataDir: config.dataDir,
          engine: config.storage.engine,
          validator: config.validator,
          software: softwareVersion(),
          segments: segments && openObjects(segments.location),
          ...(options.agreed === undefined ? {} : { agreed: options.agreed }),
          signal,
          progressed: (progress) => output.progress(progressText(progress)),
        }),
      );
      output.progressDone();
      const { digest, header } = backup.certified;
      output.line(output.colours.green(`The store of ${config.validator} is restored from ${id}.`));
      output.line();
      output.line(`Block   ${header.height}`);
      output.line(`Digest  ${toHex(digest)}`);
      output.line(`State   ${count(restored.entries, 'entry', 'entries')}`);
      output.line();
      output.line(
        restored.abstains
          ? 'Start it now: it catches up, and votes again when it can contradict nothing that it has signed before.'
          : 'Start it now, with all others from the same block. It votes at once.',
      );
      output.document({ backup: id, digest: toHex(digest), ...restored });
      return exitCodes.ok;
    },
  );
}

function parseAgreed(text: string): { readonly height: Height; readonly digest: Digest } {
  const [, height = '', digest = ''] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  const bytes = fromHex(digest);
  const number = Number(height);
  if (bytes?.length === 32 && number >= 1 && number <= limits.maxHeight) {
    return { height: asHeight(number), digest: asDigest(bytes) };
  }
  throw new InvalidArgumentError('Expected a height, a colon and the 64 hexadecimal digits of a digest.');
}
