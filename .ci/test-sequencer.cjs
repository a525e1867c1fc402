// Long test files first, so that the two workers end at about the same time.
const Sequencer = require('@jest/test-sequencer').default;

const first = [
  '/test/simulation/',
  '/test/e2e/faults',
  '/test/e2e/',
  '/test/scenarios/',
  '/test/unit/payments/',
];
const rank = ({ path }) => {
  const index = first.findIndex((part) => path.includes(part));
  return index < 0 ? first.length : index;
};

module.exports = class LongFirst extends Sequencer {
  sort(tests) {
    return [...tests].sort((left, right) => rank(left) - rank(right) || (left.path < right.path ? -1 : 1));
  }
};
