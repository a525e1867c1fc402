import type { Account, Genesis, KeyPolicy, Member, OpeningBalance, Role } from '../codec/model.js';
import { asHeight, compareBytes, err, ok } from '../types/index.js';
import type { PublicKey, Result } from '../types/index.js';
import { readConfigDocument } from './document.js';
import type { ConfigDocument } from './document.js';
import { checkKeys, checkLedger } from './ledger-check.js';
import { genesisSchema, worldSchema } from './ledger-schema.js';
import type { GenesisFile, WorldFile } from './ledger-schema.js';
import { ConfigError } from './problems.js';
import { problemsOf } from './schema.js';

/** Room for a genesis of some hundred thousand accounts. */
const maxFileBytes = 128 * 1024 * 1024;

/** A network without its keys: what `quaestor devnet` makes a genesis of. Members, assets, accounts as in Genesis. */
export interface World {
  readonly network: string;
  readonly parameters: Genesis['parameters'];
  /** Version of the ledger's rules. */
  readonly rulesVersion: number;
  readonly members: readonly Pick<Member, 'member' | 'name' | 'roles'>[];
  readonly validators: readonly { readonly id: string; readonly member: string }[];
  readonly assets: Genesis['assets'];
  readonly accounts: readonly Pick<Account, 'account' | 'owner'>[];
  readonly balances: readonly OpeningBalance[];
}

/** The keys that a world lacks, by member id and validator id. */
export interface WorldKeys {
  readonly members: ReadonlyMap<string, KeyPolicy>;
  readonly validators: ReadonlyMap<string, PublicKey>;
}

/**
 * Reads the human form of a genesis (YAML, or JSON of the same fields in a file called *.json). The order of members,
 * assets, accounts, keys and roles in the file does not matter; that of the validators does: it is their index.
 *
 * @returns the genesis in canonical order, or an error that lists every problem with line, column and field.
 */
export async function loadGenesis(path: string): Promise<Result<Genesis, ConfigError>> {
  const document = await readConfigDocument(path, maxFileBytes);
  return document.ok ? genesisOf(document.value) : document;
}

/** Reads the template of a genesis, which has no keys and no time. */
export async function loadWorld(path: string): Promise<Result<World, ConfigError>> {
  const document = await readConfigDocument(path, maxFileBytes);
  return document.ok ? worldOf(document.value) : document;
}

/** As loadGenesis, of a document that was read already. */
export function genesisOf(document: ConfigDocument): Result<Genesis, ConfigError> {
  const parsed = genesisSchema.safeParse(document.data);
  if (!parsed.success) {
    const problems = problemsOf(genesisSchema, parsed.error.issues, document, document.data);
    return err(new ConfigError('CONFIG_INVALID', problems));
  }
  const file = parsed.data;
  const checked = check(file, document, (report) => checkKeys(file, report));
  if (!checked.ok) return checked;
  const members = file.members.map(({ id, name, policy, roles }) => ({
    member: id,
    name,
    policy: canonicalPolicy(policy),
    roles: canonicalRoles(roles),
  }));
  const accounts = file.accounts.map(({ id, owner, policy }): Account => {
    const account = { account: id, owner, openedHeight: asHeight(0) };
    return policy === undefined ? account : { ...account, policy: canonicalPolicy(policy) };
  });
  return ok({
    network: file.network,
    timeMs: file.time,
    validators: file.validators,
    members: sortedBy(members, (member) => member.member),
    assets: assetsOf(file),
    accounts: sortedBy(accounts, (account) => account.account),
    balances: checked.value,
    parameters: file.parameters,
    ...rulesOf(file),
  });
}

function worldOf(document: ConfigDocument): Result<World, ConfigError> {
  const parsed = worldSchema.safeParse(document.data);
  if (!parsed.success) {
    const problems = problemsOf(worldSchema, parsed.error.issues, document, document.data);
    return err(new ConfigError('CONFIG_INVALID', problems));
  }
  const file = parsed.data;
  const checked = check(file, document);
  if (!checked.ok) return checked;
  const members = file.members.map(({ id, name, roles }) => ({
    member: id,
    name,
    roles: canonicalRoles(roles),
  }));
  return ok({
    network: file.network,
    parameters: file.parameters,
    rulesVersion: file.rulesVersion,
    members: sortedBy(members, (member) => member.member),
    validators: file.validators,
    assets: assetsOf(file),
    accounts: sortedBy(
      file.accounts.map(({ id, owner }) => ({ account: id, owner })),
      (account) => account.account,
    ),
    balances: checked.value,
  });
}

/** Every member and validator of a world that `keys` has no key for is named in the error's text. */
export function genesisFromWorld(world: World, keys: WorldKeys, timeMs: number): Result<Genesis, string> {
  const missing: string[] = [];
  const members = world.members.flatMap((member): Member[] => {
    const policy = keys.members.get(member.member);
    if (policy === undefined) missing.push(`member ${member.member}`);
    return policy === undefined ? [] : [{ ...member, policy: canonicalPolicy(policy) }];
  });
  const validators = world.validators.flatMap((validator) => {
    const publicKey = keys.validators.get(validator.id);
    if (publicKey === undefined) missing.push(`validator ${validator.id}`);
    return publicKey === undefined ? [] : [{ ...validator, publicKey }];
  });
  if (missing.length > 0) return err(`There is no key for ${missing.join(', ')}.`);
  return ok({
    network: world.network,
    timeMs,
    validators,
    members,
    assets: world.assets,
    accounts: world.accounts.map((account) => ({ ...account, openedHeight: asHeight(0) })),
    balances: world.balances,
    parameters: world.parameters,
    ...rulesOf(world),
  });
}

/** Version 1 is not written out, so that a genesis from before there were versions stays the same one. */
const rulesOf = ({ rulesVersion }: { readonly rulesVersion: number }): Pick<Genesis, 'rulesVersion'> =>
  rulesVersion === 1 ? {} : { rulesVersion };

function check(
  file: GenesisFile | WorldFile,
  document: ConfigDocument,
  more?: (report: (path: readonly PropertyKey[], message: string) => void) => void,
): Result<OpeningBalance[], ConfigError> {
  const problems: ReturnType<ConfigDocument['problemAt']>[] = [];
  const report = (path: readonly PropertyKey[], message: string) => {
    problems.push(document.problemAt(path, message));
  };
  const balances = checkLedger(file, report);
  more?.(report);
  if (problems.length > 0) return err(new ConfigError('CONFIG_INVALID', problems));
  return ok(balances.sort((a, b) => compareText(a.account, b.account) || compareText(a.asset, b.asset)));
}

function assetsOf(file: GenesisFile | WorldFile): Genesis['assets'] {
  const assets = file.assets.map(({ id, exponent, issuer, name }) => ({ asset: id, exponent, issuer, name }));
  return sortedBy(assets, (asset) => asset.asset);
}

function canonicalPolicy(policy: KeyPolicy): KeyPolicy {
  return {
    threshold: policy.threshold,
    keys: [...policy.keys].sort((a, b) => compareBytes(a.publicKey, b.publicKey)),
  };
}

/** In the order of the enum Role of state.proto. */
function canonicalRoles(roles: readonly Role[]): Role[] {
  return (['registrar', 'assetAdmin'] as const).filter((role) => roles.includes(role));
}

function sortedBy<Item>(items: readonly Item[], idOf: (item: Item) => string): Item[] {
  return [...items].sort((a, b) => compareText(idOf(a), idOf(b)));
}

/** Order of ids, which are ASCII: by bytes. */
function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
