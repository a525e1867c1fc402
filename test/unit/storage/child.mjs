// A process of its own that has a store open. Arguments: folder of the code, "hold" or "write", folder of the store,
// engine. Prints "opened", then in "write" a line "height log" for what was acknowledged, until it is killed.
import { writeSync } from 'node:fs';
import { join } from 'node:path';

const [, , code, mode, dir, engine] = process.argv;
const { openStore } = await import(join(code, 'storage/index.js'));
const { encodeBlockHeader } = await import(join(code, 'codec/index.js'));
const { headerDigest, sha256 } = await import(join(code, 'crypto/index.js'));

const hash = (text) => sha256(new TextEncoder().encode(text));
const opened = await openStore({
  dir,
  engine,
  chainId: hash('chain'),
  validator: 'alpha',
  createIfMissing: true,
});
if (!opened.ok) {
  writeSync(1, `${opened.error.code}: ${opened.error.message}\n`);
  process.exit(3);
}
const store = opened.value;
writeSync(1, 'opened\n');
if (mode === 'hold') setInterval(() => undefined, 1000);
else await write();

async function write() {
  let acknowledgedHeight = store.head()?.height ?? -1;
  let acknowledgedLog = Number((await store.readLog()).find(({ name }) => name === 'counter')?.value[0] ?? 0);
  const say = () => writeSync(1, `${acknowledgedHeight} ${acknowledgedLog}\n`);
  for (let parent = store.head(); ;) {
    const height = parent === undefined ? 0 : parent.height + 1;
    const counter = (acknowledgedLog + 1) % 256;
    const logged = store
      .appendLog([
        { name: 'counter', height: 0, value: Uint8Array.of(counter) },
        { name: 'vote', height: height + 1, value: hash(`vote/${height + 1}`) },
      ])
      .then(() => (acknowledgedLog = counter))
      .then(say);
    const commit = makeCommit(parent, height);
    await store.commitBlock(commit);
    acknowledgedHeight = height;
    say();
    await logged;
    parent = store.head();
  }
}

function makeCommit(parent, height) {
  const names = Array.from({ length: height === 0 ? 0 : 40 }, (_, index) => `${height}/${index}`);
  const headerBytes = encodeBlockHeader({
    version: 1,
    chainId: hash('chain'),
    height,
    view: 0,
    prevHash: parent?.digest ?? new Uint8Array(32),
    transactionsRoot: hash('transactions'),
    resultsRoot: hash('results'),
    stateRoot: hash(`state/${height}`),
    validatorSetHash: hash('validators'),
    nextValidatorSetHash: hash('validators'),
    timeMs: height + 1,
    proposer: 0,
    transactionCount: names.length,
  });
  const digest = headerDigest(headerBytes);
  return {
    block: {
      height,
      digest,
      headerBytes,
      ...(height === 0
        ? {}
        : {
            certificate: {
              view: 0,
              height,
              digest,
              signatures: [{ validator: 0, signature: new Uint8Array(64) }],
            },
          }),
      envelopes: names.map((name) => new Uint8Array(2000).fill(name.length)),
      results: names.map((name) => hash(name)),
    },
    txIds: names.map((name) => hash(`tx/${name}`)),
    stateWrites: new Map(names.map((name, index) => [`key/${index}`, hash(name)])),
    treeNodes: names.map((name) => ({ key: hash(`node/${name}`), value: hash(name) })),
    touchedAccounts: names.map((_, index) => [`account/${index}`]),
  };
}
