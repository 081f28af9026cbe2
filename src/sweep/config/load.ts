/** From a sweep's tree, read from a file or made of the command line, to its plan: every point is judged before anything starts. */
import { failed, type LoadedExperiment } from '../../config/load.js';
import { Locator } from '../../config/yaml/locator.js';
import { type MapNode, valuePlace } from '../../config/yaml/tree.js';
import type { Diagnostic, UserError } from '../../util/errors.js';
import type { Objective, SweepPlan } from '../plan.js';
import type { Point, Space } from '../space.js';
import { VARIANT } from '../trial-runs.js';
import { Bases, type LoadedBase, measuring } from './bases.js';
import { JudgedPoints } from './judged.js';
import { objectiveOf } from './objective.js';
import { inOrder } from './order.js';
import { checkParameters } from './parameter-checks.js';
import { exclusionsOf, type LocatedParameter, locatedParameters, withoutPlaces } from './parameters.js';
import { checkPlan, checkSet } from './plan-checks.js';
import { pointsToJudge } from './points.js';
import { checkCommon, checkPruner, checkSize, objectiveRule, splitWarnings } from './run-checks.js';
import { type SweepSettings, secondsOf, settingsOf } from './settings.js';
import { shapeOf, type Unknown } from './shape.js';
import { soundParameters, soundValues } from './sound.js';
import { checkValues } from './values.js';

export interface LoadedSweep {
  readonly plan: SweepPlan;
  readonly bases: readonly LoadedBase[];
  /** Makes diagnostics that point into the sweep. */
  readonly locator: Locator;
  /** The sweep file as given; null where the command line is the sweep. */
  readonly givenYaml: string | null;
  /** What does not keep it from running. */
  readonly warnings: readonly Diagnostic[];
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
  /** What was wrong with single nodes, which are broken. */
  readonly problems: readonly Diagnostic[];
}

/** @throws UserError (exit 2) with everything that is wrong, as far as it can be told at once */
export function judgeSweep({ file, tree, givenYaml, set, problems: unread }: SweepText): LoadedSweep {
  const shape = shapeOf(tree);
  const refuse = (diagnostics: readonly Diagnostic[]): UserError => failed(distinct(diagnostics), file);
  if (shape.tree === undefined) throw refuse([...unread, ...shape.problems]);
  const settings = settingsOf(shape.tree);
  const locator = new Locator(tree);
  const sweep: JudgedSweep = { tree: shape.tree, settings, unknown: shape.unknown, locator, set };
  const { problems, warnings, bases, space, judged, points, epochs, objective } = judgeParts(sweep);
  const found = [...unread, ...shape.problems, ...problems];
  if (found.length > 0 || judged === undefined || epochs === undefined || objective === undefined)
    throw refuse(found);
  const seeds = settings.seeds ?? [...judged.seeds.keys()];
  const plan = planOf(settings, space, { epochs, seeds, bases, objective });
  const seedPlace = valuePlace(tree, ['seeds']);
  return {
    plan,
    bases,
    locator,
    givenYaml,
    warnings,
    judged: points,
    configAt: (point, seed = plan.seeds[0]) => judged.configAt(point, seed, seedPlace),
  };
}

interface JudgedSweep {
  /** Valid against the schema. */
  readonly tree: MapNode;
  readonly settings: SweepSettings;
  readonly unknown: Unknown;
  readonly locator: Locator;
  readonly set: readonly string[];
}

/** What stands after judging; a sweep's plan where there are no problems. */
interface Parts {
  readonly problems: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
  readonly bases: readonly LoadedBase[];
  readonly space: Space;
  readonly points: readonly Point[];
  /** Undefined where no config could be read. */
  readonly judged?: JudgedPoints;
  readonly epochs?: number;
  readonly objective?: Objective;
}

/** Each rule applies to what it can be sure of, whatever is wrong elsewhere, so that as much as possible is told at once. */
function judgeParts({ tree, settings, unknown, locator, set }: JudgedSweep): Parts {
  const configs = new Bases(tree, settings);
  const given = [...configs.parameter, ...locatedParameters(tree, settings)];
  const { bases: opened, problems: unreadable } = configs.open(set);
  const { objective, problems: unsaid } = objectiveOf(settings, opened, locator, unknown);
  const asked = valuePlace(tree, ['objective']);
  const bases =
    objective === undefined ? opened : opened.map(base => measuring(base, objective.metric, asked));
  const formal = checkParameters(tree, settings, given, unknown);
  const problems = [
    ...formal,
    ...unsaid,
    ...checkPlan(settings, objective, given, locator, unknown),
    ...checkSet(set, settings, given),
    ...unreadable,
  ];
  const { parameters } = inOrder(given);
  const sound = soundParameters(withBases(parameters, bases), formal, unknown);
  const space: Space = { parameters: parameters.map(withoutPlaces), exclude: exclusionsOf(tree) };
  const warnings = objective === undefined ? [] : splitWarnings(objective, given, bases, locator);
  if (bases.length === 0) return { problems, warnings, bases, space, points: [] };
  const wrong = bases.flatMap(({ source }) => checkValues(source, sound));
  problems.push(...wrong.flatMap(({ diagnostics }) => diagnostics));
  const judgeable = soundValues(sound, wrong);
  const isWhole = problems.length === 0 && unknown.keys.size === 0 && unknown.parameters.size === 0;
  if (isWhole) problems.push(...checkSize(space, settings, locator));
  const rule = objective === undefined ? () => [] : objectiveRule(objective, locator);
  const judged = new JudgedPoints(bases, judgeable, rule);
  const points = unknown.keys.has('exclude')
    ? []
    : pointsToJudge(spaceOf(judgeable, space.exclude), settings.seed);
  for (const point of points) judged.judge(point);
  problems.push(...judged.diagnostics, ...checkCommon(settings, judged, locator, unknown));
  const [epochs] = [...judged.epochs.keys(), bases[0].source.judge().experiment.training?.num_epochs];
  if (epochs !== undefined) problems.push(...checkPruner(settings, judged, epochs, locator));
  return {
    problems,
    warnings,
    bases,
    space,
    points,
    judged,
    ...(epochs !== undefined && { epochs }),
    ...(objective !== undefined && { objective }),
  };
}

/** Without the variants that cannot be read. */
function withBases(
  parameters: readonly LocatedParameter[],
  bases: readonly LoadedBase[],
): readonly LocatedParameter[] {
  return parameters.map(parameter => {
    if (parameter.name !== VARIANT) return parameter;
    const written = parameter.written.filter(({ value }) => bases.some(({ name }) => name === value));
    const distribution = { kind: 'choice', values: written.map(({ value }) => value) } as const;
    return { ...parameter, written, distribution };
  });
}

/** The points of `parameters` alone that are certainly none that `exclude` leaves out, whatever values the other parameters have. */
function spaceOf(parameters: readonly LocatedParameter[], exclude: Space['exclude']): Space {
  const names = new Set(parameters.map(({ name }) => name));
  const known = exclude.map(pattern =>
    Object.fromEntries(Object.entries(pattern).filter(([name]) => names.has(name))),
  );
  return { parameters: parameters.map(withoutPlaces), exclude: known };
}

function planOf(
  settings: SweepSettings,
  space: Space,
  { epochs, seeds, bases, objective }: Pick<SweepPlan, 'epochs' | 'seeds' | 'bases' | 'objective'>,
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
    finish_best: true,
    parallel,
    trial_timeout: secondsOf(trial_timeout),
    retries: settings.retries,
    on_trial_error: settings.on_trial_error,
    bases: bases.map(({ name: base, file, gate_origins, config_files }) => ({
      name: base,
      file,
      ...(gate_origins !== undefined && { gate_origins, config_files }),
    })),
  };
}

/** Several variants may lead to the same complaint about the same value. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const keyed = diagnostics.map(d => [`${d.file}:${d.line}:${d.column}:${d.code}:${d.message}`, d] as const);
  return [...new Map(keyed).values()];
}
