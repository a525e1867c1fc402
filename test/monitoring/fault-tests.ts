/** By which test each alert is made to fire by its real cause; or why only promtool's tests let it fire. */
export const faultTests: Readonly<
  Record<
    string,
    { readonly title: string; readonly whyNot?: never } | { readonly whyNot: string; readonly title?: never }
  >
> = {
  QuaestorDown: { title: 'a validator that is killed' },
  QuaestorAbsent: { title: 'all validators that are killed' },
  QuaestorRestarting: { title: 'a validator that is restarted again and again' },
  QuaestorNotReady: { title: 'a validator that is held back' },
  QuaestorNoQuorum: { title: 'two of four validators that are killed' },
  QuaestorQuorumAtRisk: { title: 'a validator that is killed' },
  QuaestorPeerDisconnected: { title: 'a validator that is killed' },
  QuaestorStalled: { title: 'two of four validators that are killed' },
  QuaestorViewChangeStuck: { title: 'two of four validators that are killed' },
  QuaestorViewChangesFrequent: { title: 'one primary after the other that is frozen' },
  QuaestorFallingBehind: { title: 'a validator that is held back' },
  QuaestorSyncStalled: { title: 'a validator that is held back' },
  QuaestorEquivocation: { title: 'a validator that votes for two blocks' },
  QuaestorAbstaining: { title: 'a data folder that is put back' },
  QuaestorPeerMisbehaving: { title: 'a validator that sends votes that do not hold' },
  QuaestorProposalInvalid: { title: 'a primary that proposes a false block' },
  QuaestorClockSkew: { title: 'a clock that is ahead' },
  QuaestorDiskSpaceLow: { title: 'a disk that fills up' },
  QuaestorDiskSpaceCritical: { title: 'a disk that fills up' },
  QuaestorDiskFullSoon: { title: 'a disk that fills up' },
  QuaestorStorageSlow: { title: 'a disk that hangs now and then' },
  QuaestorRetentionFailing: {
    whyNot:
      'object storage that is down is in test/unit/node/retention.test.ts, which sees the metric that the rule reads',
  },
  QuaestorBackupTooOld: {
    whyNot:
      'storage that is away is in test/unit/node/node-backup.test.ts, which sees the metrics that the rule reads',
  },
  QuaestorEventLoopLag: { title: 'a validator that gets too little processor time' },
  QuaestorMemoryHigh: { title: 'a memory limit that is too tight' },
  QuaestorFileDescriptorsHigh: { title: 'file descriptors that are never closed' },
  QuaestorCertificateExpiresSoon: { title: 'a certificate near its end' },
  QuaestorCertificateExpiresNow: { title: 'a certificate near its end' },
  QuaestorVerifierBacklog: { title: 'a client that sends false signatures by the thousand' },
  QuaestorVerifierThreadLost: { whyNot: 'takes a native library that crashes a thread' },
  QuaestorFinalitySlow: { title: 'round trips that have become long' },
  QuaestorMempoolNearlyFull: { title: 'more load than is committed' },
  QuaestorShedding: { title: 'more load than is committed' },
  QuaestorPeerQueueShedding: {
    whyNot:
      'takes more traffic than two cores make in the seconds until a peer that does not read is given up',
  },
  QuaestorTransactionsFailing: { title: 'payments without funds' },
  QuaestorRequestsFailing: { whyNot: 'takes a defect of the node' },
  QuaestorRulesUnknown: { whyNot: 'takes a later version of the software, which decides rules of its own' },
  QuaestorSignerAway: { title: 'a remote signer that is killed' },
  QuaestorSignerRefusing: { title: 'a remote signer whose memory begins above the network' },
  QuaestorSignerSlow: { title: 'a remote signer that is frozen now and then' },
  QuaestorVersionsDiffer: { title: 'an upgrade that was not finished' },
};
