import { graph, ofValidators, quantile, query, rate, value, type Dashboard, type Query } from './panel.js';

const one = (metric: string): string => `${metric}{${ofValidators}}`;

/** A query that gives nothing before the first backup. */
const onceThereIs = (expr: string, legend = '{{validator}}'): Query => ({ expr, legend, quiet: true });

/** How much is there room for? */
export const capacity: Dashboard = {
  name: 'capacity',
  title: 'Quaestor · Capacity',
  description: 'How close each node is to what it can do, and how fast the disk fills.',
  rows: [
    {
      title: 'Disk',
      panels: [
        value(
          'Days until full',
          'As the free space went in the last six hours; nothing when it does not shrink.',
          'none',
          [
            {
              expr: `min((${one('quaestor_storage_filesystem_available_bytes')} / (-deriv(${one('quaestor_storage_filesystem_available_bytes')}[6h]) > 0)) / 86400)`,
              legend: 'days',
              quiet: true,
            },
          ],
          { alarm: { value: 7, below: true }, width: 8 },
        ),
        value(
          'Bytes for a transaction',
          'Size of the store over the final transactions since the start: right for a store that began then.',
          'bytes',
          [
            query(
              `max(${one('quaestor_storage_size_bytes')} / on (network, validator) sum by (network, validator) (${one('quaestor_consensus_transactions_committed_total')}))`,
              'bytes',
            ),
          ],
          { width: 8 },
        ),
        value(
          'Busiest minute',
          'Most final transactions in a second over a minute of the last day.',
          'ops',
          [
            query(
              `max(max_over_time(${one('validator:quaestor_transactions_committed:rate1m')}[1d]))`,
              'peak',
            ),
          ],
          { width: 8 },
        ),
        graph('Size of the store', 'Approximate; compaction makes it smaller now and then.', 'bytes', [
          query(one('quaestor_storage_size_bytes')),
        ]),
        graph('Free on the disk', 'Room on the file system of the data folder, and its size.', 'bytes', [
          query(one('quaestor_storage_filesystem_available_bytes')),
          query(one('quaestor_storage_filesystem_size_bytes'), '{{validator}} size'),
        ]),
        graph('Oldest that is kept', 'Heights of the oldest block and state in the store.', 'none', [
          query(one('quaestor_storage_oldest_block_height'), '{{validator}} block'),
          query(one('quaestor_storage_oldest_state_height'), '{{validator}} state'),
          query(one('quaestor_storage_sealed_height'), '{{validator}} sealed up to'),
        ]),
        graph('Pruned', 'Entries of the store that were removed in a second.', 'ops', [
          query(rate('quaestor_storage_pruned_entries_total')),
        ]),
        graph('Freed and sealed', 'Bytes since the start.', 'bytes', [
          query(one('quaestor_storage_freed_bytes_total'), '{{validator}} freed'),
          query(one('quaestor_storage_segment_bytes_total'), '{{validator}} sealed'),
        ]),
        graph('Segments sealed', 'Since the start, and passes that failed.', 'none', [
          query(one('quaestor_storage_segments_sealed_total'), '{{validator}} segments'),
          query(one('quaestor_storage_retention_failures_total'), '{{validator}} failures'),
          query(one('quaestor_storage_retention_failing'), '{{validator}} failing'),
        ]),
        graph(
          'Last sealed and pruned as configured',
          'When; nothing before the first time since the start.',
          'dateTimeFromNow',
          [query(`(${one('quaestor_storage_retention_success_timestamp_seconds')} > 0) * 1000`)],
        ),
        graph(
          'Last backup',
          'When the last complete one was begun; nothing before the first.',
          'dateTimeFromNow',
          [onceThereIs(`(${one('quaestor_backup_last_success_timestamp_seconds')} > 0) * 1000`)],
        ),
        graph('Backups', 'Height of the last one, failures since the start, whether one runs.', 'none', [
          onceThereIs(one('quaestor_backup_last_height'), '{{validator}} height'),
          onceThereIs(one('quaestor_backup_failures_total'), '{{validator}} failures'),
          onceThereIs(one('quaestor_backup_running'), '{{validator}} running'),
        ]),
        graph('Bytes of backups', 'Of the last one, and written since the start.', 'bytes', [
          onceThereIs(one('quaestor_backup_last_size_bytes'), '{{validator}} last'),
          onceThereIs(one('quaestor_backup_written_bytes_total'), '{{validator}} written'),
        ]),
        graph('Time of a backup', 'How long the last one took, and how often one is due.', 's', [
          onceThereIs(one('quaestor_backup_last_duration_seconds'), '{{validator}} took'),
          query(one('quaestor_backup_interval_seconds'), '{{validator}} every'),
        ]),
        graph('Bytes of a block', 'Median and 99th percentile.', 'bytes', [
          query(quantile(0.5, 'quaestor_consensus_block_bytes', 'network'), 'p50'),
          query(quantile(0.99, 'quaestor_consensus_block_bytes', 'network'), 'p99'),
        ]),
      ],
    },
    {
      title: 'Processor, memory, descriptors',
      panels: [
        graph('Processor', 'Cores in use.', 'none', [query(rate('process_cpu_seconds_total'))]),
        graph(
          'Memory',
          'Part of what the process may use.',
          'percentunit',
          [query(one('validator:quaestor_node_memory_usage:ratio'))],
          { alarm: { value: 0.9 } },
        ),
        graph('Heap', 'Of JavaScript: in use and reserved.', 'bytes', [
          query(`nodejs_heap_size_used_bytes{${ofValidators}}`, '{{validator}} used'),
          query(`nodejs_heap_size_total_bytes{${ofValidators}}`, '{{validator}} reserved'),
        ]),
        graph(
          'File descriptors',
          'Part of those that may be open.',
          'percentunit',
          [query(`process_open_fds{${ofValidators}} / process_max_fds{${ofValidators}}`)],
          { alarm: { value: 0.8 } },
        ),
        graph('Garbage collection', 'Part of the time.', 'percentunit', [
          query(`sum by (validator) (${rate('nodejs_gc_duration_seconds_sum')})`),
        ]),
        graph('Signature checks of threads', 'In a second; a core does about ten thousand.', 'ops', [
          query(rate('quaestor_verifier_checks_total', 'path="threaded"')),
        ]),
      ],
    },
    {
      title: 'Queues',
      panels: [
        graph(
          'Mempool',
          'Part that is full, by count or bytes, whichever is more.',
          'percentunit',
          [query(one('validator:quaestor_mempool_usage:ratio'))],
          { alarm: { value: 0.8 } },
        ),
        graph('Mempool, transactions', 'Waiting, and how many may.', 'none', [
          query(one('quaestor_mempool_transactions')),
          query(one('quaestor_mempool_transactions_limit'), '{{validator}} limit'),
        ]),
        graph('Mempool, bytes', 'Waiting, and how many may.', 'bytes', [
          query(one('quaestor_mempool_bytes')),
          query(one('quaestor_mempool_limit_bytes'), '{{validator}} limit'),
        ]),
        graph('Traffic between validators', 'Sent and received in a second, without TLS.', 'Bps', [
          query(
            `sum by (validator, direction) (${rate('quaestor_network_bytes_total')})`,
            '{{validator}} {{direction}}',
          ),
        ]),
        graph('Shed', 'Calls (in streams: transactions) refused in a second, by limit.', 'ops', [
          query(`sum by (validator, cause) (${rate('quaestor_api_shed_total')})`, '{{validator}} {{cause}}'),
        ]),
        graph('Slowed down', 'Times in a second that a stream above its rate was not read.', 'ops', [
          query(`sum by (validator) (${rate('quaestor_api_held_total')})`),
        ]),
      ],
    },
  ],
};
