/** `evaluate RUN`: computes a checkpoint's metrics again. */

import { measuredMetrics } from '../../config/index.js';
import type { ForecastsErrors } from '../../predict/open.js';
import { spellNonFinite } from '../../run/json.js';
import type { SplitBaselines } from '../../run/summary.js';
import { metricSentences } from '../../run/words.js';
import type { Evaluation } from '../../train/evaluator.js';
import { EXIT } from '../../util/errors.js';
import { isFraction, percent } from '../../util/numbers.js';
import { aligned } from '../../util/table.js';
import { counted } from '../../util/words.js';
import { onError, openInput, rejections } from '../command/input.js';
import { defineVerb, flag, json, list, quiet, savedModel, split } from '../command/verb.js';
import { formatDiagnostics, hintingAtMovedData } from '../terminal/diagnostics.js';
import { createProgress } from '../terminal/progress.js';

export const verb = defineVerb({
  arguments: '<run>',
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
  async action([run], options, { io }) {
    const { split } = options;
    const print = (result: object, text: string) => {
      if (options.json) io.data(`${JSON.stringify(spellNonFinite({ version: 1, ...result }))}\n`);
      else io.out(text);
    };
    if (options.backtest) {
      const { backtest } = await import('../../predict/open.js');
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
    const model = openModel(run, options);
    const { file, step, epoch } = model;
    /** Prints the metrics measured on `name`: a split, or the input. */
    const tell = (name: string, { loss, metrics, count, baselines: trivial = {} }: Measured) => {
      const undefinedMetrics = measuredMetrics(model.loaded.experiment).filter(one => !(one in metrics));
      const of = name === INPUT ? 'the input' : `the ${name} split`;
      if (undefinedMetrics.length > 0)
        io.err(`warning: ${undefinedMetrics.join(', ')} cannot be computed on ${of}\n`);
      const measured = { loss, ...metrics };
      const baselines = Object.keys(trivial).length > 0 && { baselines: { [name]: trivial } };
      const lines = Object.entries(trivial).flatMap(([baseline, values]) => {
        const sentences = metricSentences(name, values);
        return sentences.length > 0 ? [`${baseline}: ${sentences.join(', ')}\n`] : [];
      });
      print(
        { checkpoint: file, step, epoch, metrics: { [name]: measured }, predictions: count, ...baselines },
        `step ${step}: ${metricSentences(name, measured).join(', ')} over ${counted(count, 'prediction')}\n${lines.join('')}`,
      );
    };
    const { input, onError } = options;
    if (input.length > 0) {
      const { onRejected, tell: tellRejected } = rejections(io, onError);
      const sources = await openInput(model, input, io, true);
      let sequences = 0;
      const found = await evaluateInput(model, sources, { ...options, onRejected }, count => {
        sequences += count;
      }).finally(() => tellRejected(sequences));
      const { warnings } = found;
      if (warnings.length > 0)
        io.err(formatDiagnostics(warnings, { color: io.color.err, severity: 'warning' }));
      tell(INPUT, found);
      return EXIT.done;
    }
    const display = createProgress(io, options.quiet);
    const found = await hintingAtMovedData(() =>
      evaluateCheckpoint(model, options, progress => display.evaluating(progress)),
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
  const ofModel = mean.model?.coverage === undefined ? ERRORS : [...ERRORS, ...INTERVALS];
  // within a row, MASE is the same multiple of the absolute error
  const naive = (Object.keys(mean) as (keyof typeof mean)[]).filter(name => name !== 'model');
  return [
    ...ofModel.map(([short, error]) => ['model', short, error] as const),
    ...naive.map(name => [name, ...ERRORS[0]] as const),
  ];
}

const ERRORS = [
  ['mae', 'mean_absolute_error'],
  ['mase', 'mase'],
] as const;
const INTERVALS = [
  ['coverage', 'coverage'],
  ['width', 'interval_width'],
] as const;
