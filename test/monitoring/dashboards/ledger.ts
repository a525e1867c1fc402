import { graph, ofValidators, quantile, query, rate, trouble, value, type Dashboard } from './panel.js';

const one = (metric: string): string => `${metric}{${ofValidators}}`;
/** Of blocks that every node commits, the one that is furthest speaks for all. */
const once = (expression: string, by: string): string => `max by (${by}) (${expression})`;

/** What the business sees: payments, results, volumes, waiting, refusals. */
export const ledger: Dashboard = {
  name: 'ledger',
  title: 'Quaestor · Ledger',
  description:
    'What the business sees: payments and their results, volumes by asset, what waits, what is refused.',
  rows: [
    {
      title: 'Now',
      panels: [
        value('Payments per second', 'Transfers that took effect.', 'ops', [
          query(once(rate('quaestor_ledger_operations_total', 'kind="transfer"'), 'network'), 'transfers'),
        ]),
        value('Final in', 'Median of the answers to clients.', 's', [
          query(`max(${one('validator:quaestor_consensus_finality_seconds:p50_5m')})`, 'p50'),
        ]),
        value('Waiting', 'Transactions that are taken and not final yet.', 'none', [
          query(`max(${one('quaestor_mempool_transactions')})`, 'waiting'),
        ]),
        value(
          'Waiting longest',
          'Age of the oldest of them.',
          's',
          [query(`max(${one('quaestor_mempool_oldest_age_seconds')})`, 'age')],
          { alarm: { value: 30 } },
        ),
        value('Clients wait for', 'Transactions whose submitters wait for the outcome.', 'none', [
          query(`sum(${one('quaestor_api_submissions_in_flight')})`, 'in flight'),
        ]),
        value(
          'Final since the start',
          'Transactions that became final since the node was started.',
          'short',
          [
            query(
              `max(sum by (validator) (${one('quaestor_consensus_transactions_committed_total')}))`,
              'transactions',
            ),
          ],
        ),
      ],
    },
    {
      title: 'Transactions',
      panels: [
        graph(
          'Results',
          'Final transactions in a second, by result; anything but OK had no effect.',
          'ops',
          [query(once(rate('quaestor_consensus_transactions_committed_total'), 'code'), '{{code}}')],
          { stacked: true },
        ),
        graph(
          'Operations',
          'That took effect, in a second, by kind.',
          'ops',
          [query(once(rate('quaestor_ledger_operations_total'), 'kind'), '{{kind}}')],
          { stacked: true },
        ),
        graph(
          'Transferred',
          'Minor units in a second, by asset; rounded, for the eye and not for the books.',
          'short',
          [query(once(rate('quaestor_ledger_transferred_minor_units_total'), 'asset'), '{{asset}}')],
        ),
        graph('Part that fails', 'Of final transactions.', 'percentunit', [
          query(
            `1 - sum by (network) (${rate('quaestor_consensus_transactions_committed_total', 'code="OK"')}) / sum by (network) (${rate('quaestor_consensus_transactions_committed_total')})`,
            'failed',
          ),
        ]),
        graph(
          'Time to finality',
          'Answers to clients of each node: median, 99th percentile.',
          's',
          [
            query(quantile(0.5, 'quaestor_consensus_finality_seconds'), '{{validator}} p50'),
            query(quantile(0.99, 'quaestor_consensus_finality_seconds'), '{{validator}} p99'),
          ],
          { alarm: { value: 1 } },
        ),
        graph('Transactions in a block', 'Median and 99th percentile.', 'none', [
          query(quantile(0.5, 'quaestor_consensus_block_transactions', 'network'), 'p50'),
          query(quantile(0.99, 'quaestor_consensus_block_transactions', 'network'), 'p99'),
        ]),
      ],
    },
    {
      title: 'What comes in',
      panels: [
        graph('Admitted', 'Transactions in a second, from clients and relayed by other validators.', 'ops', [
          query(`sum by (source) (${rate('quaestor_mempool_admitted_total')})`, '{{source}}'),
        ]),
        graph('Refused to clients', 'In a second, by reason; docs/errors.md explains each.', 'ops', [
          query(`sum by (reason) (${rate('quaestor_api_refused_total')})`, '{{reason}}'),
        ]),
        graph(
          'Refused by the mempool',
          'In a second, by reason; ALREADY_KNOWN is normal, as all relay to all.',
          'ops',
          [trouble(`sum by (reason) (${rate('quaestor_mempool_refused_total')})`, '{{reason}}')],
        ),
        graph('Expired', 'Transactions dropped in a second because they can never be committed.', 'ops', [
          query(rate('quaestor_mempool_expired_total')),
        ]),
        graph('Waiting at each node', 'Transactions in the mempool of each node.', 'none', [
          query(one('quaestor_mempool_transactions')),
        ]),
        graph('Calls', 'To the services in a second, by method and status.', 'reqps', [
          query(
            `sum by (method, code) (${rate('quaestor_grpc_server_requests_total')})`,
            '{{method}} {{code}}',
          ),
        ]),
        graph('Duration of calls', '99th percentile, by method; Submit waits for finality.', 's', [
          query(quantile(0.99, 'quaestor_grpc_server_request_duration_seconds', 'method'), '{{method}}'),
        ]),
        graph('Open calls', 'Streams and calls in progress, by method.', 'none', [
          query(`sum by (method) (${one('quaestor_grpc_server_open_calls')})`, '{{method}}'),
        ]),
      ],
    },
  ],
};
