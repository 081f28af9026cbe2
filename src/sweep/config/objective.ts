/** The objective of a sweep, and whether its trials measure it. */
import type { MetricName } from '../../config/experiment.js';
import { flatValues } from '../../config/merge/flat.js';
import { type Measuring, measuredMetrics, metricsOf } from '../../config/rules/losses.js';
import { possibleMetrics, splitsOf } from '../../config/rules/splits.js';
import { Locator } from '../../config/yaml/locator.js';
import { type Place, positionOf } from '../../config/yaml/source.js';
import type { MapNode } from '../../config/yaml/tree.js';
import type { Diagnostic } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import type { Objective } from '../plan.js';
import { isCommandLine, type LoadedBase, withSource } from './bases.js';
import type { LocatedParameter } from './parameters.js';
import type { PointRule } from './points.js';

/** `checkpoint.metric` of the configs as an objective; undefined if they differ in it. */
export function commonObjective(bases: readonly LoadedBase[]): Objective | undefined {
  const declared = bases.map(({ source }) => source.load().experiment.checkpoint);
  const [first] = declared;
  if (first === undefined || declared.some(({ metric }) => metric !== first.metric)) return undefined;
  return { metric: first.metric, goal: first.mode === 'max' ? 'maximize' : 'minimize' };
}

export function noObjective(tree: MapNode): Diagnostic {
  const message = 'no objective: the configs differ in `checkpoint.metric`';
  const expected = isCommandLine(tree)
    ? '`--objective METRIC:min` or `METRIC:max`, such as validation.accuracy:max'
    : '`objective`, such as { metric: validation.accuracy, goal: maximize }';
  return new Locator(tree).atKey(['variants'], 'sweep/objective', message, { expected });
}

/**
 * The base with `metric` in `training.metrics`, as a gate would add it to its own run; the base
 * itself if it measures the metric already or cannot measure it.
 * @param place of the objective
 */
export function measuring(base: LoadedBase, metric: string, place: Place): LoadedBase {
  const { source } = base;
  const { experiment } = source.load();
  const { loss, dataset } = experiment;
  const isMeasured = metricsOf(experiment, splitsOf(dataset)).includes(metric as MetricName);
  if (isMeasured || !possibleMetrics(loss, dataset).includes(metric as MetricName)) return base;
  const metrics = [...measuredMetrics(experiment), metric.slice(metric.indexOf('.') + 1)];
  const items = metrics.map(value => ({ kind: 'scalar', value, written: value, place }) as const);
  const value = { kind: 'list', items, place } as const;
  return withSource(source.with([{ key: 'training.metrics', keyPlace: place, value }]), base);
}

/** Checks that a run of the config reports the metric of the objective. */
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

function unmeasured(metric: string, config: Measuring, locator: Locator): Diagnostic {
  const [, name] = metric.split('.');
  const metrics = [...measuredMetrics(config), name].join(', ');
  return locator.atValue(
    ['objective', 'metric'],
    'sweep/metric',
    `the trials do not measure ${metric}: \`training.metrics\` lacks ${name}`,
    { expected: `\`training.metrics: [${metrics}]\` in the config or with \`--set\`` },
  );
}

/**
 * Warns if the sweep varies the split of the objective: values on different sequences are not
 * comparable.
 */
export function splitWarnings(
  { metric }: Objective,
  parameters: readonly LocatedParameter[],
  bases: readonly LoadedBase[],
  locator: Locator,
): Diagnostic[] {
  const [split] = metric.split('.');
  if (split === 'train') return [];
  // the test split is drawn first, the validation split from the rest
  const splitKeys = split === 'validation' ? /^dataset\.(validation|test_fraction\b)/ : /^dataset\.test/;
  const consequence = `trials are compared by ${metric} on different ${split} splits`;
  const varied = parameters
    .filter(({ keys }) => keys.some(key => splitKeys.test(key)))
    .map(({ given, keyPlace }) => ({
      code: 'sweep/split',
      message: `the sweep varies \`${given}\`, so ${consequence}`,
      ...positionOf(keyPlace),
    }));
  const differing = differingKeys(bases, splitKeys);
  if (differing.length === 0) return varied;
  const message = `the variants differ in ${differing.map(key => `\`${key}\``).join(', ')}, so ${consequence}`;
  return [...varied, locator.atKey(['variants'], 'sweep/split', message)];
}

/** Keys that match `pattern` and differ between the configs. */
function differingKeys(bases: readonly LoadedBase[], pattern: RegExp): readonly string[] {
  const configs = bases.map(({ source }) => {
    const { dataset } = source.load().experiment;
    return new Map(
      flatValues({ dataset })
        .filter(([key]) => pattern.test(key))
        .map(([key, value]) => [key, JSON.stringify(value)]),
    );
  });
  const keys = new Set(configs.flatMap(config => [...config.keys()]));
  return [...keys].filter(key => new Set(configs.map(config => config.get(key))).size > 1);
}
