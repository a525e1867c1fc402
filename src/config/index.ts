/**
 * Files that people write: a node's configuration, a genesis, the template of one. Read whole, validated whole, every
 * problem with its place; QUAESTOR_* variables override. Starts nothing, writes nothing, keeps no secret.
 */
export { formatAddress, parseAddress } from './address.js';
export type { Address } from './address.js';
export { formatAmount, parseAmount } from './amount.js';
export type { AmountProblem } from './amount.js';
export { FileTooLargeError, readBoundedFile } from './bounded-file.js';
export { variableOf } from './environment.js';
export type { Environment } from './environment.js';
export { genesisFromWorld, loadGenesis, loadWorld } from './genesis.js';
export type { World, WorldKeys } from './genesis.js';
export { renderGenesis, renderGenesisJson } from './genesis-render.js';
export type { FileKey, HeldKey, KeySource, Pkcs11Key, RemoteKey } from './key-source.js';
export { loadNodeConfig } from './node.js';
export type { LoadOptions, NodeConfig, TlsFiles } from './node.js';
export { loadParticipation, renderParticipation } from './participation.js';
export type { Participation } from './participation.js';
export { loadClientProfile, profileFileName } from './profile.js';
export type { ClientProfile } from './profile.js';
export { ConfigError, renderProblem } from './problems.js';
export type { ConfigProblem } from './problems.js';
export { secretFileProblem } from './secret-file.js';
export { loadSignerConfig } from './signer.js';
export type { SignerConfig } from './signer.js';
export { suggest } from './suggest.js';
export { formatDuration, formatSize, parseDuration, parseSize } from './units.js';
