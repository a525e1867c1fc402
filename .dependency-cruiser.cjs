// The layers of docs/architecture.md: a file imports only from its own layer or from those listed after it here.
const layers = [
  'cli',
  'explorer',
  'audit',
  'node',
  'signer',
  'api',
  'client',
  'payments',
  'backup',
  'segments',
  'sync',
  'network',
  'mempool',
  'storage',
  'ledger',
  'consensus',
  'verify',
  'config',
  'crypto',
  'codec',
  'telemetry',
  'objects',
  'types',
];
const pure = '^src/(consensus|ledger|mempool|codec|verify|types)/';

/** One rule a layer: nothing above it. */
const order = layers.map((layer, index) => ({
  name: `layer-${layer}`,
  comment: `src/${layer} imports only from its own layer or from those below it.`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: `^src/(${layers.slice(0, index).concat('none').join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...order,
    { name: 'no-circular', severity: 'error', from: { pathNot: '^src/codec/wire/' }, to: { circular: true } },
    {
      name: 'pure-layers',
      comment: 'The deterministic layers do no I/O: no module of Node.js, no native library.',
      severity: 'error',
      from: { path: pure, pathNot: '^src/codec/wire/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'pure-crypto-only',
      comment:
        'Pure layers use only the pure part of crypto; workers, files and native libraries are in crypto/native.',
      severity: 'error',
      from: { path: pure },
      to: { path: '^src/crypto/native/' },
    },
    {
      name: 'pure-crypto-is-pure',
      comment: 'src/crypto outside native/ runs in a browser.',
      severity: 'error',
      from: { path: '^src/crypto/', pathNot: '^src/crypto/native/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'client-without-node',
      comment: 'The SDK and the verifier need neither a node nor a store.',
      severity: 'error',
      from: { path: '^src/(client|verify)/' },
      to: { path: '^src/(node|storage|mempool|network)/' },
    },
    {
      name: 'wire-types-at-the-edges',
      comment: 'Types of the wire stay in codec, network, api and client.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(codec|network|api|client)/' },
      to: { path: '^src/codec/wire/' },
    },
    {
      name: 'no-dev-dependency-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'npm-peer', 'type-only'] },
    },
    { name: 'not-resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'src-not-from-test', severity: 'error', from: { path: '^src/' }, to: { path: '^test/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
