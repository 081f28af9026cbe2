/**
 * The tree-structured Parzen estimator: chooses points that are much likelier among the best
 * results than among the rest. See Bergstra et al. (2011) and the papers in parzen.ts. Parameters
 * that exist at the same points form a group and are estimated together. Names and rules are those
 * of Optuna's TPESampler with `multivariate`, `group` and `constant_liar`, with three differences:
 * the first points come from a Sobol sequence, kernels are narrower (parzen.ts), and points of a
 * finite space do not repeat.
 */

import { RandomStream } from '../../util/random.js';
import { integer, object, tag } from '../../util/schema.js';
import { random, Untried } from './grid.js';
import { type Observation, searchMethod } from './method.js';
import { ParzenEstimator } from './parzen.js';
import { MAX_SOBOL_DIMENSIONS, sobol } from './sobol.js';
import { canonical, countOf, exists, type Parameter, type Point, type Space, valueAt } from './space.js';

/** Attempts to find an allowed new point before one is drawn at random. */
const MAX_ATTEMPTS = 20;
const MAX_BEST = 25;

export const tpe = searchMethod({
  settings: object(
    {
      kind: tag('tpe', { description: 'Tree-structured Parzen estimator.' }),
      n_startup_trials: integer({
        description: 'Number of first trials that are chosen without results.',
        min: 1,
        max: 1_000_000,
        default: 10,
        aliases: ['startup', 'n_initial_points'],
      }),
      n_ei_candidates: integer({
        description: 'Number of candidates per suggestion; the most promising one is chosen.',
        min: 1,
        max: 10_000,
        default: 24,
        aliases: ['candidates'],
      }),
    },
    { title: 'Tpe' },
  ),
  blindTrials: ({ n_startup_trials }) => n_startup_trials,
  create(space, { n_startup_trials, n_ei_candidates }, seed) {
    const groups = groupsOf(space);
    // a Sobol sequence covers the space more evenly than random points, but has limited dimensions
    const startup =
      space.parameters.length <= MAX_SOBOL_DIMENSIONS
        ? sobol.create(space, { kind: 'sobol' }, seed)
        : random.create(space, { kind: 'random' }, seed);
    return {
      suggest(trial, finished, pending) {
        const told = finished.filter(({ state }) => state !== 'failed').length;
        if (told < n_startup_trials) return startup.suggest(trial, finished, pending);
        const stream = RandomStream.of(seed, `sweep/tpe/${trial}`);
        const untried = new Untried(space, [...finished.map(({ point }) => point), ...pending]);
        const split = splitObservations(finished, pending);
        const estimated = groups.map(group => estimatedGroup(group, split));
        for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
          let point: Point | undefined = {};
          for (const group of estimated)
            if (point && exists(group.first, point))
              point = extended(untried, point, group, n_ei_candidates, stream);
          if (point) return inOrder(space, point);
        }
        return untried.draw(stream);
      },
    };
  },
});

/** Good and other points, each from the oldest to the latest. */
export interface Split {
  readonly best: readonly Point[];
  readonly rest: readonly Point[];
}

/**
 * Splits off the best tenth, at most 25. Complete trials rank before pruned ones, which rank by
 * their epochs; then lower values rank first. A failed trial is never good. A pending one counts as
 * bad ("literal liar": Ginsbourger et al. 2010), so that concurrent trials explore different
 * points.
 */
export function splitObservations(finished: readonly Observation[], pending: readonly Point[]): Split {
  const byAge = finished.toSorted((a, b) => a.trial - b.trial);
  const ranked = byAge.filter(({ state }) => state !== 'failed').sort(byMerit);
  const count = Math.min(Math.ceil(0.1 * ranked.length), MAX_BEST);
  const best = new Set(ranked.slice(0, count));
  return {
    best: byAge.filter(observation => best.has(observation)).map(({ point }) => point),
    rest: [...byAge.filter(observation => !best.has(observation)).map(({ point }) => point), ...pending],
  };
}

function byMerit(a: Observation, b: Observation): number {
  if (a.state !== b.state) return a.state === 'complete' ? -1 : 1;
  if (a.state === 'pruned' && a.epochs !== b.epochs) return b.epochs - a.epochs;
  const [x, y] = [a, b].map(({ value }) => value ?? Number.POSITIVE_INFINITY);
  return x === y ? 0 : x - y;
}

function groupsOf({ parameters }: Space): readonly (readonly Parameter[])[] {
  const groups = new Map<string, Parameter[]>();
  for (const parameter of parameters) {
    const { condition } = parameter;
    const key = condition ? canonical({ name: condition.name, values: condition.values }) : '';
    groups.set(key, [...(groups.get(key) ?? []), parameter]);
  }
  return [...groups.values()];
}

interface EstimatedGroup {
  readonly first: Parameter;
  /** The parameters with one value. */
  readonly fixed: Point;
  readonly good: ParzenEstimator;
  readonly bad: ParzenEstimator;
}

function estimatedGroup(group: readonly Parameter[], { best, rest }: Split): EstimatedGroup {
  const single = group.filter(({ distribution }) => countOf(distribution) === 1);
  const searched = group.filter(({ distribution }) => countOf(distribution) > 1);
  const estimator = (points: readonly Point[]) =>
    new ParzenEstimator(
      searched,
      points.filter(point => group.every(({ name }) => point[name] !== undefined)),
    );
  const fixed = Object.fromEntries(single.map(({ name, distribution }) => [name, valueAt(distribution, 0)]));
  return { first: group[0], fixed, good: estimator(best), bad: estimator(rest) };
}

/** The point with the allowed candidate that has the largest ratio of the two densities. */
function extended(
  untried: Untried,
  point: Point,
  { fixed, good, bad }: EstimatedGroup,
  candidates: number,
  random: RandomStream,
): Point | undefined {
  let chosen: Point | undefined;
  let greatest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < candidates; i++) {
    const candidate = good.sample(random);
    const whole = { ...point, ...fixed, ...candidate };
    if (!untried.has(whole)) continue;
    const merit = good.logDensity(candidate) - bad.logDensity(candidate);
    if (merit > greatest) [chosen, greatest] = [whole, merit];
  }
  return chosen;
}

function inOrder({ parameters }: Space, point: Point): Point {
  return Object.fromEntries(
    parameters.flatMap(({ name }) => (point[name] === undefined ? [] : [[name, point[name]]])),
  );
}
