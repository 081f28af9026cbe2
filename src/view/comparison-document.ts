/** A comparison as a document: its tables and sentences. */
import type { Comparison } from '../judge/comparison/document.js';
import { describeSide, effectWords, listed, sentencesOf } from '../judge/comparison/sentences.js';
import { formatDuration, rounded } from '../util/numbers.js';
import type { Cell, Table } from '../util/table.js';
import type { Block } from './blocks.js';

export function comparisonBlocks(comparison: Comparison): readonly Block[] {
  const { sides, metrics } = comparison;
  const named = sides.map(side => [side.id, side.name, describeSide(side)]);
  const differences = differencesTable(comparison);
  return [
    { kind: 'table', table: { columns: columns('side', 'name', 'runs'), rows: named } },
    differences.rows.length === 0
      ? { kind: 'paragraph', text: 'Configs, data, versions and machines are equal.' }
      : { kind: 'table', title: 'What differs', table: differences },
    ...(metrics.length === 0
      ? []
      : [{ kind: 'table' as const, title: 'Metrics', table: metricsTable(comparison) }]),
    { kind: 'list', items: sentencesOf(comparison) },
    { kind: 'table', title: 'Performance', table: performanceTable(comparison) },
  ];
}

/** Settings that differ, or all with `--all`. */
function differencesTable({ sides, config, facts }: Comparison): Table {
  const rows = [
    ...config.map(({ key, values, changes }) => [key, ...values.map(listed), effectWords(changes)]),
    ...facts.map(({ key, values, changes_results }) => [
      key,
      ...values.map(listed),
      changes_results ? 'perhaps results' : 'nothing',
    ]),
  ];
  return { columns: columns('what', ...sides.map(({ id }) => id), 'changes'), rows };
}

/** One record for each metric of each side, with all digits. */
function recordsOf({ sides, metrics }: Comparison) {
  return metrics.flatMap(({ metric, sides: measured, comparisons }) =>
    measured.map(({ side, n, mean, spread, best }) => {
      const compared = comparisons.find(one => one.side === side);
      const { difference = null, interval, test, verdict = null, reason = null } = compared ?? {};
      const { low = null, high = null } = interval ?? {};
      return {
        metric,
        side,
        name: sides.find(({ id }) => id === side)?.name ?? null,
        ...{ n, mean, spread, best, difference, low, high },
        test: test?.name ?? null,
        p: test?.p ?? null,
        p_adjusted: test?.p_adjusted ?? null,
        ...{ verdict, reason },
      };
    }),
  );
}

/** The metrics for programs: with all digits, and column names without spaces. */
export function metricsRecords(comparison: Comparison): Table {
  const names = 'metric side name n mean spread best difference low high test p p_adjusted verdict reason';
  return { columns: columns(...names.split(' ')), rows: recordsOf(comparison).map(Object.values) };
}

function metricsTable(comparison: Comparison): Table {
  const rows = recordsOf(comparison).map(({ low, high, ...one }, i, all): Cell[] => [
    all[i - 1]?.metric === one.metric ? '' : one.metric,
    one.side,
    one.n,
    digits(one.mean),
    digits(one.spread, 2),
    digits(one.best),
    signed(one.difference),
    low === null || high === null ? null : `${signed(low, 2)} to ${signed(high, 2)}`,
    digits(one.p_adjusted, 2),
    one.verdict,
  ]);
  const names = ['metric', 'side', 'n', 'mean', 'spread', 'best', 'difference'];
  return { columns: columns(...names, '95 % interval', 'p', 'verdict'), rows };
}

function performanceTable({ performance }: Comparison): Table {
  const rows = performance.map(({ side, ms_per_step, duration_s, peak_rss_mb, machines }): Cell[] => [
    side,
    digits(ms_per_step, 3),
    duration_s === null ? null : formatDuration(duration_s),
    peak_rss_mb === null ? null : Math.round(peak_rss_mb),
    machines.join('; '),
  ]);
  return { columns: columns('side', 'ms per step', 'duration', 'peak RSS, MB', 'on'), rows };
}

function columns(...names: readonly string[]): Table['columns'] {
  return names.map(name => ({ name }));
}

function digits(value: number | null, count = 4): string | null {
  return value === null ? null : rounded(value, count);
}

function signed(value: number | null, count = 3): string | null {
  const text = digits(value, count);
  return text === null || text.startsWith('-') || text === '0' ? text : `+${text}`;
}
