/**
 * From a sweep file or command line to its plan. Checking stops after the first stage with errors:
 * the sweep against its schema, its parameters and configs, each value against the schema of a
 * config, each point as a complete config.
 */
import { createHash } from 'node:crypto';
import { failed, type LoadedExperiment } from '../../config/load.js';
import { validateAgainst } from '../../config/schema/schema.js';
import { sweepSchema } from '../../config/schema/walk.js';
import { explainSchemaErrors } from '../../config/schema-errors.js';
import { Locator } from '../../config/yaml/locator.js';
import { toPlain, valuePlace } from '../../config/yaml/tree.js';
import type { Diagnostic, UserError } from '../../util/errors.js';
import type { SweepPlan } from '../schedule/plan.js';
import type { Point, Space } from '../search/space.js';
import {
  baseConfigs,
  commonObjective,
  type LoadedBase,
  measuring,
  noObjective,
  objectiveRule,
  openBases,
  splitWarnings,
  variantParameter,
} from './bases.js';
import {
  checkCommon,
  checkParameters,
  checkPlan,
  checkPruner,
  checkSet,
  checkSize,
  checkValues,
} from './checks.js';
import type { SweepSettings } from './definition.js';
import {
  exclusionsOf,
  inOrder,
  locatedParameters,
  secondsOf,
  settingsOf,
  withoutPlaces,
} from './parameters.js';
import { PointConfigs, pointsToCheck } from './points.js';
import { readSweep, type SweepFlags, type SweepText, sweepOfArguments } from './read.js';

interface LoadOptions {
  /** Arguments `key.path=value` for every config. */
  readonly set?: readonly string[];
  readonly flags?: SweepFlags;
  /** The configs of `base` or `variants` that are objects; the others are read from files. */
  readonly configs?: readonly (object | undefined)[];
}

export interface LoadedSweep {
  readonly plan: SweepPlan;
  readonly bases: readonly LoadedBase[];
  /** Makes diagnostics that point into the sweep. */
  readonly locator: Locator;
  /** The sweep file as given; null for a sweep from the command line. */
  readonly givenYaml: string | null;
  readonly warnings: readonly Diagnostic[];
  /** The checked points: all of a finite space, otherwise its corners and a sample. */
  readonly points: readonly Point[];
  /**
   * The config of a point with one of the seeds, by default the plan's first. Its diagnostics point
   * into the sweep.
   */
  configAt(point: Point, seed?: number): LoadedExperiment;
}

/**
 * Loads a sweep, from a file or from an object, and checks its points, without reading data.
 * @throws UserError (exit 2) if anything is wrong
 */
export function loadSweep(
  sweep: string | object,
  { set = [], flags = {}, configs }: LoadOptions = {},
): LoadedSweep {
  return checkSweep(readSweep(sweep, set, flags), configs);
}

/**
 * Loads a sweep of configs and `key=value,value…` from the command line.
 * @throws UserError (exit 2) if anything is wrong
 */
export function fromCommandLine(
  configs: readonly string[],
  assignments: readonly string[],
  { set = [], flags = {} }: LoadOptions = {},
): LoadedSweep {
  return checkSweep(sweepOfArguments(configs, assignments, set, flags));
}

function checkSweep(
  { file, tree, givenYaml, set, problems }: SweepText,
  contents?: LoadOptions['configs'],
): LoadedSweep {
  const refused = (found: readonly Diagnostic[]): UserError => failed(distinct(found), file);
  const stopIf = (found: readonly Diagnostic[]): void => {
    if (found.length > 0) throw refused(found);
  };
  stopIf([...problems, ...explainSchemaErrors(validateAgainst('sweep', toPlain(tree)), tree, sweepSchema())]);

  const locator = new Locator(tree);
  const settings = settingsOf(tree);
  const configs = baseConfigs(tree, contents);
  const written = [...variantParameter(tree, configs), ...locatedParameters(tree, settings)];
  const { bases: opened, problems: unreadable } = openBases(configs, set);
  const { objective = commonObjective(opened) } = settings;
  const found = [
    ...checkParameters(tree, settings, written),
    ...checkPlan(settings, objective, written, tree),
    ...checkSet(set, settings, written),
    ...unreadable,
    ...(objective === undefined && opened.length > 0 ? [noObjective(tree)] : []),
  ];
  if (objective === undefined || found.length > 0) throw refused(found);

  const { parameters } = inOrder(written);
  const asked = valuePlace(tree, ['objective']);
  const bases = opened.map(base => measuring(base, objective.metric, asked));
  const space: Space = { parameters: parameters.map(withoutPlaces), exclude: exclusionsOf(tree) };
  stopIf([
    ...bases.flatMap(({ source }) => checkValues(source, parameters)),
    ...checkSize(space, settings, tree),
  ]);

  const points = pointsToCheck(space, settings.seed);
  const checked = new PointConfigs(bases, parameters, objectiveRule(objective, locator));
  for (const point of points) checked.check(point);
  const [epochs] = [
    ...checked.epochs.keys(),
    // where `exclude` may leave no point among the corners and the sample
    bases[0].source.load().experiment.training.num_epochs,
  ];
  stopIf([
    ...checked.diagnostics,
    ...checkCommon(settings, checked, locator),
    ...checkPruner(settings.pruner, epochs, locator, checked.endsBySteps),
  ]);

  const seeds = settings.seeds ?? [...checked.seeds.keys()];
  const seedPlace = valuePlace(tree, ['seeds']);
  return {
    plan: planOf(settings, space, { epochs, seeds, bases, objective }),
    bases,
    locator,
    givenYaml,
    warnings: splitWarnings(objective, parameters, bases, locator),
    points,
    configAt: (point, seed = seeds[0]) => checked.configAt(point, seed, seedPlace),
  };
}

function planOf(
  settings: SweepSettings,
  space: Space,
  {
    epochs,
    seeds,
    bases,
    objective,
  }: Pick<SweepPlan, 'epochs' | 'seeds' | 'objective'> & { readonly bases: readonly LoadedBase[] },
): SweepPlan {
  const { name, seed, method, pruner, budget, parallel, trial_timeout } = settings;
  return {
    name,
    seed,
    seeds,
    space,
    method,
    pruner,
    objective,
    budget: {
      trials: budget.trials ?? null,
      seconds: secondsOf(budget.time),
      target: budget.target ?? null,
    },
    epochs,
    parallel,
    trial_timeout: secondsOf(trial_timeout),
    retries: settings.retries,
    on_trial_error: settings.on_trial_error,
    bases: bases.map(({ name: base, file, gate_origins, config_files, yaml }) => ({
      name: base,
      file,
      sha256: createHash('sha256').update(yaml).digest('hex'),
      ...(gate_origins !== undefined && { gate_origins, config_files }),
    })),
  };
}

/** Several variants may lead to the same diagnostic about the same value. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const keyed = diagnostics.map(d => [`${d.file}:${d.line}:${d.column}:${d.code}:${d.message}`, d] as const);
  return [...new Map(keyed).values()];
}
