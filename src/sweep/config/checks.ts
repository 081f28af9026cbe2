/** Checks of a sweep: its parameters, its parts with each other, and what its points share. */

import { resolve } from 'node:path';
import type { MetricName } from '../../config/schema/experiment.js';
import { allKeys, schemaAt } from '../../config/schema/schema.js';
import { findElsewhere } from '../../config/schema-errors.js';
import {
  describeValue,
  diagnosticAt,
  type Locator,
  type MapNode,
  type Path,
  positionOf,
  SourceText,
} from '../../config/yaml/tree.js';
import { largerIsBetter, rangeOf } from '../../math/metrics/index.js';
import type { Diagnostic } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { VARIANT } from '../directory.js';
import type { Objective } from '../schedule/plan.js';
import { prunerOf } from '../schedule/pruners.js';
import { gridSize } from '../search/grid.js';
import { methodOf } from '../search/index.js';
import { canonical, countOf, type Distribution, type Space, sameValue, type Value } from '../search/space.js';
import type { SweepSettings } from './definition.js';
import { exclusionsOf, inOrder, type LocatedParameter, type Reference } from './parameters.js';
import { type LoadedBase, MAX_GRID, type PointConfigs } from './points.js';

/** Keys that a sweep cannot vary, and why; their children cannot be varied either. */
const FIXED: Readonly<Record<string, string>> = {
  version: 'it is the version of the config format',
  name: 'it only names the runs',
  description: 'it only describes the runs',
  extends: 'list several configs in `variants` instead',
  seed: 'list the seeds of each point in `seeds` instead',
  repeat: 'list the seeds of each point in `seeds` instead',
  folds: 'all trials are compared on the same folds',
  checkpoint: 'it says which results count, which must be the same for all trials',
  gates: 'they do not affect results',
  'training.num_epochs': 'trials are compared after the same number of epochs',
  'training.log_every': 'it does not affect results',
};

/** The part of `key` that a sweep cannot vary; undefined if it can. */
export function fixedKey(key: string): string | undefined {
  return Object.keys(FIXED).find(fixed => isWithin(key, fixed));
}

/** Whether `key` is `other`, or below it. */
function isWithin(key: string, other: string): boolean {
  return `${key}.`.startsWith(`${other}.`);
}

export function checkParameters(
  tree: MapNode,
  settings: SweepSettings,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  const plain = parameters.filter(({ name }) => name !== VARIANT);
  const references = [...plain.flatMap(({ when }) => when ?? []), ...exclusionsOf(tree).flat()];
  return [
    ...plain.flatMap(checkKeys),
    ...checkOverlaps(plain),
    ...plain.flatMap(parameter => checkForm(parameter, settings.parameters[parameter.given])),
    ...references.flatMap(reference => checkReference(reference, parameters)),
    ...inOrder(parameters).circular.map(({ keyPlace, name }) =>
      diagnosticAt(keyPlace, 'sweep/condition-cycle', `the condition of \`${name}\` depends on itself`),
    ),
  ];
}

function checkKeys({ keys, keyPlace }: LocatedParameter): Diagnostic[] {
  return keys.flatMap(key => {
    const fixed = fixedKey(key);
    if (fixed !== undefined)
      return [diagnosticAt(keyPlace, 'sweep/fixed-key', `\`${fixed}\` cannot be varied: ${FIXED[fixed]}`)];
    if (schemaAt(key.split('.'), undefined) !== undefined) return [];
    const message = `a config has no key \`${key.slice(0, 80)}\``;
    return [diagnosticAt(keyPlace, 'config/unknown-key', message, { suggestion: nearestKey(key) })];
  });
}

function nearestKey(key: string): string | undefined {
  const near = nearest(key, [...new Set(allKeys().map(({ path }) => path.join('.')))]);
  const [elsewhere] = findElsewhere(key.split('.').at(-1) ?? key);
  return near ?? elsewhere?.path.join('.');
}

/** Two parameters for one value, or for a mapping and its key, would depend on their order. */
function checkOverlaps(parameters: readonly LocatedParameter[]): Diagnostic[] {
  const set = parameters.flatMap(({ keys, keyPlace }) => keys.map(key => ({ key, keyPlace })));
  return set.flatMap(({ key, keyPlace }, i) => {
    const earlier = set.slice(0, i).find(({ key: other }) => isWithin(key, other) || isWithin(other, key));
    if (earlier === undefined) return [];
    const { line } = positionOf(earlier.keyPlace);
    return [
      diagnosticAt(keyPlace, 'sweep/overlap', `\`${key}\` is also set as \`${earlier.key}\` on line ${line}`),
    ];
  });
}

function checkForm(
  { keys, keyPlace, distribution, written }: LocatedParameter,
  form: SweepSettings['parameters'][string],
): Diagnostic[] {
  const isPaired = 'kind' in form && form.kind === 'paired';
  if (isPaired !== keys.length > 1) {
    const message = 'several keys need `kind: paired`, and `kind: paired` needs several keys';
    return [diagnosticAt(keyPlace, 'sweep/paired', message)];
  }
  if (isPaired)
    return written
      .filter(({ value }) => !Array.isArray(value) || value.length !== keys.length)
      .map(({ node }) => {
        const more = { expected: `a list of ${keys.length}`, got: describeValue(node) };
        return diagnosticAt(node.place, 'sweep/paired', `the parameter has ${keys.length} keys`, more);
      });
  if (distribution.kind === 'choice' || distribution.low <= distribution.high) return [];
  const { low, high } = distribution;
  return [diagnosticAt(written[1].node.place, 'sweep/bounds', `high (${high}) is less than low (${low})`)];
}

/** A condition or exclusion that no point can match is a mistake. */
function checkReference(
  { name, keyPlace, written }: Reference,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  const target = parameters.find(parameter => parameter.name === name);
  if (target === undefined) {
    const names = parameters.map(parameter => parameter.name);
    const more = { expected: names.join(', '), suggestion: nearest(name, names) };
    const message = `the sweep has no parameter \`${name.slice(0, 80)}\``;
    return [diagnosticAt(keyPlace, 'sweep/unknown-parameter', message, more)];
  }
  const { distribution } = target;
  const expected =
    distribution.kind === 'choice'
      ? distribution.values.map(canonical).join(' | ')
      : `a value of ${canonical(distribution)}; continuous parameters practically never have one particular value`;
  return written
    .filter(({ value }) => !isPossible(value, distribution))
    .map(({ value, node }) => {
      const more = { expected, got: canonical(value) };
      return diagnosticAt(node.place, 'sweep/impossible-value', `\`${name}\` never has this value`, more);
    });
}

function isPossible(value: Value, distribution: Distribution): boolean {
  if (distribution.kind === 'choice') return distribution.values.some(choice => sameValue(choice, value));
  if (!('step' in distribution) || typeof value !== 'number') return false;
  const { low, high, step } = distribution;
  return value >= low && value <= high && (value - low) % step === 0;
}

export function checkPlan(
  { base, variants, seeds, repeat_best, method, budget, pruner }: SweepSettings,
  objective: Objective | undefined,
  parameters: readonly LocatedParameter[],
  bases: readonly LoadedBase[],
  locator: Locator,
): Diagnostic[] {
  const found: Diagnostic[] = [];
  const refuse = (path: Path, code: string, message: string, expected: string) =>
    found.push(locator.atKey(path, code, message, { expected }));
  if ((base === undefined) === (variants === undefined))
    refuse(['variants'], 'sweep/base', 'a sweep needs configs', 'either `base` or `variants`');
  const [first, ...others] = bases.map(({ folds }) => folds);
  if (others.some(folds => JSON.stringify(folds) !== JSON.stringify(first)))
    refuse(['variants'], 'sweep/folds', 'the variants have different `folds`', 'the same `folds`');
  const repeats = { seeds: (seeds ?? []).length > 1, repeat_best: repeat_best !== undefined };
  const [repeated] = Object.entries(repeats).flatMap(([key, isGiven]) => (isGiven ? [key] : []));
  if (first !== undefined && repeated !== undefined) {
    const message = `\`${repeated}\` cannot be used with \`folds\`, which train each point several times`;
    refuse([repeated], 'sweep/folds', message, 'one seed');
  }
  if (pruner.kind === 'folds' && first === undefined && bases.length > 0) {
    const message = 'the pruner folds compares trials fold by fold, but the configs have no `folds`';
    refuse(['pruner'], 'sweep/folds', message, '`folds` in the config, or another pruner');
  }
  const isOnePoint = parameters.length === 0 && !repeats.seeds && first === undefined;
  if (isOnePoint) {
    const expected =
      '`parameters` (KEY=VALUE,VALUE…), several configs, several `seeds`, or `folds` in the config';
    refuse(['parameters'], 'sweep/nothing-varies', 'the sweep has nothing to vary', expected);
  }
  if (methodOf(method).isExhaustive) {
    const expected = 'a list of values or `int`; or method random, sobol or tpe';
    for (const { name, keyPlace, distribution } of parameters)
      if (!Number.isFinite(countOf(distribution))) {
        const message = `a ${method.kind} cannot list the values of \`${name}\`, which is continuous`;
        found.push(diagnosticAt(keyPlace, 'sweep/endless-grid', message, { expected }));
      }
  } else if (budget.trials === undefined && budget.time === undefined) {
    const expected = '`budget` with `trials` (--trials), `time` (--time) or both';
    refuse(['budget'], 'sweep/endless', `a ${method.kind} search needs a limit`, expected);
  }
  if (objective !== undefined) return [...found, ...checkObjective(objective, budget.target, locator)];
  const message = 'no objective: the configs differ in `checkpoint.metric`';
  const expected = '`objective`, such as { metric: test.loss, goal: minimize } (--objective test.loss:min)';
  if (bases.length > 0) refuse(['variants'], 'sweep/objective', message, expected);
  return found;
}

function checkObjective(
  { metric, goal }: Objective,
  target: number | undefined,
  locator: Locator,
): Diagnostic[] {
  const found: Diagnostic[] = [];
  const better = largerIsBetter(metric as MetricName) ? 'maximize' : 'minimize';
  if (goal !== better) {
    const message = `${better === 'maximize' ? 'larger' : 'smaller'} values of ${metric} are better`;
    const more = { expected: better, got: goal };
    found.push(locator.atValue(['objective', 'goal'], 'sweep/goal', message, more));
  }
  const { min, max } = rangeOf(metric as MetricName);
  if (target !== undefined && (target < min || target > max)) {
    const more = { expected: `from ${min} to ${max}`, got: String(target) };
    found.push(locator.atValue(['budget', 'target'], 'sweep/target', `${metric} never has this value`, more));
  }
  return found;
}

/** `--set` has no effect on a key that the sweep sets at every point. */
export function checkSet(
  set: readonly string[],
  { seeds }: Pick<SweepSettings, 'seeds'>,
  parameters: readonly LocatedParameter[],
): Diagnostic[] {
  const varied = [
    ...parameters.filter(({ when }) => when === undefined).flatMap(({ keys }) => keys),
    ...(seeds === undefined ? [] : ['seed']),
  ];
  return set.flatMap(argument => {
    const [written] = argument.split('=', 1);
    const key = varied.find(name => isWithin(written.replaceAll(/\[(\d+)\]/g, '.$1'), name));
    if (key === undefined) return [];
    const place = new SourceText('--set', argument, resolve('.')).place(0, written.length);
    return [diagnosticAt(place, 'sweep/set', `the sweep varies \`${key}\`, so --set has no effect on it`)];
  });
}

export function checkSize(space: Space, { method }: SweepSettings, locator: Locator): Diagnostic[] {
  const size = gridSize(space);
  if (size === 0) return [locator.atKey(['exclude'], 'sweep/nothing-left', '`exclude` excludes every point')];
  if (!methodOf(method).isExhaustive || size === null || size <= MAX_GRID) return [];
  const message = `the ${method.kind} has more than ${MAX_GRID.toLocaleString('en')} points`;
  const expected = 'fewer; or method random, sobol or tpe with a budget';
  return [locator.atKey(['parameters'], 'sweep/large-grid', message, { expected })];
}

/**
 * All trials must have the same last epoch and, unless the sweep sets seeds, the same seed. A
 * pruner must be able to judge a trial before its last epoch.
 */
export function checkCommon(
  { seeds: ownSeeds, pruner }: SweepSettings,
  { epochs, seeds, endsBySteps }: Pick<PointConfigs, 'epochs' | 'seeds' | 'endsBySteps'>,
  last: number,
  locator: Locator,
): Diagnostic[] {
  const found: Diagnostic[] = [];
  const differ = (code: string, what: string, values: PointConfigs['epochs'], expected: string) => {
    const got = [...values].map(([value, { file }]) => `${value} in ${file}`).join(', ');
    if (values.size > 1)
      found.push(locator.atKey(['variants'], code, `the variants have different ${what}`, { got, expected }));
  };
  differ('sweep/epochs', 'numbers of epochs', epochs, 'the same `training.num_epochs`, such as by `--set`');
  if (ownSeeds === undefined) differ('sweep/seeds', 'seeds', seeds, '`seeds` to train each point with');
  const judged = prunerOf(pruner).firstJudged?.(pruner);
  if (judged === undefined) return found;
  const [key, first] = judged;
  if (endsBySteps) {
    const message = `the pruner ${pruner.kind} counts epochs, but \`training.max_steps\` may end training within one`;
    found.push(locator.atValue(['pruner'], 'sweep/pruner-steps', message, { expected: '`pruner: none`' }));
  } else if (first >= last) {
    const path = locator.isGiven(['pruner', key]) ? ['pruner', key] : ['pruner'];
    const message = `the pruner ${pruner.kind} never stops a trial: it starts after epoch ${first}, and the last epoch is ${last}`;
    found.push(locator.atValue(path, 'sweep/pruner-epochs', message));
  }
  return found;
}
