/**
 * What a new view starts from, written down once more from docs/consensus.md and as simply as possible: an oracle for
 * the derivation in src/consensus.
 */
import { decodeBlockHeader, decodeNewView, decodeViewChange } from '../../src/codec/index.js';
import { headerDigest } from '../../src/crypto/index.js';
import { toHex } from '../../src/types/index.js';

interface Shown {
  readonly view: number;
  readonly height: number;
  readonly digest: string;
  readonly parent: string;
}

/** A sentence when the blocks that a new-view takes over do not follow from its view-changes. */
export function wrongNewView(newView: Uint8Array, window: number): string | undefined {
  const decoded = decodeNewView(newView);
  if (!decoded.ok) return 'it is malformed';
  const shown: Shown[] = [];
  let base = { height: 0, digest: '' };
  for (const { viewChange } of decoded.value.viewChanges) {
    const body = decodeViewChange(viewChange);
    if (!body.ok) return 'a view-change in it is malformed';
    const { committed, prepared } = body.value;
    if (committed !== undefined && committed.height > base.height)
      base = { height: committed.height, digest: toHex(committed.digest) };
    for (const { view, header } of prepared) {
      const block = decodeBlockHeader(header);
      if (!block.ok) return 'a header in it is malformed';
      const { height, prevHash } = block.value;
      shown.push({ view, height, digest: toHex(headerDigest(header)), parent: toHex(prevHash) });
    }
  }
  const expected: string[] = [];
  let digest = base.digest;
  for (let height = base.height; height > 0 && expected.length < window; height--) {
    const block = shown.find((one) => one.height === height && one.digest === digest);
    if (block === undefined) break;
    expected.unshift(`${height}=${digest}`);
    digest = block.parent;
  }
  digest = base.digest;
  for (let height = base.height + 1; ; height++) {
    const ofHeight = shown.filter((one) => one.height === height);
    const highest = Math.max(...ofHeight.map(({ view }) => view));
    const block = ofHeight.find(({ view }) => view === highest);
    // Who has prepared a block of height 1 has checked that it links to the genesis block.
    if (block === undefined || (height > 1 && block.parent !== digest)) break;
    expected.push(`${height}=${block.digest}`);
    digest = block.digest;
  }
  const actual = decoded.value.reproposals.map(({ height, digest: taken }) => `${height}=${toHex(taken)}`);
  return expected.join() === actual.join()
    ? undefined
    : `it takes over [${actual.join()}] instead of [${expected.join()}]`;
}
