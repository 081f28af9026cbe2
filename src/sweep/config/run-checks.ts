/** Rules between a sweep and the configs of its points. */
import type { MetricName } from '../../config/experiment.js';
import { flatValues } from '../../config/merge/flat.js';
import { type Measuring, measuredMetrics, metricsOf } from '../../config/rules/losses.js';
import { possibleMetrics, splitsOf } from '../../config/rules/splits.js';
import { nearest } from '../../config/wording/suggest.js';
import type { Locator } from '../../config/yaml/locator.js';
import { positionOf } from '../../config/yaml/source.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Objective } from '../plan.js';
import { gridSize, pointsAtMost } from '../search/grid.js';
import type { Space } from '../space.js';
import { COMMAND_LINE, type LoadedBase } from './bases.js';
import type { JudgedPoints, PointRule } from './judged.js';
import type { LocatedParameter } from './parameters.js';
import { MAX_GRID } from './points.js';
import type { SweepSettings } from './settings.js';
import type { Unknown } from './shape.js';

/** The objective's metric is one that a run reports. */
export function objectiveRule({ metric }: Objective, locator: Locator): PointRule {
  return ({ loss, dataset, ...config }) => {
    if (loss === undefined) return [];
    const reported = metricsOf({ ...config, loss }, splitsOf(dataset));
    if (reported.includes(metric as MetricName)) return [];
    const possible = possibleMetrics(loss, dataset);
    if (possible.includes(metric as MetricName)) return [unmeasured(metric, { ...config, loss }, locator)];
    const suggestion = nearest(metric, possible);
    const more = { expected: possible.join(' | '), ...(suggestion !== undefined && { suggestion }) };
    const message = `${metric} is not measured with loss ${loss.kind}`;
    return [locator.atValue(['objective', 'metric'], 'sweep/metric', message, more)];
  };
}

/** Of a metric that the trials could measure. */
function unmeasured(metric: string, config: Measuring, locator: Locator): Diagnostic {
  const [, name] = metric.split('.');
  const metrics = [...measuredMetrics(config), name].join(', ');
  return locator.atValue(
    ['objective', 'metric'],
    'sweep/metric',
    `the trials do not measure ${metric}: their \`training.metrics\` lacks ${name}`,
    { expected: `\`training.metrics: [${metrics}]\` in the config, or by \`--set\`` },
  );
}

/**
 * Warnings about an objective whose split the sweep itself varies: values on different sequences
 * are no comparison.
 */
export function splitWarnings(
  { metric }: Objective,
  parameters: readonly LocatedParameter[],
  bases: readonly LoadedBase[],
  locator: Locator,
): Diagnostic[] {
  const [split] = metric.split('.');
  if (split === 'train') return [];
  // the test split is drawn first, and the validation split from what it leaves
  const deciding = split === 'validation' ? /^dataset\.(validation|test_fraction\b)/ : /^dataset\.test/;
  const varied = parameters
    .filter(({ keys }) => keys.some(key => deciding.test(key)))
    .map(({ given, keyPlace }) => ({
      code: 'sweep/split',
      message: `the sweep varies \`${given}\`, so its trials are compared by ${metric} on different ${split} splits`,
      ...positionOf(keyPlace),
    }));
  const differing = differingKeys(bases, deciding);
  if (differing.length === 0) return varied;
  const keys = differing.map(key => `\`${key}\``).join(', ');
  const message = `the variants differ in ${keys}, so their trials are compared by ${metric} on different ${split} splits`;
  return [...varied, locator.atKey(['variants'], 'sweep/split', message)];
}

/** Keys that match `pattern` and do not have the same value in all configs. */
function differingKeys(bases: readonly LoadedBase[], pattern: RegExp): readonly string[] {
  const configs = bases.map(({ source }) => {
    const { dataset } = source.judge().experiment;
    return new Map(
      flatValues({ dataset })
        .filter(([key]) => pattern.test(key))
        .map(([key, value]) => [key, JSON.stringify(value)]),
    );
  });
  const keys = new Set(configs.flatMap(config => [...config.keys()]));
  return [...keys].filter(key => new Set(configs.map(config => config.get(key))).size > 1);
}

/** A space must have points, and a grid an end that can be waited for. */
export function checkSize(space: Space, { method }: SweepSettings, locator: Locator): Diagnostic[] {
  const size = Number.isFinite(pointsAtMost(space)) ? gridSize(space) : null;
  if (size === 0) return [locator.atKey(['exclude'], 'sweep/nothing-left', '`exclude` leaves no point')];
  if (method.kind !== 'grid' || size === null || size <= MAX_GRID) return [];
  const message = `the grid has ${size.toLocaleString('en')} points`;
  const { file } = locator.atKey(['parameters'], '', '');
  const other = file === COMMAND_LINE ? '--method random' : 'method: random';
  return [
    locator.atKey(['parameters'], 'sweep/large-grid', message, {
      expected: `at most ${MAX_GRID.toLocaleString('en')}; or \`${other}\`, \`sobol\` or \`tpe\` with a budget`,
    }),
  ];
}

/** All trials have the same last epoch, and, where the sweep names no seeds, the same seed. */
export function checkCommon(
  { seeds }: SweepSettings,
  judged: JudgedPoints,
  locator: Locator,
  unknown: Unknown,
): Diagnostic[] {
  const found: Diagnostic[] = [];
  const list = (values: ReadonlyMap<number, { readonly file: string }>): string =>
    [...values].map(([value, { file }]) => `${value} in ${file}`).join(', ');
  if (judged.epochs.size > 1) {
    const message =
      'the variants are trained for different numbers of epochs, so that they can’t be compared';
    const more = { got: list(judged.epochs), expected: 'the same `training.num_epochs`, such as by `--set`' };
    found.push(locator.atKey(['variants'], 'sweep/epochs', message, more));
  }
  if (seeds === undefined && !unknown.keys.has('seeds') && judged.seeds.size > 1) {
    const message = 'the variants have different seeds';
    const more = { got: list(judged.seeds), expected: '`seeds`: those that each point is trained with' };
    found.push(locator.atKey(['variants'], 'sweep/seeds', message, more));
  }
  return found;
}

/** A pruner needs an epoch before the last at which it can judge. */
export function checkPruner(
  { pruner }: Pick<SweepSettings, 'pruner'>,
  { endsBySteps }: Pick<JudgedPoints, 'endsBySteps'>,
  epochs: number,
  locator: Locator,
): Diagnostic[] {
  if (pruner.kind === 'none') return [];
  if (endsBySteps) {
    const message = `the pruner ${pruner.kind} counts epochs, and \`training.max_steps\` may end a training within one`;
    return [locator.atValue(['pruner'], 'sweep/pruner-steps', message, { expected: '`pruner: none`' })];
  }
  const [key, first] =
    pruner.kind === 'median'
      ? (['n_warmup_epochs', pruner.n_warmup_epochs + 1] as const)
      : (['min_epochs', pruner.min_epochs] as const);
  if (first < epochs) return [];
  const path = locator.isGiven(['pruner', key]) ? ['pruner', key] : ['pruner'];
  const message = `the pruner ${pruner.kind} never judges a trial: its first epoch to judge is ${first}, the last is ${epochs}`;
  return [
    locator.atValue(path, 'sweep/pruner-epochs', message, {
      expected: 'a smaller number, more epochs (`training.num_epochs` of the config), or `pruner: none`',
    }),
  ];
}
