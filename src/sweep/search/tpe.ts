/**
 * The tree-structured Parzen estimator: a point is tried that is much likelier among the best
 * results than among the rest. Bergstra et al. (2011) and the papers named in parzen.ts; parameters
 * that exist at the same points are one group, estimated together. Names and rules are those of
 * Optuna's TPESampler with `multivariate`, `group` and `constant_liar`, but for three: the first
 * points come from a Sobol sequence, kernels are narrower (kernels.ts), and of a finite space no
 * point comes twice.
 */
import { RandomStream } from '../../util/random.js';
import type { Method } from '../plan.js';
import { canonical, exists, type Parameter, type Point, type Space } from '../space.js';
import { drawPoint, isAllowed, type Taken, takenPoints } from './draw.js';
import { ParzenEstimator } from './parzen.js';
import { randomSampler } from './random.js';
import type { Observation, Sampler } from './sampler.js';
import { countOf, valueAt } from './scale.js';
import { sobolSampler } from './sobol.js';
import { MAX_SOBOL_DIMENSIONS } from './sobol-sequence.js';

/** Attempts at a point that `exclude` and a finite space allow, before one is drawn at random. */
const MAX_ATTEMPTS = 20;
/** Observations that count as good at most. */
const MAX_BEST = 25;

export function tpeSampler(space: Space, method: Extract<Method, { kind: 'tpe' }>, seed: number): Sampler {
  const groups = groupsOf(space);
  // an even spread tells more than a random one; beyond the sequence's dimensions there is only the
  // latter
  const sobol = space.parameters.length <= MAX_SOBOL_DIMENSIONS;
  const startup = sobol ? sobolSampler(space, seed) : randomSampler(space, seed);
  return {
    suggest(trial, finished, pending) {
      const told = finished.filter(({ state }) => state !== 'failed').length;
      if (told < method.n_startup_trials) return startup.suggest(trial, finished, pending);
      const random = RandomStream.of(seed, `sweep/tpe/${trial}`);
      const taken = takenPoints(space, finished, pending);
      const split = splitObservations(finished, pending);
      const search = new Search(space, groups, split, method.n_ei_candidates, taken, random);
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const point = search.attempt();
        if (point) return point;
      }
      return drawPoint(space, taken, random);
    },
  };
}

/** Points by how good they are, each part from the oldest to the latest. */
export interface Split {
  readonly best: readonly Point[];
  readonly rest: readonly Point[];
}

/**
 * The best tenth, 25 at most, and the others. Complete trials come before pruned ones, and these
 * after how far they came; among equals the lower value is better. A failed trial is never good. A
 * pending one counts as bad ("constant liar": Ginsbourger et al. 2010), so that trials at the same
 * time don't try the same.
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

/**
 * Parameters that exist at the same points, since they have the same condition; a group comes after
 * the one that decides about it.
 */
function groupsOf({ parameters }: Space): readonly (readonly Parameter[])[] {
  const groups = new Map<string, Parameter[]>();
  for (const parameter of parameters) {
    const { condition } = parameter;
    const key = condition ? canonical({ name: condition.name, values: condition.values }) : '';
    groups.set(key, [...(groups.get(key) ?? []), parameter]);
  }
  return [...groups.values()];
}

/** The search for one point, group by group. */
class Search {
  private readonly estimators = new Map<readonly Parameter[], readonly [ParzenEstimator, ParzenEstimator]>();

  constructor(
    private readonly space: Space,
    private readonly groups: readonly (readonly Parameter[])[],
    private readonly split: Split,
    private readonly candidates: number,
    private readonly taken: Taken,
    private readonly random: RandomStream,
  ) {}

  /** Undefined where no candidate of a group was allowed. */
  attempt(): Point | undefined {
    let point: Point | undefined = {};
    for (const group of this.groups) {
      if (!exists(group[0], point)) continue;
      point = this.extended(point, group);
      if (!point) return undefined;
    }
    return inOrder(this.space, point);
  }

  /**
   * The point with the candidate for `group` at which the ratio of the two densities is greatest.
   */
  private extended(point: Point, group: readonly Parameter[]): Point | undefined {
    const single = group.filter(({ distribution }) => countOf(distribution) === 1);
    const fixed = Object.fromEntries(
      single.map(({ name, distribution }) => [name, valueAt(distribution, 0)]),
    );
    const [good, bad] = this.estimatorsOf(group);
    let chosen: Point | undefined;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < this.candidates; i++) {
      const candidate = good.sample(this.random);
      const extended = { ...point, ...fixed, ...candidate };
      if (!isAllowed(this.space, this.taken, extended)) continue;
      const merit = good.logDensity(candidate) - bad.logDensity(candidate);
      if (merit > greatest) [chosen, greatest] = [extended, merit];
    }
    return chosen;
  }

  private estimatorsOf(group: readonly Parameter[]): readonly [ParzenEstimator, ParzenEstimator] {
    const known = this.estimators.get(group);
    if (known) return known;
    const searched = group.filter(({ distribution }) => countOf(distribution) > 1);
    const [good, bad] = [this.split.best, this.split.rest].map(points => {
      const having = points.filter(point => group.every(({ name }) => point[name] !== undefined));
      return new ParzenEstimator(searched, having);
    });
    this.estimators.set(group, [good, bad]);
    return [good, bad];
  }
}

function inOrder({ parameters }: Space, point: Point): Point {
  return Object.fromEntries(
    parameters.flatMap(({ name }) => (point[name] === undefined ? [] : [[name, point[name]]])),
  );
}
