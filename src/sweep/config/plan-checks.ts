/** Rules between the parts of a sweep that need no config. */
import { resolve } from 'node:path';
import type { MetricName } from '../../config/experiment.js';
import { largerIsBetter, rangeOf } from '../../config/rules/metrics.js';
import type { Locator } from '../../config/yaml/locator.js';
import { positionOf, SourceText } from '../../config/yaml/source.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Objective } from '../plan.js';
import { COMMAND_LINE } from './bases.js';
import type { LocatedParameter } from './parameters.js';
import type { SweepSettings } from './settings.js';
import type { Unknown } from './shape.js';

/** @param objective undefined if it is not known */
export function checkPlan(
  settings: SweepSettings,
  objective: Objective | undefined,
  parameters: readonly LocatedParameter[],
  locator: Locator,
  unknown: Unknown,
): Diagnostic[] {
  const areKnown = (...keys: readonly string[]): boolean => !keys.some(key => unknown.keys.has(key));
  return [
    ...(areKnown('base', 'variants') ? checkBases(settings, locator) : []),
    ...(areKnown('base', 'variants', 'parameters', 'seeds') && unknown.parameters.size === 0
      ? checkVaried(settings, parameters, locator)
      : []),
    ...(areKnown('method') ? checkGrid(settings, parameters) : []),
    ...(objective === undefined ? [] : checkObjective(objective, settings, locator)),
    ...(areKnown('method', 'budget') ? checkBudget(settings, locator) : []),
  ];
}

function checkBases({ base, variants }: SweepSettings, locator: Locator): Diagnostic[] {
  if (base !== undefined && variants !== undefined)
    return [locator.atKey(['variants'], 'sweep/base', '`base` and `variants` exclude each other')];
  if (base === undefined && variants === undefined)
    return [
      locator.atKey([], 'sweep/base', 'the sweep has no config', {
        expected: '`base`: one config, or `variants`: a list of configs',
      }),
    ];
  return [];
}

function checkVaried(
  { seeds }: SweepSettings,
  parameters: readonly LocatedParameter[],
  locator: Locator,
): Diagnostic[] {
  const varied = parameters.length > 0 || (seeds ?? []).length > 1;
  if (varied) return [];
  const at = locator.atKey(['parameters'], 'sweep/nothing-varies', 'nothing varies');
  const expected =
    at.file === COMMAND_LINE
      ? 'KEY=VALUE,VALUE…, several configs, or several --seeds'
      : '`parameters`, `variants`, or several `seeds`';
  return [{ ...at, expected }];
}

function checkGrid({ method }: SweepSettings, parameters: readonly LocatedParameter[]): Diagnostic[] {
  if (method.kind !== 'grid') return [];
  return parameters
    .filter(({ distribution: { kind } }) => kind === 'uniform' || kind === 'log_uniform')
    .map(({ name, keyPlace }) => ({
      code: 'sweep/endless-grid',
      message: `a grid of \`${name}\` has no end`,
      ...positionOf(keyPlace),
      expected:
        keyPlace.text.file === COMMAND_LINE
          ? 'values with commas between, or int(LOW,HIGH); or `--method random`, `sobol` or `tpe`'
          : 'a list of values or `kind: int`; or `method: random`, `sobol` or `tpe`',
    }));
}

function checkObjective(objective: Objective, { budget }: SweepSettings, locator: Locator): Diagnostic[] {
  const metric = objective.metric as MetricName;
  const better = largerIsBetter(metric) ? 'maximize' : 'minimize';
  const found: Diagnostic[] = [];
  if (objective.goal !== better) {
    const message = `the best ${metric} is the ${better === 'maximize' ? 'largest' : 'smallest'}`;
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

/** What has no end of its own needs one. */
function checkBudget({ method, budget }: SweepSettings, locator: Locator): Diagnostic[] {
  if (method.kind === 'grid' || budget.trials !== undefined || budget.time !== undefined) return [];
  const message = `a sweep by ${method.kind} has no end of its own`;
  const { file } = locator.atKey(['budget'], '', '');
  const expected =
    file === COMMAND_LINE ? '`--trials`, `--time` or both' : '`budget` with `trials`, `time` or both';
  return [locator.atKey(['budget'], 'sweep/endless', message, { expected })];
}

/** A value that every point has from the sweep: what `--set` says of it would go for none. */
export function checkSet(
  set: readonly string[],
  { seeds }: Pick<SweepSettings, 'seeds'>,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  const varied = parameters
    .filter(({ condition }) => condition === undefined)
    .flatMap(({ keys }) => keys.map(key => ({ key, what: 'the sweep varies' })));
  if (seeds !== undefined) varied.push({ key: 'seed', what: '`seeds` of the sweep sets' });
  return set.flatMap(argument => {
    const [written] = argument.split('=', 1);
    const path = written.replaceAll(/\[(\d+)\]/g, '.$1');
    const by = varied.find(({ key }) => path === key || path.startsWith(`${key}.`));
    if (by === undefined) return [];
    const source = new SourceText('--set', argument, resolve('.'));
    const message = `${by.what} \`${by.key}\`, so that --set has no effect on it`;
    const expected = 'one of the two';
    return [{ code: 'sweep/set', message, ...positionOf(source.place(0, written.length)), expected }];
  });
}
