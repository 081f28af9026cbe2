/**
 * Checks of a sweep: its parameters (first without a config, then each value against the schema of
 * a config), its parts with each other, and with the configs of its points.
 */

import { resolve } from 'node:path';
import type { MetricName } from '../../config/experiment.js';
import type { ConfigSource } from '../../config/load.js';
import { allKeys, schemaAt } from '../../config/schema/walk.js';
import { Locator } from '../../config/yaml/locator.js';
import { type Place, positionOf, SourceText } from '../../config/yaml/source.js';
import { keyPlace, type MapNode, nodeAt, type Path, valuePlace } from '../../config/yaml/tree.js';
import { largerIsBetter, rangeOf } from '../../math/metrics/index.js';
import type { Diagnostic } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import type { Pruner } from '../schedule/index.js';
import { prunerOf } from '../schedule/index.js';
import type { Objective } from '../schedule/plan.js';
import { gridSize, pointsAtMost } from '../search/grid.js';
import { methodOf } from '../search/index.js';
import {
  canonical,
  exists,
  type Parameter,
  type Point,
  type Space,
  sameValue,
  type Value,
} from '../search/space.js';
import { VARIANT } from '../trial-runs.js';
import { COMMAND_LINE, isCommandLine } from './bases.js';
import type { SweepSettings } from './definition.js';
import { exclusionsOf, inOrder, type LocatedParameter, nameOf } from './parameters.js';
import { MAX_GRID, type PointConfigs, pointAssignments } from './points.js';

/** Keys that a sweep cannot vary, and why; their children cannot be varied either. */
const FIXED: Readonly<Record<string, string>> = {
  version: 'it is the version of the config format',
  name: 'it only names the runs',
  description: 'it only describes the runs',
  extends: 'list several configs in `variants` instead',
  seed: 'list the seeds of each point in `seeds` instead',
  checkpoint: 'it does not affect results',
  gates: 'they do not affect results',
  'training.num_epochs': 'trials are compared after the same number of epochs',
  'training.log_every': 'it does not affect results',
};

/** The part of `key` that a sweep cannot vary; undefined if it can. */
export function fixedKey(key: string): string | undefined {
  const path = key.split('.');
  return path.map((_, i) => path.slice(0, i + 1).join('.')).find(part => Object.hasOwn(FIXED, part));
}

type Report = (path: Path, code: string, message: string, more?: Partial<Diagnostic>) => Diagnostic;

/** Checks parameters, their conditions and exclusions. */
export function checkParameters(
  tree: MapNode,
  settings: SweepSettings,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  const own = parameters.filter(({ name }) => name !== VARIANT);
  return [
    ...own.flatMap(checkKeys),
    ...checkOverlaps(own),
    ...Object.entries(settings.parameters).flatMap(([given, parameter]) =>
      checkForm(tree, given, Array.isArray(parameter) ? { kind: 'choice' } : (parameter as Form)),
    ),
    ...own.flatMap(parameter => checkCondition(tree, parameter, parameters)),
    ...inOrder(parameters).circular.map(({ keyPlace: place, name }) => ({
      code: 'sweep/condition-cycle',
      message: `the condition of \`${name}\` depends on itself`,
      ...positionOf(place),
    })),
    ...exclusionsOf(tree).flatMap((pattern, i) => checkExclusion(tree, i, pattern, parameters)),
  ];
}

function checkKeys({ keys, keyPlace: place }: LocatedParameter): Diagnostic[] {
  return keys.flatMap(key => {
    const path = key.split('.');
    const fixed = fixedKey(key);
    if (fixed !== undefined) {
      const message = `\`${fixed}\` cannot be varied: ${FIXED[fixed]}`;
      const expected = 'one value, for all trials';
      const isOnCommandLine = place.text.file === COMMAND_LINE;
      return [
        { code: 'sweep/fixed-key', message, ...positionOf(place), ...(isOnCommandLine && { expected }) },
      ];
    }
    if (schemaAt(path, undefined) !== undefined) return [];
    const suggestion = nearestKey(key);
    const message = `a config has no key \`${key.slice(0, 80)}\``;
    return [
      {
        code: 'config/unknown-key',
        message,
        ...positionOf(place),
        ...(suggestion !== undefined && { suggestion }),
      },
    ];
  });
}

function nearestKey(key: string): string | undefined {
  const known = [...new Set(allKeys().map(({ path }) => path.join('.')))].filter(path => !(path in FIXED));
  const last = key.split('.').at(-1) ?? key;
  const lastOf = (path: string): string => path.split('.').at(-1) ?? path;
  const near = nearest(last, known.map(lastOf));
  return nearest(key, known) ?? known.find(path => lastOf(path) === last || lastOf(path) === near);
}

/**
 * The result of two parameters for one value, or for a mapping and its key, would depend on their
 * order.
 */
function checkOverlaps(parameters: readonly LocatedParameter[]): Diagnostic[] {
  const set = parameters.flatMap(parameter => parameter.keys.map(key => ({ key, parameter })));
  const found: Diagnostic[] = [];
  for (const [i, { key, parameter }] of set.entries()) {
    const earlier = set
      .slice(0, i)
      .find(({ key: other }) => other === key || key.startsWith(`${other}.`) || other.startsWith(`${key}.`));
    if (earlier === undefined) continue;
    const { line } = positionOf(earlier.parameter.keyPlace);
    const again =
      earlier.parameter === parameter ? 'is set twice by this parameter' : `is also set on line ${line}`;
    const message = `\`${key}\` ${again}${earlier.key === key ? '' : ` as \`${earlier.key}\``}`;
    found.push({ code: 'sweep/overlap', message, ...positionOf(parameter.keyPlace) });
  }
  return found;
}

interface Form {
  readonly kind: string;
  readonly low?: number;
  readonly high?: number;
  readonly step?: number;
  readonly values?: readonly Value[];
}

function checkForm(tree: MapNode, given: string, form: Form): Diagnostic[] {
  const keys = given.split(',');
  const at = reportAt(tree, given);
  if (form.kind === 'paired') {
    if (keys.length < 2) {
      const expected = `\`${given},another.key\``;
      return [at([], 'sweep/paired', '`kind: paired` needs several keys', { expected })];
    }
    return (form.values ?? []).flatMap((value, i) =>
      Array.isArray(value) && value.length === keys.length
        ? []
        : [
            at(['values', i], 'sweep/paired', `the parameter has ${keys.length} keys`, {
              expected: `a list of ${keys.length}`,
              got: Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value),
            }),
          ],
    );
  }
  if (keys.length > 1) {
    const expected = '`kind: paired` with `values`';
    return [at([], 'sweep/paired', 'several keys need `kind: paired`', { expected })];
  }
  return form.low !== undefined && form.high !== undefined ? checkBounds(at, form.low, form.high, form) : [];
}

function checkBounds(at: Report, low: number, high: number, { step = 1, kind }: Form): Diagnostic[] {
  if (low > high) return [at(['high'], 'sweep/bounds', `high (${high}) is less than low (${low})`)];
  if (low === high)
    return [at(['high'], 'sweep/bounds', 'low and high are equal', { expected: 'a list of one value' })];
  const rest = (high - low) % step;
  if (kind !== 'int' || rest === 0) return [];
  const message = `high cannot be reached from ${low} in steps of ${step}`;
  return [at(['high'], 'sweep/bounds', message, { got: String(high), suggestion: String(high - rest) })];
}

function reportAt(tree: MapNode, given: string): Report {
  return (path, code, message, more = {}) => {
    const whole = ['parameters', given, ...path];
    const place = path.length === 0 ? keyPlace(tree, whole) : valuePlace(tree, whole);
    return { code, message, ...positionOf(place), ...more };
  };
}

function checkCondition(
  tree: MapNode,
  { given, condition }: LocatedParameter,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  if (condition === undefined) return [];
  const path = writtenPath(tree, ['parameters', given, 'when'], condition.name);
  const target = parameters.find(({ name }) => name === condition.name);
  if (target === undefined) return [unknownParameter(tree, path, condition.name, parameters)];
  const isList = nodeAt(tree, path)?.value.kind === 'list';
  return condition.values.flatMap((value, i) =>
    checkPossible(tree, isList ? [...path, i] : path, value, target),
  );
}

function checkExclusion(
  tree: MapNode,
  index: number,
  pattern: Point,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  return Object.entries(pattern).flatMap(([name, value]) => {
    const path = writtenPath(tree, ['exclude', index], name);
    const target = parameters.find(parameter => parameter.name === name);
    if (target === undefined) return [unknownParameter(tree, path, name, parameters)];
    return checkPossible(tree, path, value, target);
  });
}

/** The path of the parameter `name` in a mapping, which may write it with spaces. */
function writtenPath(tree: MapNode, path: Path, name: string): Path {
  const map = nodeAt(tree, path)?.value;
  const written = map?.kind === 'map' ? [...map.entries.keys()].find(key => nameOf(key) === name) : undefined;
  return [...path, written ?? name];
}

function unknownParameter(
  tree: MapNode,
  path: Path,
  written: string,
  parameters: readonly Parameter[],
): Diagnostic {
  const names = parameters.map(({ name }) => name);
  const suggestion = nearest(written, names);
  return {
    code: 'sweep/unknown-parameter',
    message: `the sweep has no parameter \`${written.slice(0, 80)}\``,
    ...positionOf(keyPlace(tree, path)),
    expected: names.join(', '),
    ...(suggestion !== undefined && { suggestion }),
  };
}

/** A condition or exclusion that no point can match is a mistake. */
function checkPossible(
  tree: MapNode,
  path: Path,
  value: Value,
  { name, distribution }: Parameter,
): Diagnostic[] {
  const report = (message: string, more: Partial<Diagnostic>): Diagnostic => ({
    code: 'sweep/impossible-value',
    message,
    ...positionOf(valuePlace(tree, path)),
    ...more,
  });
  if (distribution.kind === 'choice') {
    if (distribution.values.some(one => sameValue(one, value))) return [];
    const expected = distribution.values.map(canonical).join(' | ');
    const words = distribution.values.filter(one => typeof one === 'string');
    const suggestion = typeof value === 'string' ? nearest(value, words) : undefined;
    const more = { expected, got: canonical(value), ...(suggestion !== undefined && { suggestion }) };
    return [report(`\`${name}\` never has this value`, more)];
  }
  if (!('step' in distribution)) {
    const message = `\`${name}\` is continuous and almost never equals a given value`;
    return [report(message, { expected: 'a parameter with a list of values, or an integer parameter' })];
  }
  const { low, high, step } = distribution;
  const isOne = typeof value === 'number' && value >= low && value <= high && (value - low) % step === 0;
  const expected = `an integer from ${low} to ${high}${step === 1 ? '' : ` in steps of ${step}`}`;
  return isOne ? [] : [report(`\`${name}\` never has this value`, { expected, got: canonical(value) })];
}

/**
 * Checks each value and bound against the schema of a config, in a point whose other parameters
 * have their first values, or those that the parameter's condition requires.
 * @param parameters in order, without errors of `checkParameters`
 */
export function checkValues(source: ConfigSource, parameters: readonly LocatedParameter[]): Diagnostic[] {
  return parameters.flatMap(parameter =>
    parameter.written.flatMap(({ value }) => {
      const point = pointWith(parameters, parameter, value);
      const { schemaProblems } = source.check(pointAssignments(parameters, point));
      return schemaProblems.filter(
        problem => isWithin(problem, parameter.keyPlace) || isWithin(problem, parameter.node.place),
      );
    }),
  );
}

function pointWith(parameters: readonly LocatedParameter[], varied: LocatedParameter, value: Value): Point {
  const required = new Map([[varied.name, value]]);
  let { condition } = varied;
  while (condition !== undefined) {
    const { name, values } = condition;
    required.set(name, values[0]);
    condition = parameters.find(parameter => parameter.name === name)?.condition;
  }
  let point: Point = {};
  for (const parameter of parameters) {
    const chosen = required.get(parameter.name) ?? parameter.written[0]?.value;
    if (chosen !== undefined && exists(parameter, point)) point = { ...point, [parameter.name]: chosen };
  }
  return point;
}

function isWithin({ file, line, column }: Diagnostic, { text, start, end }: Place): boolean {
  if (file !== text.file || line === undefined || column === undefined) return false;
  const from = text.locate(start);
  const to = text.locate(end);
  const before = line < from.line || (line === from.line && column < from.column);
  const after = line > to.line || (line === to.line && column >= to.column + (end === start ? 1 : 0));
  return !before && !after;
}

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
  if (!methodOf(method).isExhaustive) return [];
  return parameters
    .filter(({ distribution: { kind } }) => kind === 'uniform' || kind === 'log_uniform')
    .map(({ name, keyPlace }) => ({
      code: 'sweep/endless-grid',
      message: `a ${method.kind} cannot list the values of \`${name}\`, which is continuous`,
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
  if (methodOf(method).isExhaustive || budget.trials !== undefined || budget.time !== undefined) return [];
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
  if (!methodOf(method).isExhaustive || size === null || size <= MAX_GRID) return [];
  const message = `the ${method.kind} has ${size.toLocaleString('en')} points`;
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
  const judged = prunerOf(pruner).firstJudged?.(pruner);
  if (judged === undefined) return [];
  if (endsBySteps) {
    const message = `the pruner ${pruner.kind} counts epochs, but \`training.max_steps\` may end training within an epoch`;
    return [locator.atValue(['pruner'], 'sweep/pruner-steps', message, { expected: '`pruner: none`' })];
  }
  const [key, first] = judged;
  if (first < epochs) return [];
  const path = locator.isGiven(['pruner', key]) ? ['pruner', key] : ['pruner'];
  const message = `the pruner ${pruner.kind} never judges a trial: it starts after epoch ${first}, and the last epoch is ${epochs}`;
  return [
    locator.atValue(path, 'sweep/pruner-epochs', message, {
      expected: 'a smaller number, a larger `training.num_epochs` in the config, or `pruner: none`',
    }),
  ];
}
