/**
 * Formulas of the reference, as Markdown. Each table is typed by the config: what is forgotten here
 * does not compile.
 */
import type { BaselineName } from '../../src/run/summary.js';
import type { EXIT } from '../../src/util/errors.js';

interface BaselineText {
  readonly targets: string;
  readonly prediction: string;
}

const RELATIVE =
  '; with `relative_to`, of its differences from the level of a window, to which the prediction is added';

export const BASELINES: readonly (BaselineText & { readonly name: BaselineName })[] = [
  {
    name: 'majority',
    targets: 'classes',
    prediction:
      'z_k = log(n_k / n), where n_k of the n training targets are of class k. The decision is the most frequent class',
  },
  {
    name: 'majority',
    targets: 'labels',
    prediction: 'z_k = log(p_k / (1 - p_k)), where p_k is the fraction of 1 in label k',
  },
  {
    name: 'previous',
    targets: 'one class per step',
    prediction:
      'the last known class of an earlier step of the sequence; `majority` at the first step. No loss',
  },
  { name: 'mean', targets: 'values', prediction: `the mean of each target${RELATIVE}` },
  {
    name: 'median',
    targets: 'values, with `mae` or `huber`',
    prediction: `the median of each target${RELATIVE}`,
  },
  {
    name: 'quantiles',
    targets: 'values, with `quantile`',
    prediction: `the quantiles of each target, interpolated linearly between two values${RELATIVE}`,
  },
  { name: 'last_value', targets: 'forecasts', prediction: 'the last value that the window reads. No loss' },
  {
    name: 'seasonal_naive',
    targets: 'forecasts with `season` m',
    prediction:
      'y_(t+h-km), where k = ceil(h / m): the last value of the same season. Windows that begin less than a season after the start of their series do not count. No loss',
  },
];

export const EXIT_CODES: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'The command succeeded. For a run: it completed and all gates passed.',
  unexpected:
    'Something failed that is not your mistake: a full disk, a defect of cellrun, a `verify` that found a difference, or a sweep without a result.',
  usage: 'The command line or the config is wrong. Nothing was written.',
  gate: 'A gate failed, or could not be judged. The run itself is complete.',
  diverged: 'Training diverged: a loss, gradient, update or final metric was not finite.',
  damaged: 'A checkpoint, a data file or another file of a run is damaged or does not belong to the run.',
  interrupted: 'The command was interrupted and can be resumed.',
};
