/** A comparison as tables, for all formats except JSON. */
import type { Comparison, MetricComparison, SideComparison } from '../../judge/comparison/document.js';
import { effectWords, listed } from '../../judge/comparison/sentences.js';
import type { Cell, Table } from '../../sweep/index.js';
import { formatDuration } from '../terminal/progress.js';

/** Settings that differ, or all with `--all`. */
export function differencesTable({ sides, config, facts }: Comparison): Table {
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

/** One row for each metric of each side. */
export function metricsTable({ metrics }: Comparison): Table {
  const rows = metrics.flatMap(metric =>
    metric.sides.map((side, i): Cell[] => {
      const compared = comparisonOf(metric, side.side);
      return [
        i === 0 ? metric.metric : '',
        side.side,
        side.n,
        digits(side.mean),
        digits(side.spread, 2),
        digits(side.best),
        signed(compared?.difference),
        intervalOf(compared),
        digits(compared?.test?.p_adjusted, 2),
        compared?.verdict ?? null,
      ];
    }),
  );
  return {
    columns: columns(
      'metric',
      'side',
      'n',
      'mean',
      'spread',
      'best',
      'difference',
      '95 % interval',
      'p',
      'verdict',
    ),
    rows,
  };
}

/** Like `metricsTable` for programs: with all digits, and column names without spaces. */
export function metricsRecords({ sides, metrics }: Comparison): Table {
  const rows = metrics.flatMap(metric =>
    metric.sides.map(({ side, n, mean, spread, best }): Cell[] => {
      const compared = comparisonOf(metric, side);
      return [
        metric.metric,
        side,
        sides.find(({ id }) => id === side)?.name ?? null,
        ...[n, mean, spread, best, compared?.difference ?? null],
        ...[compared?.interval?.low ?? null, compared?.interval?.high ?? null],
        compared?.test?.name ?? null,
        ...[compared?.test?.p ?? null, compared?.test?.p_adjusted ?? null],
        ...[compared?.verdict ?? null, compared?.reason ?? null],
      ];
    }),
  );
  const names = 'metric side name n mean spread best difference low high test p p_adjusted verdict reason';
  return { columns: columns(...names.split(' ')), rows };
}

function comparisonOf({ comparisons }: MetricComparison, side: string): SideComparison | undefined {
  return comparisons.find(compared => compared.side === side);
}

export function performanceTable({ performance }: Comparison): Table {
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

function digits(value: number | null | undefined, count = 4): string | null {
  return value === null || value === undefined ? null : String(Number(value.toPrecision(count)));
}

function signed(value: number | null | undefined, count = 3): string | null {
  const text = digits(value, count);
  return text === null || text.startsWith('-') || text === '0' ? text : `+${text}`;
}

function intervalOf(compared: SideComparison | undefined): string | null {
  const { low, high } = compared?.interval ?? {};
  return low === undefined || high === undefined ? null : `${signed(low, 2)} to ${signed(high, 2)}`;
}
