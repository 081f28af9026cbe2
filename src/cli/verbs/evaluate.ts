/** `evaluate RUN`: computes a checkpoint's metrics again. */
import { measuredMetrics } from '../../config/index.js';
import type { ForecastsErrors } from '../../predict/open.js';
import { spellNonFinite } from '../../run/json.js';
import { metricSentence, metricSentences } from '../../run/words.js';
import { EXIT } from '../../util/errors.js';
import { isShare, percent } from '../../util/numbers.js';
import { aligned } from '../../util/table.js';
import { defineVerb, flag, json, quiet, savedModel, split } from '../command/verb.js';
import { hintingAtMovedData } from '../terminal/diagnostics.js';
import { createProgress } from '../terminal/progress.js';

export const verb = defineVerb({
  arguments: '<run>',
  options: {
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
          return value === undefined ? '' : isShare(error) ? percent(value, 1) : value.toPrecision(4);
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
    const { evaluateCheckpoint } = await import('../../predict/open.js');
    const { openModel } = await import('../../predict/open.js');
    const model = openModel(run, options);
    const { file, step, epoch } = model;
    const display = createProgress(io, options.quiet);
    const { loss, metrics, count, naive } = await hintingAtMovedData(() =>
      evaluateCheckpoint(model, options, progress => display.evaluating(progress)),
    ).finally(() => display.end());
    const undefinedMetrics = measuredMetrics(model.loaded.experiment).filter(name => !(name in metrics));
    if (undefinedMetrics.length > 0)
      io.err(`warning: ${undefinedMetrics.join(', ')} cannot be computed on the ${split} split\n`);
    const measured = { loss, ...metrics };
    const values = Object.entries(measured).map(([name, value]) => metricSentence(split, name, value));
    const baselines = naive && { baselines: { [split]: naive } };
    const naiveLines = Object.entries(naive ?? {}).map(
      ([name, of]) => `${name}: ${metricSentences(split, of).join(', ')}\n`,
    );
    print(
      { checkpoint: file, step, epoch, metrics: { [split]: measured }, predictions: count, ...baselines },
      `step ${step}: ${values.join(', ')} over ${count} predictions\n${naiveLines.join('')}`,
    );
    return EXIT.done;
  },
});

/** Columns of a backtest; an unknown value is empty. */
function backtestColumns(mean: ForecastsErrors) {
  const intervals = mean.model?.coverage === undefined ? [] : INTERVALS;
  const ofForecasts = FORECASTS.flatMap(name =>
    ERRORS.map(([short, error]) => [name, short, error] as const),
  );
  const ofModel = intervals.map(([short, error]) => ['model', short, error] as const);
  return [...ofForecasts.slice(0, ERRORS.length), ...ofModel, ...ofForecasts.slice(ERRORS.length)];
}

const FORECASTS = ['model', 'last_value', 'seasonal_naive'] as const;
const ERRORS = [
  ['mae', 'mean_absolute_error'],
  ['mase', 'mase'],
] as const;
const INTERVALS = [
  ['coverage', 'coverage'],
  ['width', 'interval_width'],
] as const;
