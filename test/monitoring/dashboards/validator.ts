import { graph, ofValidators, quantile, query, rate, trouble, value, type Dashboard } from './panel.js';

const one = (metric: string): string => `${metric}{${ofValidators}}`;

/** One node in depth. */
export const validator: Dashboard = {
  name: 'validator',
  title: 'Quaestor · Validator',
  description: 'One node in depth: is it ready, which step is slow, what does it lack?',
  rows: [
    {
      title: 'State',
      panels: [
        value('Ready', '1: synced and able to do its work.', 'none', [query(one('quaestor_node_ready'))], {
          alarm: { value: 1, below: true },
        }),
        value(
          'Halted',
          '1: it stopped voting for good because safety is at stake.',
          'none',
          [query(one('quaestor_consensus_halted'))],
          {
            alarm: { value: 1 },
          },
        ),
        value('Primary', '1: it proposes blocks now.', 'none', [query(one('quaestor_consensus_is_primary'))]),
        value('Blocks behind', 'Distance to the others.', 'none', [
          query(one('validator:quaestor_consensus_lag_blocks')),
        ]),
        value('Last commit', 'How long ago.', 's', [
          query(`time() - ${one('quaestor_consensus_last_commit_timestamp_seconds')}`),
        ]),
        value(
          'Certificates expire in',
          'The one that expires first.',
          's',
          [
            query(
              `min by (validator) (${one('quaestor_tls_certificate_expiry_timestamp_seconds')} - time())`,
            ),
          ],
          { alarm: { value: 14 * 86_400, below: true } },
        ),
        value('Up since', 'Start of the process.', 'dateTimeFromNow', [
          query(`1000 * process_start_time_seconds{${ofValidators}}`),
        ]),
        value('Version', 'Software and Node.js.', 'none', [
          query(one('quaestor_build_info'), '{{version}} on {{node_version}}'),
        ]),
      ],
    },
    {
      title: 'Where the time of a block goes',
      panels: [
        graph(
          'Phases, median',
          'execute: proposal to executed; prepare: to prepared certificate; commit: to commit certificate; store: to durable.',
          's',
          [
            query(
              quantile(0.5, 'quaestor_consensus_phase_duration_seconds', 'validator, phase'),
              '{{validator}} {{phase}}',
            ),
          ],
        ),
        graph('Phases, 99th percentile', 'The same, of the slow ones.', 's', [
          query(
            quantile(0.99, 'quaestor_consensus_phase_duration_seconds', 'validator, phase'),
            '{{validator}} {{phase}}',
          ),
        ]),
        graph('Execution', 'Time to execute a block, state root included.', 's', [
          query(quantile(0.5, 'quaestor_ledger_execution_duration_seconds'), '{{validator}} p50'),
          query(quantile(0.99, 'quaestor_ledger_execution_duration_seconds'), '{{validator}} p99'),
        ]),
        graph('Heights', 'Committed, known from others, with a stable checkpoint.', 'none', [
          query(one('quaestor_consensus_height'), '{{validator}} committed'),
          query(one('quaestor_consensus_known_height'), '{{validator}} known'),
          query(one('quaestor_consensus_stable_checkpoint_height'), '{{validator}} checkpoint'),
        ]),
        graph('Blocks in flight', 'Heights above the last committed one with a proposal.', 'none', [
          query(one('quaestor_consensus_blocks_in_flight')),
        ]),
        graph('Messages', 'Consensus messages received in a second, by type.', 'ops', [
          query(`sum by (type) (${rate('quaestor_consensus_messages_total')})`, '{{type}}'),
        ]),
        graph(
          'Messages not used',
          'Authentic, but late, known or of another view; by reason, in a second.',
          'ops',
          [trouble(`sum by (reason) (${rate('quaestor_consensus_messages_ignored_total')})`, '{{reason}}')],
        ),
      ],
    },
    {
      title: 'Disk',
      panels: [
        graph(
          'Writing votes',
          'Until they are on the disk; each vote waits for it.',
          's',
          [
            query(quantile(0.5, 'quaestor_storage_log_append_duration_seconds'), '{{validator}} p50'),
            query(one('validator:quaestor_storage_log_append_duration_seconds:p99_5m'), '{{validator}} p99'),
          ],
          { alarm: { value: 0.1 } },
        ),
        graph('Writing blocks', 'Until a block is on the disk.', 's', [
          query(quantile(0.5, 'quaestor_storage_commit_duration_seconds'), '{{validator}} p50'),
          query(quantile(0.99, 'quaestor_storage_commit_duration_seconds'), '{{validator}} p99'),
        ]),
        graph(
          'Free',
          'Part of the disk of the data folder.',
          'percentunit',
          [query(one('validator:quaestor_storage_filesystem_available:ratio'))],
          { alarm: { value: 0.15, below: true } },
        ),
      ],
    },
    {
      title: 'Processor and memory',
      panels: [
        graph('Processor', 'Cores in use.', 'none', [query(rate('process_cpu_seconds_total'))]),
        graph(
          'Lag of the event loop',
          '99th percentile since the last scrape; a twentieth of a second is the least that is measured.',
          's',
          [query(`nodejs_eventloop_lag_p99_seconds{${ofValidators}}`)],
          { alarm: { value: 0.25 } },
        ),
        graph('Memory', 'Resident, and what the process may use.', 'bytes', [
          query(`process_resident_memory_bytes{${ofValidators}}`),
          query(one('quaestor_node_memory_limit_bytes'), '{{validator}} limit'),
        ]),
        graph(
          'Signature checks',
          'In a second, by how they were answered: most are remembered or joined to one under way.',
          'ops',
          [query(`sum by (path) (${rate('quaestor_verifier_checks_total')})`, '{{path}}')],
        ),
        graph(
          'Checks that wait',
          'For a thread, or are with one.',
          'none',
          [
            query(one('quaestor_verifier_waiting_checks')),
            query(one('quaestor_verifier_threads'), '{{validator}} threads'),
          ],
          { alarm: { value: 5000 } },
        ),
        graph(
          'Signatures that do not hold',
          'Invalid, and those that take forty times as long; threads that were lost.',
          'ops',
          [
            query(rate('quaestor_verifier_invalid_total'), '{{validator}} invalid'),
            query(rate('quaestor_verifier_slow_checks_total'), '{{validator}} slow'),
            query(rate('quaestor_verifier_thread_crashes_total'), '{{validator}} threads lost'),
          ],
        ),
      ],
    },
    {
      title: 'Key',
      panels: [
        value(
          'Key can be used',
          '1, or 0 while its remote signer or its token is away.',
          'none',
          [query(one('quaestor_signer_ready'))],
          { alarm: { value: 1, below: true } },
        ),
        graph(
          'Signatures of a remote signer',
          'In a second; those that it refused; what waits for it.',
          'ops',
          [
            trouble(rate('quaestor_signer_duration_seconds_count'), '{{validator}} signed'),
            trouble(rate('quaestor_signer_refused_total'), '{{validator}} {{code}}'),
            trouble(one('quaestor_signer_waiting_requests'), '{{validator}} waiting'),
          ],
        ),
        graph('Time of a signature', 'From asking a remote signer to its answer.', 's', [
          trouble(quantile(0.5, 'quaestor_signer_duration_seconds'), '{{validator}} p50'),
          trouble(quantile(0.99, 'quaestor_signer_duration_seconds'), '{{validator}} p99'),
        ]),
      ],
    },
    {
      title: 'Catching up',
      panels: [
        graph('Blocks taken over', 'From others, in a second.', 'ops', [
          query(rate('quaestor_sync_blocks_total')),
          query(one('quaestor_sync_active'), '{{validator}} catching up'),
        ]),
        graph('Requests that failed', 'For blocks or state, in a second, by reason.', 'ops', [
          trouble(`${rate('quaestor_sync_failures_total')} > 0`, '{{validator}} {{reason}}'),
        ]),
        graph(
          'Copy of a state',
          'Part that is copied and checked; its height; bytes in a second.',
          'percentunit',
          [
            trouble(one('quaestor_sync_snapshot_progress_ratio'), '{{validator}} done'),
            trouble(one('quaestor_sync_snapshot_height'), '{{validator}} height'),
            query(rate('quaestor_sync_snapshot_bytes_total'), '{{validator}} bytes'),
          ],
        ),
      ],
    },
    {
      title: 'Peers',
      panels: [
        graph('Connected', 'Other validators with an open stream.', 'none', [
          query(one('quaestor_network_peers_connected')),
        ]),
        graph('Bytes', 'Exchanged with each validator in a second.', 'Bps', [
          query(
            `sum by (peer, direction) (${rate('quaestor_network_bytes_total')})`,
            '{{direction}} {{peer}}',
          ),
        ]),
        graph('Frames', 'Exchanged with each validator in a second.', 'ops', [
          query(
            `sum by (peer, direction) (${rate('quaestor_network_frames_total')})`,
            '{{direction}} {{peer}}',
          ),
        ]),
        graph('Reading held up', 'A peer sends faster than it may, or than is handled; in a second.', 'ops', [
          trouble(`${rate('quaestor_network_paused_total')} > 0`, '{{validator}} {{peer}} {{cause}}'),
        ]),
      ],
    },
  ],
};
