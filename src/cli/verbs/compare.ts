/** `compare PATH…`: compares runs and their results, or lists the trials of a sweep. */

import { compareCurves, comparisonOf, curveNames } from '../../judge/comparison/compare.js';
import { distinguishingRuns, readGroups, type Side } from '../../judge/comparison/sides.js';
import { METRICS } from '../../math/metrics/index.js';
import { kindOf, sweepOfTrials } from '../../run/find.js';
import { type RunHistory, readHistory } from '../../run/history.js';
import { EXIT, joined, UserError, usageError } from '../../util/errors.js';
import { formatTable } from '../../util/table.js';
import type { Block } from '../../view/blocks.js';
import { comparisonBlocks, metricsRecords } from '../../view/comparison-document.js';
import { markdownOf } from '../../view/markdown.js';
import { choice, defineVerb, flag, jsonFormat, list, refuseGiven } from '../command/verb.js';
import { printDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { textOf, widthOf } from '../terminal/text.js';
import { compareTrials, trialOptions } from './compare-trials.js';

const options = {
  metric: list('<name>', 'compare only this metric (default: all)', { choices: METRICS }),
  onlyChanged: flag('list only settings that differ (default)').with({ conflicts: ['all'] }),
  all: flag('also list equal settings'),
  curves: list('<name>', 'draw this curve, such as grad_norm'),
  noCurves: flag('draw no learning curves'),
  ...trialOptions,
  format: choice('<format>', ['text', 'csv', 'json', 'markdown'], 'output format').default('text'),
  json: jsonFormat,
};

const MAX_SIDES = 26;

export const verb = defineVerb({
  arguments: '<path...>',
  options,
  help: `
Each path is a run, an experiment directory or a sweep. Runs that differ only in their seed are
replicates and form one side; runs of other configs form sides of their own. Every side is compared
with the first, seed by seed. A sweep is one side: the runs of its best trial, with the new seeds of
\`repeat_best\` if it has them. To compare other trials, name them.

A single sweep is listed trial by trial, best first. Trials that were trained for more epochs come
before those with fewer: values after different numbers of epochs are not comparable.`,
  action([given], options, { io }) {
    const { metric, curves, sort, min, max, top } = options;
    const format = options.json ? 'json' : options.format;
    // the folder of a sweep's trials is the sweep
    const paths = given.map(path => sweepOfTrials(path) ?? path);
    const [path] = paths;
    if (paths.length === 1 && kindOf(path) === 'sweep') {
      const message = 'cannot be used with a single sweep; name two or more runs';
      refuseGiven({ metric, curves }, { code: 'compare/flag', message });
      compareTrials(path, { ...options, format }, io);
      return EXIT.done;
    }
    const message = 'can only be used with a single sweep';
    refuseGiven({ sort, min, max, top }, { code: 'compare/flag', message });
    const { groups, leftOut, errors } = readGroups(paths);
    const metrics = [...new Set(metric)];
    const { comparison, sides } = comparisonOf(groups, metrics, options.all, leftOut);
    const file = paths.join(' ');
    if (sides.length < 2 && errors.length > 0) throw joined(errors);
    // several runs of one config are summarized
    if (sides.length === 0 || (sides.length === 1 && sides[0].runs.length === 1)) {
      const expected = 'two or more runs, experiments or sweeps';
      const message = 'nothing to compare: this is a single run';
      throw usageError('compare/one-side', message, { file, expected });
    }
    if (sides.length > MAX_SIDES) {
      const message = `too many configs to compare: ${sides.length}`;
      const expected = `at most ${MAX_SIDES}; \`compare SWEEP\` lists all trials of a sweep`;
      throw usageError('compare/too-many', message, { file, expected });
    }
    const warnings = errors.flatMap(({ diagnostics }) => diagnostics);
    printDiagnostics(warnings, 'warning', io);
    switch (format) {
      case 'json':
        io.data(`${JSON.stringify(comparison, undefined, 2)}\n`);
        break;
      case 'csv':
        io.data(formatTable(metricsRecords(comparison), 'csv'));
        break;
      case 'markdown':
        io.data(markdownOf(comparisonBlocks(comparison)));
        break;
      case 'text': {
        const charts = options.noCurves ? [] : comparedCurves(sides, curves, io);
        const style = { width: widthOf(io), color: io.color.out, unicode: io.unicode ?? false };
        io.out(textOf([...comparisonBlocks(comparison), ...charts], style));
        break;
      }
      default:
        format satisfies never;
    }
    return EXIT.done;
  },
});

/** Maximum number of buckets of a curve, more than a terminal has columns. */
const CAPACITY = 512;

/**
 * Charts of learning curves.
 * @param requested names of curves; if empty, the training loss and the metric that selects the
 *   first side's checkpoints
 */
function comparedCurves(sides: readonly Side[], requested: readonly string[], io: Io): readonly Block[] {
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
    throw usageError('compare/curve', `no run has a curve '${unknown}'`, {
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
  return distinguishingRuns(side).flatMap(({ record }) => {
    const { log: file } = record.directory.files;
    try {
      const history = readHistory(file, { capacity: CAPACITY });
      for (const { message, line } of history.damaged.first.slice(0, 1))
        printDiagnostics(
          [{ code: 'log/line', message: `${message}; this line is ignored`, file, line }],
          'warning',
          io,
        );
      return [history];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      printDiagnostics(error.diagnostics, 'warning', io);
      return [];
    }
  });
}
