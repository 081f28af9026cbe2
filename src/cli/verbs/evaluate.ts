/** `evaluate RUN`: computes a checkpoint's metrics again. */

import { measuredMetrics } from '../../config/index.js';
import type { ForecastsErrors } from '../../predict/backtest.js';
import type { Together } from '../../predict/ensemble.js';
import { spellNonFinite } from '../../run/json.js';
import type { SplitBaselines } from '../../run/summary.js';
import { metricSentences } from '../../run/words.js';
import { predictingRuns } from '../../sweep/results.js';
import type { Evaluation } from '../../train/evaluator.js';
import { EXIT, usageError } from '../../util/errors.js';
import { isFraction, percent } from '../../util/numbers.js';
import { aligned } from '../../util/table.js';
import { counted } from '../../util/words.js';
import {
  hintingAtMovedData,
  hintingAtSkip,
  onError,
  openInput,
  rejections,
  TOGETHER,
} from '../command/input.js';
import { defineVerb, flag, json, list, quiet, savedModel, split } from '../command/verb.js';
import { printDiagnostics } from '../terminal/diagnostics.js';
import { createProgress } from '../terminal/progress.js';

export const verb = defineVerb({
  arguments: '<runs...>',
  help: TOGETHER,
  options: {
    input: list(
      '<file>',
      "evaluate new sequences in the format of the run's data, with targets: a file, a folder or a pattern; - is standard input",
    ).with({ conflicts: ['split', 'backtest'] }),
    onError,
    split,
    backtest: flag('forecast from successive origins, one horizon apart, and compare with naive forecasts'),
    ...savedModel,
    json: json('the metrics'),
    quiet,
  },
  async action([paths], options, { io }) {
    const { split } = options;
    const print = (result: object, text: string) => {
      if (options.json) io.data(`${JSON.stringify(spellNonFinite({ version: 1, ...result }))}\n`);
      else io.out(text);
    };
    const { runs, thresholds: chosen } = predictingRuns(paths);
    const [run, ...others] = runs;
    if (options.backtest) {
      const message = 'a backtest is of one model, and several predict together';
      if (others.length > 0)
        throw usageError('cli/backtest', message, { file: '--backtest', expected: 'one run' });
      const { backtest } = await import('../../predict/backtest.js');
      const { saved, horizon, origins, mean } = await hintingAtMovedData(() => backtest(run, options));
      const { file, step, epoch } = saved;
      const columns = backtestColumns(mean);
      const rows = [...origins, { id: `mean of ${origins.length}`, ...mean }].map(({ id, ...errors }) => [
        id,
        ...columns.map(([name, , error]) => {
          const value = errors[name]?.[error];
          return value === undefined ? '' : isFraction(error) ? percent(value, 1) : value.toPrecision(4);
        }),
      ]);
      const result = { checkpoint: file, step, epoch, split, horizon, origins, mean };
      const lines = aligned(
        [['origin', ...columns.map(([name, short]) => `${name} ${short}`)], ...rows],
        i => i > 0,
      );
      print(result, lines.map(line => `${line}\n`).join(''));
      return EXIT.done;
    }
    const { evaluateCheckpoint, evaluateInput, openModel } = await import('../../predict/open.js');
    const { checkMembers, evaluateTogether, onceFor, sourcesFor, thresholdsOfMean } = await import(
      '../../predict/ensemble.js'
    );
    const models = runs.map(run => openModel(run, options));
    const [model] = models;
    const thresholds = thresholdsOfMean(models, chosen, warning => io.err(`warning: ${warning}\n`));
    checkMembers(models, options.input.length > 0 ? undefined : split);
    /** Prints the metrics measured on `name`: a split, or the input. */
    const tell = (name: string, { evaluations, metrics, count }: Together<Measured>) => {
      const [{ loss, baselines: trivial = {} }] = evaluations;
      const undefinedMetrics = measuredMetrics(model.loaded.experiment).filter(
        measuredMetric => !(measuredMetric in metrics),
      );
      const place = name === INPUT ? 'the input' : `the ${name} split`;
      if (undefinedMetrics.length > 0)
        io.err(`warning: ${undefinedMetrics.join(', ')} cannot be computed on ${place}\n`);
      const members = models.map(({ path, file, step, epoch }, i) => {
        const { loss, metrics } = evaluations[i];
        return { run: path, checkpoint: file, step, epoch, metrics: { [name]: { loss, ...metrics } } };
      });
      const [{ run: _, metrics: ofOne, ...which }] = members;
      const isOne = members.length === 1;
      const measured = isOne ? { loss, ...metrics } : metrics;
      const baselines = Object.keys(trivial).length > 0 && { baselines: { [name]: trivial } };
      const lines = Object.entries(trivial).flatMap(([baseline, values]) => {
        const sentences = metricSentences(name, values);
        return sentences.length > 0 ? [`${baseline}: ${sentences.join(', ')}\n`] : [];
      });
      const result = { metrics: { [name]: measured }, predictions: count, ...baselines };
      const sentence = `${metricSentences(name, measured).join(', ')} over ${counted(count, 'prediction')}\n`;
      const alone = members.map(
        member => `${member.run}: ${metricSentences(name, member.metrics[name]).join(', ')}\n`,
      );
      print(
        isOne ? { ...which, ...result } : { members, ...result },
        [
          isOne ? `step ${which.step}: ${sentence}` : `${members.length} models together: ${sentence}`,
          ...lines,
        ]
          .concat(isOne ? [] : alone)
          .join(''),
      );
    };
    const { input, onError } = options;
    if (input.length > 0) {
      const { onRejected, tell: tellRejected } = rejections(io, onError);
      const readers = sourcesFor(await openInput(model, input, io, true), models.length);
      const printed = onceFor({ onRejected });
      let sequences = 0;
      const found = await hintingAtSkip(() =>
        evaluateTogether(
          models,
          (member, observe) => {
            const count = (more: number) => {
              if (member === model) sequences += more;
            };
            const reader = readers[models.indexOf(member)];
            return evaluateInput(member, reader, { ...options, ...printed }, count, observe);
          },
          thresholds,
        ),
      ).finally(() => tellRejected(sequences));
      printDiagnostics(found.evaluations[0].warnings, 'warning', io);
      tell(INPUT, found);
      return EXIT.done;
    }
    const display = createProgress(io, options.quiet);
    const progress = (done: Parameters<typeof display.evaluating>[0]) => display.evaluating(done);
    const found = await hintingAtMovedData(() =>
      evaluateTogether(
        models,
        (member, observe) => evaluateCheckpoint(member, options, progress, observe),
        thresholds,
      ),
    ).finally(() => display.end());
    tell(split, found);
    return EXIT.done;
  },
});

/** Name of the metrics of an input. */
const INPUT = 'input';

type Measured = Evaluation & { readonly baselines?: SplitBaselines };

/** Columns of a backtest; an unknown value is empty. */
function backtestColumns(mean: ForecastsErrors) {
  const names = Object.keys(mean) as (keyof typeof mean)[];
  // the usual forecast to compare widths with
  const compared = names.includes('seasonal_naive') ? 'seasonal_naive' : 'last_value';
  return names.flatMap(name => {
    // within a row, MASE is the same multiple of the absolute error
    const errors = name === 'model' ? ERRORS : ERRORS.slice(0, 1);
    const isShown = mean[name]?.coverage !== undefined && (name === 'model' || name === compared);
    return [...errors, ...(isShown ? INTERVALS : [])].map(([short, error]) => [name, short, error] as const);
  });
}

const ERRORS = [
  ['mae', 'mean_absolute_error'],
  ['mase', 'mase'],
] as const;
const INTERVALS = [
  ['coverage', 'coverage'],
  ['width', 'interval_width'],
] as const;
