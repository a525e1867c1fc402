/** One record of each kind that the consensus log holds. */
import type { LogRecord } from '../../src/consensus/index.js';
import { asHeight, asView, limits } from '../../src/types/index.js';
import { chainOf, preparedCertificate, viewChangeStatement } from './consensus-certificates.js';
import { genesisTip, say, testConfig } from './consensus-words.js';

const config = testConfig({ n: 4 }, 0);
const [block] = chainOf(config, { view: 0, height: 1, parent: genesisTip.digest, length: 1 });
const viewChanges = [0, 1, 2].map((index) => {
  const message = say(config, index, viewChangeStatement(config, index, 1));
  if (message.kind !== 'viewChange') throw new Error('unreachable');
  return message;
});
const statement = {
  kind: 'newView',
  view: asView(1),
  viewChanges,
  reproposals: [{ height: asHeight(1), digest: block!.digest }],
} as const;
const newView = say(config, 1, statement);
if (newView.kind !== 'newView') throw new Error('unreachable');

export const logRecords: readonly LogRecord[] = [
  { kind: 'view', epoch: 7, view: asView(limits.maxView), changing: true },
  { kind: 'view', epoch: 0, view: asView(0), changing: false },
  { kind: 'vote', phase: 'prePrepare', view: asView(3), height: asHeight(1), digest: block!.digest },
  { kind: 'vote', phase: 'prepare', view: asView(3), height: asHeight(1), digest: block!.digest },
  {
    kind: 'vote',
    phase: 'commit',
    view: asView(3),
    height: asHeight(limits.maxHeight),
    digest: block!.digest,
  },
  { kind: 'block', block: block! },
  { kind: 'block', block: { ...block!, transactionHashes: undefined } },
  { kind: 'prepared', height: asHeight(1), certificate: preparedCertificate(config, 0, block!) },
  { kind: 'newView', epoch: limits.maxHeight, message: newView },
  { kind: 'newViewDraft', epoch: 3, statement },
];
