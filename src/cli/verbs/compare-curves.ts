/** The learning curves of a comparison. */

import { compareCurves, curveNames, type SideHistories } from '../../judge/comparison/curves.js';
import { distinguishingRuns, type Side } from '../../judge/comparison/sides.js';
import { type RunHistory, readHistory } from '../../run/history.js';
import { UserError, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { lineChart } from '../terminal/chart.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';

const HEIGHT = 14;
/** Maximum number of buckets of a curve, more than a terminal has columns. */
const CAPACITY = 512;

/**
 * Charts of learning curves, for a terminal of `width` columns.
 * @param requested names of curves; if empty, the training loss and the metric that selects the
 *   first side's checkpoints
 * @throws UserError (exit 2) if no run has a requested curve
 */
export function comparedCurves(
  sides: readonly Side[],
  requested: readonly string[],
  { width, io }: { readonly width: number; readonly io: Io },
): string {
  const histories = sides.map(side => ({ side: side.id, histories: historiesOf(side, io) }));
  const known = curveNames(histories);
  const names =
    requested.length > 0 ? requested : defaultNames(sides[0]).filter(name => known.includes(name));
  const unknown = names.find(name => !known.includes(name));
  if (unknown !== undefined) throw noCurve(unknown, known);
  return names.map(name => chartOf(histories, name, { width, io })).join('');
}

function chartOf(
  histories: readonly SideHistories[],
  name: string,
  { width, io }: { readonly width: number; readonly io: Io },
): string {
  const { axis, sides } = compareCurves(histories, name);
  const lines = sides.map(({ side, points }) => ({ label: side, points }));
  const style = { width, height: HEIGHT, color: io.color.out, unicode: io.unicode ?? false, axis };
  const several = histories.some(side => side.histories.length > 1);
  return `\n${name}${several ? ', mean over the seeds' : ''}\n${lineChart(lines, style)}`;
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
