/** Learning curves of the sides of a comparison, as charts. */
import { compareCurves, curveNames } from '../../judge/comparison/compare.js';
import { distinguishingRuns, type Side } from '../../judge/comparison/sides.js';
import { type RunHistory, readHistory } from '../../run/history.js';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import type { Block } from '../../view/blocks.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';

/** Maximum number of buckets of a curve, more than a terminal has columns. */
const CAPACITY = 512;

/**
 * Charts of learning curves.
 * @param requested names of curves; if empty, the training loss and the metric that selects the
 *   first side's checkpoints
 */
export function comparedCurves(
  sides: readonly Side[],
  requested: readonly string[],
  io: Io,
): readonly Block[] {
  const histories = sides.map(side => ({ side: side.id, histories: historiesOf(side, io) }));
  const known = curveNames(histories);
  const { checkpoint } = distinguishingRuns(sides[0])[0].record.config as {
    checkpoint?: { metric?: string };
  };
  const metric = checkpoint?.metric?.startsWith('test.') ? checkpoint.metric : 'test.loss';
  const names =
    requested.length > 0 ? requested : ['train.loss', metric].filter(name => known.includes(name));
  const unknown = names.find(name => !known.includes(name));
  if (unknown !== undefined)
    throw usageError({
      code: 'compare/curve',
      message: `no run has a curve '${unknown}'`,
      file: '--curves',
      expected: known.join(', '),
    });
  const isMean = histories.some(side => side.histories.length > 1);
  return names.map(name => {
    const { axis, sides: curves } = compareCurves(histories, name);
    const lines = curves.map(({ side, points }) => ({ label: side, points }));
    return { kind: 'chart', title: `${name}${isMean ? ', mean over the seeds' : ''}`, axis, lines };
  });
}

function historiesOf(side: Side, io: Io): RunHistory[] {
  const warn = (...diagnostics: readonly Diagnostic[]): void =>
    io.err(formatDiagnostics(diagnostics, { color: io.color.err, severity: 'warning' }));
  return distinguishingRuns(side).flatMap(({ record }) => {
    const { log: file } = record.directory.files;
    try {
      const history = readHistory(file, { capacity: CAPACITY });
      for (const { message, line } of history.damaged.first.slice(0, 1))
        warn({ code: 'log/line', message: `${message}; this line is ignored`, file, line });
      return [history];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      warn(...error.diagnostics);
      return [];
    }
  });
}
