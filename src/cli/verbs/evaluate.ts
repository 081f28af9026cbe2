/**
 * `evaluate RUN`: the metrics of a checkpoint, computed again from its weights and the run's own
 * config.
 */

import { spellNonFinite } from '../../experiment/files/json.js';
import { backtest, type ForecastsErrors } from '../../prediction/backtest.js';
import { evaluateCheckpoint } from '../../prediction/evaluate.js';
import { openModel, type SavedModel } from '../../prediction/saved-model.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import type { EvaluateOptions } from '../options.js';
import { hintingAtMovedData } from '../terminal/hinted-error.js';
import type { Io } from '../terminal/io.js';
import { createEvaluationDisplay } from '../terminal/progress.js';

export async function evaluate(runPath: string, options: EvaluateOptions, io: Io): Promise<ExitCode> {
  if (options.backtest) return printBacktest(runPath, options, io);
  const model = openModel(runPath, options);
  const { file, step, epoch } = model;
  const { split } = options;
  const { loss, metrics, count } = await hintingAtMovedData(() => measure(model, options, io));
  if (options.json) {
    const measured = { [split]: { loss, ...metrics } };
    const answer = { version: 1, checkpoint: file, step, epoch, metrics: measured, predictions: count };
    io.out(`${JSON.stringify(spellNonFinite(answer))}\n`);
  } else {
    const measured = Object.entries({ loss, ...metrics }).map(([name, value]) => `${split} ${name} ${value}`);
    io.out(`step ${step}: ${measured.join(', ')} over ${count} predictions\n`);
  }
  return EXIT.done;
}

async function printBacktest(runPath: string, options: EvaluateOptions, io: Io): Promise<ExitCode> {
  const { split, json } = options;
  const { saved, horizon, origins, mean } = await hintingAtMovedData(() => backtest(runPath, options));
  const { file, step, epoch } = saved;
  if (json) {
    const answer = { version: 1, checkpoint: file, step, epoch, split, horizon, origins, mean };
    io.out(`${JSON.stringify(spellNonFinite(answer))}\n`);
    return EXIT.done;
  }
  const rows = [...origins, { id: `mean of ${origins.length}`, ...mean }].map(({ id, ...errors }) => [
    id,
    ...cells(errors),
  ]);
  io.out(aligned([['origin', ...HEADERS], ...rows]));
  return EXIT.done;
}

/** Columns of a backtest; MASE is left empty if it is not known. */
const FORECASTS = ['model', 'last_value', 'seasonal_naive'] as const;
const HEADERS = FORECASTS.flatMap(name => [`${name} mae`, `${name} mase`]);

function cells(errors: ForecastsErrors): string[] {
  return FORECASTS.flatMap(name => {
    const { mean_absolute_error, mase } = errors[name] ?? {};
    return [mean_absolute_error, mase].map(value => (value === undefined ? '' : value.toPrecision(4)));
  });
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)));
  return rows
    .map(row =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
    )
    .map(line => `${line}\n`)
    .join('');
}

async function measure(model: SavedModel, options: EvaluateOptions, io: Io) {
  const display = createEvaluationDisplay(io, options.quiet);
  try {
    return await evaluateCheckpoint(model, options, progress => display.evaluating(progress));
  } finally {
    display.end();
  }
}
