/** `evaluate RUN`: computes a checkpoint's metrics again. */
import { measuredMetrics } from '../../config/index.js';
import type { ForecastsErrors } from '../../predict/open.js';
import { spellNonFinite } from '../../run/json.js';
import { metricSentence, metricSentences } from '../../run/words.js';
import { EXIT } from '../../util/errors.js';
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
      const rows = [...origins, { id: `mean of ${origins.length}`, ...mean }].map(({ id, ...errors }) => [
        id,
        ...cells(errors),
      ]);
      const result = { checkpoint: file, step, epoch, split, horizon, origins, mean };
      const lines = aligned([['origin', ...HEADERS], ...rows], i => i > 0);
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

/** Columns of a backtest. An unknown MASE is empty. */
const FORECASTS = ['model', 'last_value', 'seasonal_naive'] as const;
const HEADERS = FORECASTS.flatMap(name => [`${name} mae`, `${name} mase`]);

function cells(errors: ForecastsErrors): string[] {
  return FORECASTS.flatMap(name => {
    const { mean_absolute_error, mase } = errors[name] ?? {};
    return [mean_absolute_error, mase].map(value => (value === undefined ? '' : value.toPrecision(4)));
  });
}
