/** Checks the series of a forecast: steps that are missing, and whether MASE can be computed. */
import type { Column, TimeGaps } from '../data/core/dataset.js';
import { gapWords } from '../data/forecast-gaps.js';
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { LoadedExperiment } from './load.js';
import { measuredMetrics } from './losses.js';

export interface SeriesShape {
  readonly columns: readonly Column[];
  readonly longest: number;
  readonly gaps?: TimeGaps;
}

interface ScaledSplit {
  readonly count: number;
  errorScale?(index: number): number | undefined;
}

export function checkGaps(
  { locator }: LoadedExperiment,
  { gaps }: Partial<SeriesShape> = {},
): readonly Diagnostic[] {
  if (gaps === undefined) return [];
  const { lacking, expected } = gapWords(gaps);
  const message = `${lacking}. Windows read across a gap as if nothing were missing`;
  return [locator.atValue(['dataset', 'time'], 'data/time-gaps', message, { expected })];
}

/**
 * Warns if MASE is asked for but no prediction of a split has a scale: reports leave it out, and a
 * gate, a checkpoint or early stopping by it has nothing to judge. It is not an error, since it
 * depends on the data, not on the config alone: all other metrics are computed, one of several
 * points of a sweep may be affected, and runs that lack it can still be evaluated and resumed.
 * @param splits those that are evaluated, by name
 */
export function checkScale(
  loaded: LoadedExperiment,
  splits: Readonly<Record<string, ScaledSplit>>,
  series: SeriesShape | undefined,
): readonly Diagnostic[] {
  const { experiment, locator } = loaded;
  if (!measuredMetrics(experiment).includes('mase')) return [];
  const lacking = Object.entries(splits).flatMap(([name, split]) => (hasScale(split) ? [] : [name]));
  if (lacking.length === 0) return [];
  const { why, expected } = reason(loaded, series);
  const message = `mase cannot be computed on the ${lacking.join(' and the ')} split: ${why}`;
  return [locator.atValue(placeOfMase(loaded), 'data/no-error-scale', message, { expected })];
}

function hasScale({ count, errorScale }: ScaledSplit): boolean {
  for (let index = 0; index < count; index++) if (errorScale?.(index) !== undefined) return true;
  return false;
}

const OTHER_METRIC = 'another metric, such as mean_absolute_error';

function reason(
  { experiment: { dataset } }: LoadedExperiment,
  series: SeriesShape | undefined,
): { readonly why: string; readonly expected: string } {
  if (series === undefined) return { why: 'only forecasts have it', expected: OTHER_METRIC };
  const { longest } = series;
  const season = ('season' in dataset ? dataset.season : undefined) ?? 1;
  if (season < longest) {
    const before = season === 1 ? 'the step before' : `${season} steps before`;
    const why = `its series have too few training steps, or every value equals that of ${before}`;
    return { why, expected: OTHER_METRIC };
  }
  return {
    why: `a season of ${counted(season, 'step')} is not shorter than the training part of any series`,
    expected:
      longest > 1 ? `a season of at most ${counted(longest - 1, 'step')}, or ${OTHER_METRIC}` : OTHER_METRIC,
  };
}

/** The first key that asks for MASE. */
function placeOfMase({ experiment }: LoadedExperiment): (string | number)[] {
  const { training, checkpoint, gates = [] } = experiment;
  const isMase = (metric: string | undefined): boolean => metric?.split('.').at(-1) === 'mase';
  const listed = training.metrics?.indexOf('mase') ?? -1;
  if (listed >= 0) return ['training', 'metrics', listed];
  if (isMase(training.early_stopping?.metric)) return ['training', 'early_stopping', 'metric'];
  if (isMase(checkpoint.metric)) return ['checkpoint', 'metric'];
  return ['gates', gates.findIndex(({ metric }) => isMase(metric)), 'metric'];
}
