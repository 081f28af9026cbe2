/** A comparison as a document: its tables, sentences and learning curves. */
import { compareCurves, curveNames } from '../../judge/comparison/compare.js';
import type { Comparison, MetricComparison, SideComparison } from '../../judge/comparison/document.js';
import { describeSide, effectWords, listed, sentencesOf } from '../../judge/comparison/sentences.js';
import { distinguishingRuns, type Side } from '../../judge/comparison/sides.js';
import { type RunHistory, readHistory } from '../../run/history.js';
import { UserError, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { formatDuration, rounded } from '../../util/numbers.js';
import type { Cell, Table } from '../../util/table.js';
import type { Block } from '../../view/blocks.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';

/** A comparison without its curves. */
export function comparisonBlocks(comparison: Comparison): readonly Block[] {
  const { sides, metrics } = comparison;
  const table = (title: string | undefined, of: Table): Block => ({
    kind: 'table',
    ...(title !== undefined && { title }),
    table: of,
  });
  const differences = differencesTable(comparison);
  return [
    table(undefined, {
      columns: columns('side', 'name', 'runs'),
      rows: sides.map(side => [side.id, side.name, describeSide(side)]),
    }),
    differences.rows.length === 0
      ? { kind: 'paragraph', text: 'Configs, data, versions and machines are equal.' }
      : table('What differs', differences),
    ...(metrics.length === 0 ? [] : [table('Metrics', metricsTable(comparison))]),
    { kind: 'list', items: sentencesOf(comparison) },
    table('Performance', performanceTable(comparison)),
  ];
}

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
  return value === null || value === undefined ? null : rounded(value, count);
}

function signed(value: number | null | undefined, count = 3): string | null {
  const text = digits(value, count);
  return text === null || text.startsWith('-') || text === '0' ? text : `+${text}`;
}

function intervalOf(compared: SideComparison | undefined): string | null {
  const { low, high } = compared?.interval ?? {};
  return low === undefined || high === undefined ? null : `${signed(low, 2)} to ${signed(high, 2)}`;
}

/** Maximum number of buckets of a curve, more than a terminal has columns. */
const CAPACITY = 512;

/**
 * Charts of learning curves.
 * @param requested names of curves; if empty, the training loss and the metric that selects the
 *   first side's checkpoints
 * @throws UserError (exit 2) if no run has a requested curve
 */
export function comparedCurves(
  sides: readonly Side[],
  requested: readonly string[],
  io: Io,
): readonly Block[] {
  const histories = sides.map(side => ({ side: side.id, histories: historiesOf(side, io) }));
  const known = curveNames(histories);
  const names =
    requested.length > 0 ? requested : defaultNames(sides[0]).filter(name => known.includes(name));
  const unknown = names.find(name => !known.includes(name));
  if (unknown !== undefined) throw noCurve(unknown, known);
  const isMean = histories.some(side => side.histories.length > 1);
  return names.map(name => {
    const { axis, sides: curves } = compareCurves(histories, name);
    const lines = curves.map(({ side, points }) => ({ label: side, points }));
    return { kind: 'chart', title: `${name}${isMean ? ', mean over the seeds' : ''}`, axis, lines };
  });
}

function defaultNames(side: Side): string[] {
  const { checkpoint } = distinguishingRuns(side)[0].record.config as { checkpoint?: { metric?: unknown } };
  const metric = String(checkpoint?.metric);
  return ['train.loss', metric.startsWith('test.') ? metric : 'test.loss'];
}

function historiesOf(side: Side, io: Io): RunHistory[] {
  const warn = (error: UserError): void =>
    io.err(formatDiagnostics(error.diagnostics, { color: io.color.err, severity: 'warning' }));
  return distinguishingRuns(side).flatMap(({ record }) => {
    const { log } = record.directory.files;
    try {
      const history = readHistory(log, { capacity: CAPACITY });
      const [first] = history.damaged.first;
      if (first !== undefined)
        warn(
          usageError({
            code: 'log/line',
            message: `${first.message}; this line is ignored`,
            file: log,
            line: first.line,
          }),
        );
      return [history];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      warn(error);
      return [];
    }
  });
}

function noCurve(name: string, known: readonly string[]): Error {
  const suggestion = nearest(name, known);
  return usageError({
    code: 'compare/curve',
    message: `no run has a curve '${name}'`,
    file: '--curves',
    expected: known.join(', '),
    ...(suggestion !== undefined && { suggestion }),
  });
}
