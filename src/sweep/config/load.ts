/** From a sweep's tree, read from a file or made of the command line, to its plan: every point is judged before anything starts. */
import { explainSchemaErrors } from '../../config/complaints.js';
import { failed, type LoadedExperiment } from '../../config/load.js';
import { Locator } from '../../config/locator.js';
import { validateAgainst } from '../../config/schema.js';
import { sweepSchema } from '../../config/schema-walk.js';
import { type MapNode, toPlain, valuePlace } from '../../config/tree.js';
import type { Diagnostic } from '../../errors.js';
import type { SweepPlan } from '../plan.js';
import type { Point, Space } from '../space.js';
import { Bases, type LoadedBase } from './bases.js';
import { JudgedPoints } from './judged.js';
import { inOrder } from './order.js';
import { checkParameters } from './parameter-checks.js';
import { exclusionsOf, locatedParameters, withoutPlaces } from './parameters.js';
import { checkPlan } from './plan-checks.js';
import { pointsToJudge } from './points.js';
import { checkCommon, checkPruner, checkSize, objectiveRule } from './run-checks.js';
import { type SweepSettings, secondsOf, settingsOf } from './settings.js';
import { checkValues } from './values.js';

export interface LoadedSweep {
  readonly plan: SweepPlan;
  readonly bases: readonly LoadedBase[];
  /** Makes diagnostics that point into the sweep. */
  readonly locator: Locator;
  /** The sweep file as given; null where the command line is the sweep. */
  readonly givenYaml: string | null;
  /** The points that were judged: all of a finite space, else its corners and a sample. */
  readonly judged: readonly Point[];
  /** The config of a point with one of the seeds, the plan's first unless named; complaints about it point to the sweep's own lines. */
  configAt(point: Point, seed?: number): LoadedExperiment;
}

/** A sweep that was read and not yet judged. */
export interface SweepText {
  /** As the user named it; complaints about it come first. */
  readonly file: string;
  readonly tree: MapNode;
  readonly givenYaml: string | null;
  /** Arguments `key.path=value` for every config. */
  readonly set: readonly string[];
}

/** @throws UserError (exit 2) with everything that is wrong, as far as it can be told at once */
export function judgeSweep({ file, tree, givenYaml, set }: SweepText): LoadedSweep {
  const refuse = (diagnostics: readonly Diagnostic[]): void => {
    if (diagnostics.length > 0) throw failed(distinct(diagnostics), file);
  };
  refuse(explainSchemaErrors(validateAgainst('sweep', toPlain(tree)), tree, sweepSchema()));
  const settings = settingsOf(tree);
  const locator = new Locator(tree);
  const configs = new Bases(tree, settings);
  const given = [...configs.parameter, ...locatedParameters(tree, settings)];
  const { bases, problems } = configs.open(set);
  refuse([...checkParameters(tree, settings, given), ...checkPlan(settings, given, locator), ...problems]);
  const { parameters } = inOrder(given);
  refuse(bases.flatMap(({ source }) => checkValues(source, parameters)));
  const space: Space = { parameters: parameters.map(withoutPlaces), exclude: exclusionsOf(tree) };
  refuse(checkSize(space, settings, locator));
  const judged = new JudgedPoints(bases, parameters, objectiveRule(settings.objective, locator));
  const points = pointsToJudge(space, settings.seed);
  for (const point of points) judged.judge(point);
  refuse(judged.diagnostics);
  refuse(checkCommon(settings, judged, locator));
  const [epochs] = judged.epochs.keys();
  refuse(checkPruner(settings, judged, epochs, locator));
  const plan = planOf(settings, space, { epochs, seeds: settings.seeds ?? [...judged.seeds.keys()], bases });
  const seedPlace = valuePlace(tree, ['seeds']);
  return {
    plan,
    bases,
    locator,
    givenYaml,
    judged: points,
    configAt: (point, seed = plan.seeds[0]) => judged.configAt(point, seed, seedPlace),
  };
}

function planOf(
  settings: SweepSettings,
  space: Space,
  { epochs, seeds, bases }: Pick<SweepPlan, 'epochs' | 'seeds' | 'bases'>,
): SweepPlan {
  const { name, seed, method, pruner, objective, budget, parallel, trial_timeout } = settings;
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
    bases: bases.map(({ name: base, file }) => ({ name: base, file })),
  };
}

/** Several variants may lead to the same complaint about the same value. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const keyed = diagnostics.map(d => [`${d.file}:${d.line}:${d.column}:${d.code}:${d.message}`, d] as const);
  return [...new Map(keyed).values()];
}
