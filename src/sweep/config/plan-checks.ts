/** Checks between the parts of a sweep, and between a sweep and the configs of its points. */
import { resolve } from 'node:path';
import type { MetricName } from '../../config/experiment.js';
import { largerIsBetter, rangeOf } from '../../config/rules/metrics.js';
import { Locator } from '../../config/yaml/locator.js';
import { positionOf, SourceText } from '../../config/yaml/source.js';
import type { MapNode } from '../../config/yaml/tree.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Objective, Pruner } from '../plan.js';
import { gridSize, pointsAtMost } from '../search/grid.js';
import type { Space } from '../space.js';
import { isCommandLine } from './bases.js';
import type { LocatedParameter } from './parameters.js';
import { MAX_GRID, type PointConfigs } from './points.js';
import type { SweepSettings } from './settings.js';

/** @param objective undefined if the configs differ in it, or cannot be read */
export function checkPlan(
  settings: SweepSettings,
  objective: Objective | undefined,
  parameters: readonly LocatedParameter[],
  tree: MapNode,
): Diagnostic[] {
  return [
    ...checkBases(settings, tree),
    ...checkVaried(settings, parameters, tree),
    ...checkGrid(settings, parameters, tree),
    ...(objective === undefined ? [] : checkObjective(objective, settings, tree)),
    ...checkBudget(settings, tree),
  ];
}

function checkBases({ base, variants }: SweepSettings, tree: MapNode): Diagnostic[] {
  const locator = new Locator(tree);
  if (base !== undefined && variants !== undefined)
    return [locator.atKey(['variants'], 'sweep/base', '`base` and `variants` cannot be combined')];
  if (base !== undefined || variants !== undefined) return [];
  const expected = '`base`: one config, or `variants`: a list of configs';
  return [locator.atKey([], 'sweep/base', 'the sweep has no config', { expected })];
}

function checkVaried(
  { seeds }: SweepSettings,
  parameters: readonly LocatedParameter[],
  tree: MapNode,
): Diagnostic[] {
  const isVaried = parameters.length > 0 || (seeds ?? []).length > 1;
  if (isVaried) return [];
  const expected = isCommandLine(tree)
    ? 'KEY=VALUE,VALUE…, several configs, or several --seeds'
    : '`parameters`, `variants`, or several `seeds`';
  const message = 'the sweep varies nothing';
  return [new Locator(tree).atKey(['parameters'], 'sweep/nothing-varies', message, { expected })];
}

function checkGrid(
  { method }: SweepSettings,
  parameters: readonly LocatedParameter[],
  tree: MapNode,
): Diagnostic[] {
  if (method.kind !== 'grid') return [];
  return parameters
    .filter(({ distribution: { kind } }) => kind === 'uniform' || kind === 'log_uniform')
    .map(({ name, keyPlace }) => ({
      code: 'sweep/endless-grid',
      message: `a grid cannot list the values of \`${name}\`, which is continuous`,
      ...positionOf(keyPlace),
      expected: isCommandLine(tree)
        ? 'values separated by commas, or int(LOW,HIGH); or `--method random`, `sobol` or `tpe`'
        : 'a list of values or `kind: int`; or `method: random`, `sobol` or `tpe`',
    }));
}

function checkObjective(objective: Objective, { budget }: SweepSettings, tree: MapNode): Diagnostic[] {
  const locator = new Locator(tree);
  const metric = objective.metric as MetricName;
  const better = largerIsBetter(metric) ? 'maximize' : 'minimize';
  const found: Diagnostic[] = [];
  if (objective.goal !== better) {
    const message = `${better === 'maximize' ? 'larger' : 'smaller'} values of ${metric} are better`;
    const more = { expected: better, got: objective.goal };
    found.push(locator.atValue(['objective', 'goal'], 'sweep/goal', message, more));
  }
  const { target } = budget;
  const { min, max } = rangeOf(metric);
  if (target === undefined || (target >= min && target <= max)) return found;
  const message = `${metric} is never ${target > max ? `above ${max}` : `below ${min}`}`;
  const percent = target > max && target <= 100;
  const more = { got: String(target), ...(percent && { suggestion: String(target / 100) }) };
  return [...found, locator.atValue(['budget', 'target'], 'sweep/target', message, more)];
}

function checkBudget({ method, budget }: SweepSettings, tree: MapNode): Diagnostic[] {
  if (method.kind === 'grid' || budget.trials !== undefined || budget.time !== undefined) return [];
  const expected = isCommandLine(tree)
    ? '`--trials`, `--time` or both'
    : '`budget` with `trials`, `time` or both';
  const message = `a ${method.kind} search needs a limit`;
  return [new Locator(tree).atKey(['budget'], 'sweep/endless', message, { expected })];
}

/** `--set` has no effect on a key that the sweep sets at every point. */
export function checkSet(
  set: readonly string[],
  { seeds }: Pick<SweepSettings, 'seeds'>,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  const varied = parameters
    .filter(({ condition }) => condition === undefined)
    .flatMap(({ keys }) => keys.map(key => ({ key, by: 'the sweep varies' })));
  if (seeds !== undefined) varied.push({ key: 'seed', by: '`seeds` sets' });
  return set.flatMap(argument => {
    const [written] = argument.split('=', 1);
    const path = written.replaceAll(/\[(\d+)\]/g, '.$1');
    const found = varied.find(({ key }) => path === key || path.startsWith(`${key}.`));
    if (found === undefined) return [];
    const source = new SourceText('--set', argument, resolve('.'));
    const message = `${found.by} \`${found.key}\`, so --set has no effect on it`;
    return [{ code: 'sweep/set', message, ...positionOf(source.place(0, written.length)) }];
  });
}

/** A space must have points, and a grid not too many. */
export function checkSize(space: Space, { method }: SweepSettings, tree: MapNode): Diagnostic[] {
  const locator = new Locator(tree);
  const size = Number.isFinite(pointsAtMost(space)) ? gridSize(space) : null;
  if (size === 0) return [locator.atKey(['exclude'], 'sweep/nothing-left', '`exclude` excludes every point')];
  if (method.kind !== 'grid' || size === null || size <= MAX_GRID) return [];
  const message = `the grid has ${size.toLocaleString('en')} points`;
  const other = isCommandLine(tree) ? '--method random' : 'method: random';
  return [
    locator.atKey(['parameters'], 'sweep/large-grid', message, {
      expected: `at most ${MAX_GRID.toLocaleString('en')}; or \`${other}\`, \`sobol\` or \`tpe\` with a budget`,
    }),
  ];
}

/** All trials must have the same last epoch and, unless the sweep sets seeds, the same seed. */
export function checkCommon(
  { seeds: ownSeeds }: SweepSettings,
  { epochs, seeds }: Pick<PointConfigs, 'epochs' | 'seeds'>,
  locator: Locator,
): Diagnostic[] {
  const found: Diagnostic[] = [];
  const list = (values: ReadonlyMap<number, { readonly file: string }>): string =>
    [...values].map(([value, { file }]) => `${value} in ${file}`).join(', ');
  if (epochs.size > 1) {
    const message = 'the variants have different numbers of epochs and cannot be compared';
    const more = { got: list(epochs), expected: 'the same `training.num_epochs`, for example with `--set`' };
    found.push(locator.atKey(['variants'], 'sweep/epochs', message, more));
  }
  if (ownSeeds === undefined && seeds.size > 1) {
    const message = 'the variants have different seeds';
    const more = { got: list(seeds), expected: '`seeds`: the seeds to train each point with' };
    found.push(locator.atKey(['variants'], 'sweep/seeds', message, more));
  }
  return found;
}

/** A pruner must be able to judge a trial before its last epoch. */
export function checkPruner(
  pruner: Pruner,
  epochs: number,
  locator: Locator,
  endsBySteps: boolean,
): Diagnostic[] {
  if (pruner.kind === 'none') return [];
  if (endsBySteps) {
    const message = `the pruner ${pruner.kind} counts epochs, but \`training.max_steps\` may end training within an epoch`;
    return [locator.atValue(['pruner'], 'sweep/pruner-steps', message, { expected: '`pruner: none`' })];
  }
  const [key, first] =
    pruner.kind === 'median'
      ? (['n_warmup_epochs', pruner.n_warmup_epochs + 1] as const)
      : (['min_epochs', pruner.min_epochs] as const);
  if (first < epochs) return [];
  const path = locator.isGiven(['pruner', key]) ? ['pruner', key] : ['pruner'];
  const message = `the pruner ${pruner.kind} never judges a trial: it starts after epoch ${first}, and the last epoch is ${epochs}`;
  return [
    locator.atValue(path, 'sweep/pruner-epochs', message, {
      expected: 'a smaller number, a larger `training.num_epochs` in the config, or `pruner: none`',
    }),
  ];
}
