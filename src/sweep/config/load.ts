/**
 * From a sweep file or command line to its plan. Checking stops after the first stage with errors:
 * the sweep against its schema, its parameters and configs, each point as a complete config.
 */
import { failed } from '../../config/load.js';
import { sweepSchema } from '../../config/schema/schema.js';
import { validateAgainst } from '../../config/schema/validate.js';
import { explainSchemaErrors } from '../../config/schema-errors.js';
import { Locator, toPlain, valuePlace } from '../../config/yaml/tree.js';
import { sha256 } from '../../run/files.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Point, Space } from '../search/space.js';
import { checkCommon, checkParameters, checkPlan, checkSet, checkSize } from './checks.js';
import {
  exclusionsOf,
  inOrder,
  locatedParameters,
  pointOf,
  secondsOf,
  settingsOf,
  withoutPlaces,
} from './parameters.js';
import {
  baseConfigs,
  commonObjective,
  measuring,
  objectiveRule,
  openBases,
  PointConfigs,
  pointsToCheck,
  variantParameter,
  withSplitSeed,
} from './points.js';
import { readSweep, type SweepFlags, type SweepText, sweepOfArguments } from './read.js';

/** Keys that may set how splits are drawn. */
const DIVIDES = /^dataset\.(?:test|validation)/;

interface LoadOptions {
  readonly set?: readonly string[];
  readonly flags?: SweepFlags;
  /** The configs of `base` or `variants` that are objects; the others are read from files. */
  readonly configs?: readonly (object | undefined)[];
}

export type LoadedSweep = ReturnType<typeof checkSweep>;

/** Loads a sweep, from a file or from an object, and checks its points, without reading data. */
export function loadSweep(sweep: string | object, { set = [], flags = {}, configs }: LoadOptions = {}) {
  return checkSweep(readSweep(sweep, set, flags), configs);
}

export function fromCommandLine(
  configs: readonly string[],
  assignments: readonly string[],
  { set = [], flags = {} }: LoadOptions = {},
) {
  return checkSweep(sweepOfArguments(configs, assignments, set, flags));
}

function checkSweep({ file, tree, givenYaml, set, problems }: SweepText, contents?: LoadOptions['configs']) {
  const stopIf = (found: readonly Diagnostic[]): void => {
    if (found.length > 0) throw failed(distinct(found), file);
  };
  stopIf([...problems, ...explainSchemaErrors(validateAgainst('sweep', toPlain(tree)), tree, sweepSchema())]);

  const locator = new Locator(tree);
  const settings = settingsOf(tree);
  const configs = baseConfigs(tree, contents);
  const written = [...variantParameter(tree, configs), ...locatedParameters(tree, settings)];
  const { bases: opened, problems: unreadable } = openBases(configs, set);
  const objective = settings.objective ?? commonObjective(opened);
  stopIf([
    ...checkParameters(tree, settings, written),
    ...checkPlan(settings, objective, written, opened, locator),
    ...checkSet(set, settings, written),
    ...unreadable,
  ]);
  if (objective === undefined) throw new Error('a sweep without an objective passed its checks');

  const { parameters } = inOrder(written);
  const asked = valuePlace(tree, ['objective']);
  const seedPlace = valuePlace(tree, ['seeds']);
  const { seeds: listed = [], repeat_best } = settings;
  const [{ folds }] = opened;
  const isRepeated = listed.length > 1 || repeat_best !== undefined || folds !== undefined;
  const divides = parameters.flatMap(({ keys }) => keys).some(key => DIVIDES.test(key));
  const bases = opened.map(base => {
    const measured = measuring(base, objective.metric, asked);
    return isRepeated ? withSplitSeed(measured, { first: listed.at(0), divides }, seedPlace) : measured;
  });
  const space: Space = {
    parameters: parameters.map(withoutPlaces),
    exclude: exclusionsOf(tree).map(pointOf),
  };
  stopIf(checkSize(space, settings, locator));

  const points = pointsToCheck(space, settings.seed);
  const rule = objectiveRule(objective, locator);
  const [split] = objective.metric.split('.');
  const checked = new PointConfigs(bases, parameters);
  for (const part of points)
    if (checked.found.diagnostics.length === 0)
      for (const point of part) checked.check(point, rule, SPLIT_KEYS[split]);
  // where `exclude` may leave no point among those that are checked
  const [epochs = bases[0].source.load().experiment.training.num_epochs] = checked.epochs.keys();
  stopIf([...checked.found.diagnostics, ...checkCommon(settings, checked, epochs, locator)]);

  const seeds = settings.seeds ?? [...checked.seeds.keys()];
  const repeated = Array.from({ length: repeat_best ?? 0 }, (_, i) => Math.max(...seeds) + 1 + i);
  const incomparable = `trials are compared by ${objective.metric} on different ${split} splits`;
  const { name, seed, method, pruner, budget, parallel, retries, on_trial_error } = settings;
  return {
    plan: {
      ...{ name, seed, seeds, ...(repeat_best !== undefined && { repeat_best: repeated }) },
      // 0 until the data tell how many there are
      ...(folds && { folds: folds.count ?? 0, ...(folds.final && { final: true as const }) }),
      ...{ space, method, pruner, objective },
      budget: {
        trials: budget.trials ?? null,
        seconds: secondsOf(budget.time),
        target: budget.target ?? null,
      },
      ...{ epochs, parallel, trial_timeout: secondsOf(settings.trial_timeout), retries, on_trial_error },
      bases: bases.map(({ source: _, folds: __, yaml, gate_origins, config_files, ...base }) => ({
        ...base,
        sha256: sha256(yaml),
        ...(gate_origins !== undefined && { gate_origins, config_files }),
      })),
    },
    bases,
    givenYaml,
    warnings: checked.splits.size > 1 ? [locator.atValue(['objective'], 'sweep/split', incomparable)] : [],
    /** The checked points: all of a finite space, otherwise its corners and a sample. */
    points: points.flat(),
    /** The config of a point; its diagnostics point into the sweep. */
    configAt: (point: Point, seed = seeds[0]) => checked.configAt(point, seed, seedPlace),
  };
}

/** The test split is drawn first, the validation split from the rest. */
const SPLIT_KEYS: Readonly<Record<string, RegExp>> = {
  train: /^$/,
  validation: /^dataset\.(seed|validation|test(_fraction)?\b)/,
  test: /^dataset\.(seed|test)/,
};

/** Several variants may lead to the same diagnostic about the same value. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const keyed = diagnostics.map(d => [`${d.file}:${d.line}:${d.column}:${d.code}:${d.message}`, d] as const);
  return [...new Map(keyed).values()];
}
