/** How a command ends: part of the command line's contract, shown in --help. */
export const exitCodes = {
  /** Done. */
  ok: 0,
  /** It was tried and failed, or was refused. */
  failed: 1,
  /** The arguments, a configuration or an input file are wrong: nothing was tried. */
  usage: 2,
  /** The network could not be reached, or has no quorum: the outcome is open; the same command may be run again. */
  unreachable: 3,
  /** What a validator or a file said does not hold against the genesis. */
  unverified: 4,
  /** Stopped by Ctrl-C before it was done. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodesHelp = `Exit codes:
  0    done
  1    failed or refused
  2    wrong arguments, configuration or input file: nothing was tried
  3    network not reachable or without a quorum: the outcome is open, run the same command again
  4    something that was received does not hold against the genesis
  130  stopped by Ctrl-C before it was done`;
