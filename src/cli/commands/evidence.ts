import { Command, Option } from 'commander';
import { writeFile } from 'node:fs/promises';
import {
  bounds,
  decodeEvidence,
  decodeEvidenceBundle,
  decodeValidatorSetChanges,
  encodeEvidenceBundle,
  type Evidence,
  type Genesis,
  type ValidatorSetChange,
} from '../../codec/index.js';
import { loadGenesis, readBoundedFile } from '../../config/index.js';
import { verifyZip215Natively } from '../../crypto/native/index.js';
import { equalBytes, toHex } from '../../types/index.js';
import {
  followSetChanges,
  trustGenesis,
  verifyEvidence,
  type ChainTrust,
  type Equivocation,
} from '../../verify/index.js';
import { openNode, profileOption, type ProfileOptions } from '../client/open-profile.js';
import { CommandError } from '../command-error.js';
import { define, durationOption } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { count, printable, type Output } from '../output.js';

/** `quaestor evidence`. */
export function evidenceCommand(): Command {
  return new Command('evidence')
    .description(
      'Evidence of equivocation: two votes that a validator signed for different blocks in one view, height and phase, ' +
        'which no correct one does. Validators keep it and pass it on to each other.',
    )
    .addCommand(listCommand())
    .addCommand(exportCommand())
    .addCommand(verifyCommand());
}

interface NodeOptions extends ProfileOptions {
  readonly config: string;
}

const configOption = (): Option =>
  new Option(
    '-c, --config <file>',
    'configuration of the validator to ask, which says where its admin service listens',
  ).makeOptionMandatory();

/** Within this the operator's own node answers. */
const defaultTimeoutMs = 10_000;

function listCommand(): Command {
  const command = new Command('list')
    .summary('show what a running validator keeps')
    .description(
      'Lists the evidence that a running validator keeps, each piece verified against the genesis. Exit code 0 also ' +
        'when there is none; 4 if a piece does not hold.',
    )
    .addOption(configOption())
    .addOption(profileOption())
    .addOption(durationOption('--timeout', 'how long the validator is waited for', defaultTimeoutMs));
  return define<NodeOptions>(
    command,
    'quaestor evidence list --config data/devnet/validators/validator-1/validator.yaml --profile data/devnet/operator',
    async ({ output }, options) => {
      const { proven, validator } = await fetchEvidence(options);
      if (proven.length === 0) output.line(`${validator} has no evidence against anybody.`);
      else show(output, proven);
      output.document({ validator, evidence: proven.map(documentOf) });
      return exitCodes.ok;
    },
  );
}

function exportCommand(): Command {
  const command = new Command('export')
    .summary('write it to a file for a third party')
    .description(
      'Writes the evidence that a running validator keeps to one file, which "quaestor evidence verify" checks with ' +
        'nothing but the genesis. Writes no file and ends with exit code 1 if there is none.',
    )
    .addOption(configOption())
    .addOption(profileOption())
    .addOption(new Option('--validator <id>', 'only evidence against this validator'))
    .requiredOption('-o, --out <file>', 'file to make; it must not exist')
    .addOption(durationOption('--timeout', 'how long the validator is waited for', defaultTimeoutMs));
  return define<NodeOptions & { readonly out: string; readonly validator?: string }>(
    command,
    'quaestor evidence export --config data/devnet/validators/validator-1/validator.yaml --profile data/devnet/operator --out case-1.evidence',
    async ({ output }, options) => {
      const { proven, trust, setChanges, validator } = await fetchEvidence(options);
      const chosen = proven.filter(
        ({ equivocation }) => options.validator === undefined || equivocation.validator === options.validator,
      );
      if (chosen.length === 0) {
        const against = options.validator === undefined ? 'anybody' : `"${options.validator}"`;
        throw new CommandError(
          'NO_EVIDENCE',
          `${validator} has no evidence against ${against}; no file was written.`,
          exitCodes.failed,
        );
      }
      const evidence = chosen.map((piece) => piece.evidence);
      const bundle = { chainId: trust.chainId, evidence, setChanges };
      await writeFile(options.out, encodeEvidenceBundle(bundle), { flag: 'wx' });
      output.line(`${count(chosen.length, 'piece')} of evidence in ${options.out}.`);
      output.document({ file: options.out, evidence: chosen.map(documentOf) });
      return exitCodes.ok;
    },
  );
}

function verifyCommand(): Command {
  const command = new Command('verify')
    .summary('verify a file of evidence offline')
    .description(
      'Verifies a file of evidence against nothing but a genesis file, and says who did what. Needs no network. Exit ' +
        'code 0 if every piece proves an equivocation, 4 if one does not.',
    )
    .requiredOption('-g, --genesis <file>', 'genesis of the network, from a source that is trusted')
    .requiredOption('-e, --evidence <file>', 'file that "quaestor evidence export" wrote');
  return define<{ readonly genesis: string; readonly evidence: string }>(
    command,
    'quaestor evidence verify --genesis genesis.yaml --evidence case-1.evidence',
    async ({ output }, options) => {
      const loaded = await loadGenesis(options.genesis);
      if (!loaded.ok) throw loaded.error;
      const trust = trustOf(loaded.value);
      const bytes = await readBoundedFile(options.evidence, bounds.maxEvidenceBundleBytes);
      const bundle = decodeEvidenceBundle(bytes);
      if (!bundle.ok) {
        throw unverified(`${options.evidence} is no file of evidence: ${bundle.error.message}`);
      }
      if (!equalBytes(bundle.value.chainId, trust.chainId)) {
        throw unverified(
          `${options.evidence} is about the chain ${toHex(bundle.value.chainId)}; the genesis is that of ` +
            `${loaded.value.network}, ${toHex(trust.chainId)}.`,
        );
      }
      const followed = follow(trust, bundle.value.setChanges);
      const proven = bundle.value.evidence.map((evidence, index) => prove(followed, evidence, index));
      output.line(output.colours.green('The evidence holds.'));
      output.line();
      output.line(`Network  ${printable(loaded.value.network)}`);
      output.line();
      show(output, proven);
      output.document({
        holds: true,
        network: loaded.value.network,
        chainId: toHex(trust.chainId),
        evidence: proven.map(documentOf),
      });
      return exitCodes.ok;
    },
  );
}

interface Proven {
  readonly evidence: Evidence;
  readonly equivocation: Equivocation;
}

const trustOf = (genesis: Genesis): ChainTrust =>
  trustGenesis(genesis, { checkSignature: verifyZip215Natively });

interface Fetched {
  readonly proven: readonly Proven[];
  readonly trust: ChainTrust;
  readonly setChanges: readonly ValidatorSetChange[];
  readonly validator: string;
}

async function fetchEvidence(options: NodeOptions): Promise<Fetched> {
  const { admin, genesis, validator } = await openNode(options.config, options);
  try {
    const answer = await admin.listEvidence();
    const changes = decodeValidatorSetChanges(answer.setChanges);
    if (!changes.ok) {
      throw unverified(`The changes of the validator set that ${validator} sent: ${changes.error.message}`);
    }
    const setChanges = changes.value.changes;
    const trust = follow(trustOf(genesis), setChanges);
    const proven = answer.evidence.map((bytes, index) => {
      const decoded = decodeEvidence(bytes);
      if (decoded.ok) return prove(trust, decoded.value, index);
      throw unverified(`Piece ${index + 1} that ${validator} sent is malformed: ${decoded.error.message}`);
    });
    return { proven, trust, setChanges, validator };
  } finally {
    admin.close();
  }
}

/** The trust that knows the validator sets that the changes lead to. */
function follow(trust: ChainTrust, changes: readonly ValidatorSetChange[]): ChainTrust {
  const followed = followSetChanges(trust, changes);
  if (followed.ok) return followed.value;
  throw unverified(`The changes of the validator set prove nothing: ${followed.error.message}`);
}

function prove(trust: ChainTrust, evidence: Evidence, index: number): Proven {
  const verified = verifyEvidence(trust, evidence);
  if (verified.ok) return { evidence, equivocation: verified.value };
  throw unverified(`Piece ${index + 1} proves nothing (${verified.error.code}): ${verified.error.message}`);
}

const unverified = (message: string): CommandError =>
  new CommandError('EVIDENCE_INVALID', message, exitCodes.unverified);

const phaseNames = { prePrepare: 'pre-prepare', prepare: 'prepare', commit: 'commit' } as const;

function show(output: Output, proven: readonly Proven[]): void {
  for (const { equivocation } of proven) {
    const { validator, view, height, phase, publicKey, digests } = equivocation;
    output.line(`${output.colours.red(validator)} signed two ${phaseNames[phase]}s for different blocks:`);
    output.line(`  height ${height}, view ${view}, key ${toHex(publicKey)}`);
    for (const digest of digests) output.line(`  block ${toHex(digest)}`);
  }
}

function documentOf({ equivocation }: Proven): Record<string, unknown> {
  const { validator, index, publicKey, validatorSetHash, phase, view, height, digests } = equivocation;
  return { validator, index, publicKey, validatorSetHash, phase: phaseNames[phase], view, height, digests };
}
