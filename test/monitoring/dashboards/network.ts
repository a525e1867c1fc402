import { graph, ofNetwork, query, trouble, value, type Dashboard } from './panel.js';

/** A metric of all nodes of the network. */
const all = (metric: string, labels = ''): string =>
  `${metric}{${ofNetwork}${labels === '' ? '' : `,${labels}`}}`;

/** Is it live, who is primary, who is away, how long does finality take? */
export const network: Dashboard = {
  name: 'network',
  title: 'Quaestor · Network',
  description:
    'Is the network live, who is primary, who is away or behind, where does the time to finality go?',
  rows: [
    {
      title: 'Is it live?',
      panels: [
        value('Transactions per second', 'Final transactions, as the node that is furthest sees it.', 'ops', [
          query(all('network:quaestor_transactions_committed:rate1m'), 'final'),
        ]),
        value('Height', 'Last final block.', 'none', [
          query(all('network:quaestor_consensus_height:max'), 'height'),
        ]),
        value(
          'Spare validators',
          'Validators that may still go before nothing is committed: below 0 there is no quorum.',
          'none',
          [
            query(
              `min(${all('validator:quaestor_consensus_voters_connected')} - ${all('quaestor_consensus_quorum')})`,
              'spare',
            ),
          ],
          { alarm: { value: 1, below: true } },
        ),
        value('Primary', 'Who proposes blocks now.', 'none', [
          query(`${all('quaestor_consensus_is_primary')} == 1`),
        ]),
        value('Ready', 'Nodes that say that they are synced and able to do their work.', 'none', [
          query(`sum(${all('quaestor_node_ready')})`, 'ready'),
        ]),
        value(
          'Proofs of equivocation',
          'Evidence against validators, at the node that keeps most.',
          'none',
          [query(`max(${all('quaestor_consensus_evidence_kept')})`, 'evidence')],
          { alarm: { value: 1 } },
        ),
      ],
    },
    {
      title: 'Work',
      panels: [
        graph(
          'Final transactions',
          'Every node commits the same blocks: a line below the others is behind.',
          'ops',
          [query(all('validator:quaestor_transactions_committed:rate1m'))],
        ),
        graph('Blocks', 'Final blocks in a second.', 'ops', [
          query(all('validator:quaestor_blocks_committed:rate1m')),
        ]),
        graph(
          'Blocks behind',
          'Distance to the highest block that a correct validator reported.',
          'none',
          [query(all('validator:quaestor_consensus_lag_blocks'))],
          { alarm: { value: 100 } },
        ),
        graph(
          'Time to finality',
          'From the arrival at a node until its durable commit: median and 99th percentile.',
          's',
          [
            query(all('validator:quaestor_consensus_finality_seconds:p50_5m'), '{{validator}} p50'),
            query(all('validator:quaestor_consensus_finality_seconds:p99_5m'), '{{validator}} p99'),
          ],
          { alarm: { value: 1 } },
        ),
        graph(
          'Time of a block',
          'From the proposal of a block to its durable commit, 99th percentile.',
          's',
          [query(all('validator:quaestor_consensus_block_duration_seconds:p99_5m'))],
        ),
        graph('Where the time goes', 'Phases of a block, 99th percentile of the slowest node.', 's', [
          query(
            `max by (phase) (${all('validator:quaestor_consensus_phase_duration_seconds:p99_5m')})`,
            '{{phase}}',
          ),
        ]),
      ],
    },
    {
      title: 'Views',
      panels: [
        graph('View', 'Rises with every change of the primary.', 'none', [
          query(all('quaestor_consensus_view')),
        ]),
        graph('New views', 'Changes of the primary in ten minutes.', 'none', [
          query(`increase(${all('quaestor_consensus_views_started_total')}[10m])`),
        ]),
        graph('Why', 'Who asked for another primary in ten minutes, and for which cause.', 'none', [
          trouble(
            `increase(${all('quaestor_consensus_view_changes_total')}[10m]) > 0`,
            '{{validator}} {{cause}}',
          ),
        ]),
        graph('Without a primary', '1 while a node asks for another view.', 'none', [
          query(all('quaestor_consensus_view_change_in_progress')),
        ]),
        graph('Proposals', 'Blocks in a second, by what became of them.', 'ops', [
          query(
            `sum by (outcome) (rate(${all('quaestor_consensus_proposals_total')}[$__rate_interval]))`,
            '{{outcome}}',
          ),
        ]),
        graph('Clocks', 'Time in proposals less the clock of who gets them; refused beyond the limit.', 's', [
          query(all('quaestor_consensus_proposal_clock_offset_seconds'), '{{proposer}} at {{validator}}'),
          query(`max(${all('quaestor_consensus_proposal_clock_offset_limit_seconds')})`, 'limit'),
        ]),
      ],
    },
    {
      title: 'Connections',
      panels: [
        graph(
          'Connected validators',
          'As each node sees it, itself included; below the quorum nothing is committed.',
          'none',
          [
            query(all('validator:quaestor_consensus_voters_connected')),
            query(`max(${all('quaestor_consensus_quorum')})`, 'quorum'),
          ],
        ),
        graph('Missing streams', 'Pairs without a connection.', 'none', [
          trouble(`${all('quaestor_network_peer_connected')} == 0`, '{{validator}} – {{peer}}'),
        ]),
        graph('Streams that ended', 'In ten minutes, by reason.', 'none', [
          trouble(
            `sum by (reason) (increase(${all('quaestor_network_disconnects_total')}[10m])) > 0`,
            '{{reason}}',
          ),
        ]),
        graph('Attempts that failed', 'Connections refused or not made in a second, by reason.', 'ops', [
          trouble(
            `sum by (reason, direction) (rate(${all('quaestor_network_refused_total')}[$__rate_interval])) > 0`,
            '{{direction}} {{reason}}',
          ),
        ]),
        graph('Bytes that wait', 'To be sent to a validator, the fullest queue to each.', 'bytes', [
          query(`max by (peer) (${all('quaestor_network_queue_bytes')})`, 'to {{peer}}'),
        ]),
        graph('Shed between validators', 'Messages dropped in a second because a queue was full.', 'ops', [
          trouble(
            `sum by (peer, traffic) (rate(${all('quaestor_network_shed_total')}[$__rate_interval])) > 0`,
            '{{peer}} {{traffic}}',
          ),
        ]),
      ],
    },
    {
      title: 'Who decides, and who is faulty',
      panels: [
        graph(
          'Validator set',
          'Number of the set in force, its validators, first height of a decided next one.',
          'none',
          [
            query(`max(${all('quaestor_consensus_epoch')})`, 'set'),
            query(`max(${all('quaestor_consensus_validators')})`, 'validators'),
            query(`max(${all('quaestor_consensus_validators_scheduled_height')})`, 'next set from height'),
          ],
        ),
        graph(
          'Rules of the ledger',
          'Versions: in force, decided for a later height (0: none), and the latest that the software of a node knows.',
          'none',
          [
            query(`max(${all('quaestor_ledger_rules_version')})`, 'in force'),
            query(`max(${all('quaestor_ledger_rules_scheduled_version')})`, 'decided'),
            query(`max(${all('quaestor_ledger_rules_scheduled_height')})`, 'decided for height'),
            query(all('quaestor_ledger_rules_known_version'), 'known to {{validator}}'),
          ],
        ),
        graph('Who votes', '1: the node is in the validator set in force.', 'none', [
          query(all('quaestor_consensus_is_validator')),
        ]),
        graph(
          'Silent',
          '1: its data folder lacks what it has signed, so that it says nothing for a while.',
          'none',
          [query(all('quaestor_consensus_abstaining'))],
        ),
        graph('Evidence taken into keeping', 'In an hour, by phase and where it came from.', 'none', [
          query(
            `sum by (phase, source) (increase(${all('quaestor_consensus_evidence_total')}[1h]))`,
            '{{phase}} {{source}}',
          ),
        ]),
        graph('Evidence refused', 'In an hour, by reason.', 'none', [
          query(
            `sum by (reason) (increase(${all('quaestor_consensus_evidence_refused_total')}[1h]))`,
            '{{reason}}',
          ),
        ]),
        graph(
          'Messages that do not hold',
          'Cannot be read, or the signature does not hold, in a second.',
          'ops',
          [
            query(
              `sum by (validator) (rate(${all('quaestor_consensus_messages_total', 'outcome=~"malformed|unverified"')}[$__rate_interval]))`,
            ),
          ],
        ),
        graph('Observers', 'Full nodes without a vote that follow.', 'none', [
          trouble(all('quaestor_network_observers_connected')),
        ]),
      ],
    },
  ],
};
