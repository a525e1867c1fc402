/**
 * The stable codes of the lines that an operator may want to act on or to alert on: `code` in the log. Lines without a
 * code are for developers and may change.
 */
export const logCodes = {
  NODE_STARTING: { level: 'info', meaning: 'The process starts; version, validator and configuration file.' },
  NODE_READY: { level: 'info', meaning: 'The node is synced and votes.' },
  NODE_NOT_READY: { level: 'warn', meaning: 'The node cannot vote for now; the reasons are in the line.' },
  NODE_STOPPING: { level: 'info', meaning: 'The node was asked to stop and finishes what it does.' },
  NODE_STOPPED: { level: 'info', meaning: 'The node has stopped and closed its store.' },
  NODE_FAILED: {
    level: 'error',
    meaning:
      'The node stops because it cannot go on safely. Read the error; fix its cause before starting again.',
  },
  GENESIS_PREPARED: {
    level: 'info',
    meaning:
      'A genesis of more than 2 MiB was read by a process of its own, which wrote its block if there was none.',
  },
  CONFIG_WARNING: { level: 'warn', meaning: 'Something in the configuration or environment has no effect.' },
  LISTENING: { level: 'info', meaning: 'A port is open; surface and address.' },
  STORAGE_OPENED: { level: 'info', meaning: 'The store is open; engine, folder and height.' },
  DISK_SPACE_LOW: {
    level: 'warn',
    meaning: 'Less than a tenth of the disk of the data folder is free; a node stops when it is full.',
  },
  SEGMENT_SEALED: {
    level: 'info',
    meaning:
      'A segment of old blocks is in place, was read back and is in the manifest; its heights and bytes.',
  },
  PRUNED: { level: 'debug', meaning: 'Blocks and states that need not be kept were removed.' },
  RETENTION_FAILED: {
    level: 'warn',
    meaning:
      'Old blocks could not be sealed or pruned, for the reason in the line: they stay, and it is tried again.',
  },
  RETENTION_RESUMED: { level: 'info', meaning: 'Old blocks are sealed and pruned again after a failure.' },
  SEGMENT_UNREADABLE: {
    level: 'warn',
    meaning:
      'A block that a client or peer asked for is in a sealed segment that could not be read or proven.',
  },
  BACKUP_TAKEN: {
    level: 'info',
    meaning: 'A backup is complete; its name, height, and what was written that was not there before.',
  },
  BACKUP_COLLECTED: { level: 'info', meaning: 'Old backups and what only they named were removed.' },
  BACKUP_FAILED: {
    level: 'warn',
    meaning: 'A backup could not be taken, for the reason in the line; it is tried again.',
  },
  VALIDATORS_SCHEDULED: {
    level: 'info',
    meaning: 'A quorum has decided the next validator set; its height, who joins and who leaves.',
  },
  VALIDATORS_CHANGED: { level: 'info', meaning: 'The next validator set has taken over; who validates now.' },
  RULES_SCHEDULED: {
    level: 'info',
    meaning: "A quorum has decided another version of the ledger's rules; the version and its height.",
  },
  RULES_CHANGED: { level: 'info', meaning: "Another version of the ledger's rules is in force from now on." },
  RULES_UNKNOWN: {
    level: 'error',
    meaning:
      "A version of the ledger's rules is decided that this software does not know: the node stops below its height. Upgrade it before.",
  },
  VALIDATOR_KEY_MISSING: {
    level: 'error',
    meaning:
      'The validator set in force has a key for this validator that this node does not hold: it only follows.',
  },
  NOT_VALIDATING: {
    level: 'warn',
    meaning: 'This node is not in the validator set in force: it only follows.',
  },
  VIEW_STARTED: { level: 'info', meaning: 'A view has started; its primary.' },
  VIEW_CHANGE_STARTED: {
    level: 'warn',
    meaning:
      'This validator asks for another primary, for the cause in the line. Many in a row: see the runbook.',
  },
  CHECKPOINT_STABLE: { level: 'debug', meaning: 'A quorum has persisted a checkpoint.' },
  EQUIVOCATION: {
    level: 'error',
    meaning:
      'A validator signed two different things in one place: it is faulty, attacked, or runs twice. Evidence is stored.',
  },
  ABSTAINING: {
    level: 'error',
    meaning:
      'The data folder lacks what this validator has signed: it follows in silence until it can contradict nothing.',
  },
  ABSTENTION_ENDED: {
    level: 'warn',
    meaning: 'The validator may speak again; it votes from the next view, or the next validator set, on.',
  },
  CONSENSUS_HALTED: {
    level: 'error',
    meaning:
      'This validator stopped voting for good because safety is at stake. Keep its store for analysis; quaestor divergence compares it with what a quorum has certified.',
  },
  DRAIN_STARTED: {
    level: 'info',
    meaning:
      'An operator has the node prepared for a stop: it takes nothing from clients and is no primary for long.',
  },
  DRAIN_ENDED: { level: 'info', meaning: 'An operator ended a drain: the node takes transactions again.' },
  ADMIN_ACT: {
    level: 'info',
    meaning:
      'An operator changed something by the admin service: who, what. Also in admin-audit.jsonl in the data folder.',
  },
  SYNC_STARTED: { level: 'info', meaning: 'The node catches up; from and to which height.' },
  SYNC_FINISHED: { level: 'info', meaning: 'The node has caught up.' },
  SNAPSHOT_WANTED: {
    level: 'info',
    meaning:
      'The node is so far behind that it copies a state instead of executing the blocks; it restarts inside.',
  },
  SNAPSHOT_STARTED: {
    level: 'info',
    meaning: 'The copy begins or goes on; height, validators, what is here.',
  },
  SNAPSHOT_PROGRESS: { level: 'info', meaning: 'How far the copy is: part of the state, entries, bytes.' },
  SNAPSHOT_PEER_FAILED: {
    level: 'warn',
    meaning: 'A validator gave no state, or a false one (fault "lied": it is not asked again in this copy).',
  },
  SNAPSHOT_INSTALLED: {
    level: 'info',
    meaning: 'The copied state is in use. Blocks below its height are not kept by this node.',
  },
  SNAPSHOT_FAILED: {
    level: 'warn',
    meaning: 'No state could be copied, for the reason in the line; the node fetches blocks instead.',
  },
  SYNC_STALLED: { level: 'warn', meaning: 'No validator delivers the blocks that are missing.' },
  STORE_MIGRATED: {
    level: 'warn',
    meaning:
      'The store of an older version is brought to the format of this one: older software refuses it from now on.',
  },
  PEER_CONNECTED: { level: 'info', meaning: 'The stream to a validator is open.' },
  PEER_DISCONNECTED: {
    level: 'warn',
    meaning: 'The stream to a validator ended, for the reason in the line.',
  },
  PEER_MISBEHAVED: {
    level: 'warn',
    meaning: 'A validator sent what is no message of the protocol and was cut off.',
  },
  CONNECTION_REFUSED: {
    level: 'warn',
    meaning: 'An attempt to connect failed or was refused, with the reason.',
  },
  QUORUM_LOST: {
    level: 'warn',
    meaning: 'Too few validators are connected: nothing commits until more are back.',
  },
  QUORUM_RESTORED: { level: 'info', meaning: 'Enough validators are connected again.' },
  CERTIFICATE_RELOADED: { level: 'info', meaning: 'New certificates are in use for new connections.' },
  CERTIFICATE_REJECTED: {
    level: 'error',
    meaning: 'New certificate files cannot be used; the old ones stay in use.',
  },
  LIMITS_CHANGED: { level: 'info', meaning: 'The limits of clients were read again from the configuration.' },
  CONFIG_REJECTED: {
    level: 'error',
    meaning: 'The configuration file cannot be used as it is now; the limits of clients stay as they were.',
  },
  CERTIFICATE_EXPIRES_SOON: { level: 'warn', meaning: 'A certificate expires soon; replace its files.' },
  SIGNER_READY: { level: 'info', meaning: 'The key can be used: its signer or token answers.' },
  SIGNER_NOT_READY: {
    level: 'warn',
    meaning:
      'The key cannot be used for the reason in the line: its signer or token is away. Nothing is signed meanwhile.',
  },
  SIGNER_REFUSED: {
    level: 'error',
    meaning:
      'A signer refused to sign: the validator asked for what contradicts what was signed before. See docs/signer.md for the code.',
  },
  SIGNER_CONNECTED: { level: 'info', meaning: 'A validator has connected to this signer.' },
  SIGNER_DISCONNECTED: { level: 'warn', meaning: 'The validator of this signer has gone.' },
  MEMPOOL_FULL: { level: 'warn', meaning: 'Transactions are refused because the pool is full.' },
  CENSORSHIP_SUSPECTED: {
    level: 'warn',
    meaning: 'A transaction waits beyond the bound although blocks could be committed.',
  },
  VERIFIER_THREAD_LOST: { level: 'error', meaning: 'A signature-checking thread ended and was replaced.' },
  LOG_LEVEL_CHANGED: { level: 'info', meaning: 'An operator changed the level of the log.' },
  API_DEFECT: {
    level: 'error',
    meaning: 'A request failed by a defect of the node; the client got an error id.',
  },
  LINES_SUPPRESSED: {
    level: 'warn',
    meaning: 'So many lines of one code came at once that most were left out; how many.',
  },
} as const satisfies Record<string, { readonly level: LogLevel; readonly meaning: string }>;

export type LogCode = keyof typeof logCodes;

/** Levels, most talkative first. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
