/**
 * Formulas of the reference, as Markdown. Each table is typed by the config: what is forgotten here
 * does not compile.
 */
import type { LossConfig, OptimizerConfig, ScheduleConfig } from '../../src/config/experiment.js';
import type { ClassesMetric, LabelsMetric, ValuesMetric } from '../../src/config/rules/metrics.js';
import type { BaselineName } from '../../src/run/summary.js';
import type { EXIT } from '../../src/util/errors.js';

export const CLASSES: Readonly<Record<ClassesMetric, string>> = {
  accuracy: 'fraction of predictions whose class is y_n',
  top_3_accuracy:
    'fraction of predictions in which fewer than 3 outputs rank before the output of y_n: larger ones, and equal ones of an earlier class',
  top_5_accuracy: 'the same with 5',
  precision: 'macro average of t / p, with 0 / 0 = 0',
  recall: 'macro average of t / s, with 0 / 0 = 0',
  f1: 'macro average of 2 t / (p + s), with 0 / 0 = 0',
  auroc:
    'macro average over the classes that are present and not universal. For one class: the fraction of (positive, negative) pairs whose positive has the larger probability; ties count half. With two classes only the second counts',
  average_precision:
    'macro average over the classes that are present. For one class: the mean over its positives n of the precision among all predictions with a probability at least as large as that of n. With two classes only the second counts',
  perplexity:
    'exp of the mean of l_n, where l_n = log sum_k exp(z_nk) - z_n,y_n, without weights and smoothing',
  bits_per_symbol: 'mean of l_n, divided by log 2',
};

export const LABELS: Readonly<Record<LabelsMetric, string>> = {
  accuracy: 'fraction of all N C labels that are predicted correctly',
  precision: 'as for classes, averaged over all labels',
  recall: 'as for classes, averaged over all labels',
  f1: 'as for classes, averaged over all labels',
  auroc: 'as for classes, ranked by z_nk, averaged over the labels that have positives and negatives',
  average_precision: 'as for classes, ranked by z_nk, averaged over the labels that have positives',
};

export const VALUES: Readonly<Record<ValuesMetric, string>> = {
  mean_absolute_error: '(1/(N C)) sum_n sum_k abs(z_nk - y_nk)',
  rmse: 'mean over k of sqrt((1/N) sum_n (z_nk - y_nk)^2)',
  r2: 'mean over k of 1 - sum_n (z_nk - y_nk)^2 / sum_n (y_nk - m_k)^2, where m_k = (1/N) sum_n y_nk. If all y_nk are equal: 1 if all z_nk equal them, else 0',
  mase: '`forecast` only: (1/(N C)) sum_n sum_k abs(z_nk - y_nk) / q_n, where q_n is the mean of abs(y_t - y_(t-m)) over the training part of the series and m = `season` or 1 (Hyndman and Koehler, 2006). Windows of a series without q do not count',
};

interface LossText {
  readonly formula: string;
  readonly pytorch: string;
}

export const LOSSES: Readonly<Record<LossConfig['kind'], LossText>> = {
  cross_entropy: {
    formula:
      'sum_n r_n / sum_n w_{y_n}, where l_nk = log sum_j exp(z_nj) - z_nk, r_n = (1 - s) w_{y_n} l_{n,y_n} + (s / C) sum_k w_k l_nk and s = `label_smoothing`',
    pytorch: '`CrossEntropyLoss`',
  },
  binary_cross_entropy: {
    formula:
      '(1/(N C)) sum_n sum_k [ -p_k y_nk log sigma(z_nk) - (1 - y_nk) log(1 - sigma(z_nk)) ], where p = `positive_weights` or 1',
    pytorch: '`BCEWithLogitsLoss`',
  },
  mse: { formula: '(1/(N C)) sum_n sum_k (z_nk - y_nk)^2', pytorch: '`MSELoss`' },
  mae: { formula: '(1/(N C)) sum_n sum_k a_nk, where a = abs(z - y)', pytorch: '`L1Loss`' },
  huber: {
    formula: '(1/(N C)) sum_n sum_k h_nk, where h = a^2 / 2 if a <= d, else d (a - d / 2), and d = `delta`',
    pytorch: '`HuberLoss`',
  },
  quantile: {
    formula:
      '(1/(N C)) sum_n sum_k of q (y - z) if y > z, else (1 - q) (z - y). Each target has one output for each q of `quantiles`, in their order; the outputs of the first target come first',
    pytorch: '–',
  },
};

export const OPTIMIZERS: Readonly<Record<OptimizerConfig['kind'], string>> = {
  sgd: '`torch.optim.SGD`',
  adam: '`torch.optim.Adam`',
  adamw: '`torch.optim.AdamW`',
  rmsprop: '`torch.optim.RMSprop`',
  adagrad: '`torch.optim.Adagrad`',
  nadam: '`torch.optim.NAdam`',
  lion: 'algorithm 2 of Chen et al. (2023)',
};

interface ScheduleText {
  readonly rate: string;
  readonly pytorch: string;
}

export const SCHEDULES: Readonly<Record<ScheduleConfig['kind'], ScheduleText>> = {
  constant: { rate: 'base; for a warmup alone', pytorch: '`LinearLR`' },
  step: { rate: 'base `factor`^floor(k / `every`)', pytorch: '`StepLR`' },
  exponential: { rate: 'base `factor`^floor(k / `every`)', pytorch: '`ExponentialLR`' },
  cosine: {
    rate: 'min + (base - min) (1 + cos(pi k / n)) / 2, where min = `min_learning_rate`. With `length`, that length replaces n and the rate stays at min after it',
    pytorch: '`CosineAnnealingLR`',
  },
  linear: {
    rate: 'base (1 + (`end_factor` - 1) k / n). With `length`, that length replaces n and the rate is constant after it',
    pytorch: '`LinearLR`',
  },
  one_cycle: {
    rate: 'half a cosine from base `start_factor` at k = 0 to base at k = `warmup_fraction` n - 1, then another to base `end_factor` at k = n - 1',
    pytorch: '`OneCycleLR`',
  },
  plateau: {
    rate: 'base, multiplied by `factor` after more than `patience` evaluations in a row in which `metric` did not improve on its best by more than `min_delta`; never below `min_learning_rate`. After a reduction, `cooldown` evaluations do not count',
    pytorch: '`ReduceLROnPlateau` with `threshold_mode="abs"`',
  },
};

interface BaselineText {
  readonly targets: string;
  readonly answer: string;
}

const RELATIVE =
  '; with `relative_to`, of its differences from the level of a window, to which the answer is added';

export const BASELINES: readonly (BaselineText & { readonly name: BaselineName })[] = [
  {
    name: 'majority',
    targets: 'classes',
    answer:
      'z_k = log(n_k / n), where n_k of the n training targets are of class k. The decision is the most frequent class',
  },
  {
    name: 'majority',
    targets: 'labels',
    answer: 'z_k = log(p_k / (1 - p_k)), where p_k is the fraction of 1 in label k',
  },
  {
    name: 'previous',
    targets: 'one class per step',
    answer: 'the last known class of an earlier step of the sequence; `majority` at the first step. No loss',
  },
  { name: 'mean', targets: 'values', answer: `the mean of each target${RELATIVE}` },
  {
    name: 'median',
    targets: 'values, with `mae` or `huber`',
    answer: `the median of each target${RELATIVE}`,
  },
  {
    name: 'quantiles',
    targets: 'values, with `quantile`',
    answer: `the quantiles of each target, interpolated linearly between two values${RELATIVE}`,
  },
  { name: 'last_value', targets: 'forecasts', answer: 'the last value that the window reads. No loss' },
  {
    name: 'seasonal_naive',
    targets: 'forecasts with `season` m',
    answer:
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
