/**
 * The configs of a sweep's points: which are checked before the first trial, and what they share.
 */
import type { Experiment, PartialExperiment } from '../../config/experiment.js';
import type { LoadedExperiment } from '../../config/load.js';
import type { Assignment } from '../../config/overrides.js';
import type { Place } from '../../config/yaml/source.js';
import type { Diagnostic } from '../../util/errors.js';
import { RandomStream } from '../../util/random.js';
import { drawPoint } from '../search/draw.js';
import { gridPoints, gridSize, pointsAtMost } from '../search/grid.js';
import { type Distribution, describePoint, type Point, type Space } from '../search/space.js';
import { baseOf, VARIANT } from '../trial-runs.js';
import type { LoadedBase } from './bases.js';
import { assignmentsOf, type LocatedParameter } from './parameters.js';

/** Checking more points would take minutes, and nobody would wait for such a grid. */
export const MAX_GRID = 100_000;
/** A finite space with more points is checked like an infinite one: by its corners and a sample. */
const MAX_LISTED = 20_000;
const MAX_CORNERS = 4_096;
const SAMPLES = 256;

/**
 * All points if they can be listed. Otherwise the first few thousand corners (combinations of
 * listed values and bounds) and a sample.
 */
export function pointsToCheck(space: Space, seed: number): readonly Point[] {
  if (pointsAtMost(space) <= MAX_LISTED || (gridSize(space) ?? Number.POSITIVE_INFINITY) <= MAX_LISTED)
    return [...gridPoints(space)];
  const corners = [...take(gridPoints(cornersOf(space)), MAX_CORNERS)];
  const random = RandomStream.of(seed, 'sweep/judged');
  const sample = Array.from({ length: SAMPLES }, () => drawPoint(space, new Set(), random));
  return [...corners, ...sample.filter(point => point !== undefined)];
}

function cornersOf(space: Space): Space {
  const parameters = space.parameters.map(parameter => ({
    ...parameter,
    distribution: boundsOf(parameter.distribution),
  }));
  return { ...space, parameters };
}

function boundsOf(distribution: Distribution): Distribution {
  if (distribution.kind === 'choice') return distribution;
  return { kind: 'choice', values: [distribution.low, distribution.high] };
}

function* take<T>(items: Iterable<T>, count: number): Generator<T, void, undefined> {
  let left = count;
  for (const item of items) {
    if (left-- <= 0) return;
    yield item;
  }
}

/** The values that `point` sets in its config. */
export function pointAssignments(
  parameters: readonly LocatedParameter[],
  point: Point,
): readonly Assignment[] {
  return parameters.flatMap(parameter => {
    const value = point[parameter.name];
    return parameter.name === VARIANT || value === undefined ? [] : assignmentsOf(parameter, value);
  });
}

/** A rule of the sweep about the config of a point or a base. */
export type PointRule = (experiment: PartialExperiment) => readonly Diagnostic[];

export class PointConfigs {
  private readonly found = new PointDiagnostics();
  private readonly ownProblems = new Map<LoadedBase, readonly Diagnostic[]>();
  /** The different numbers of epochs and seeds of valid points, each with a base that has it. */
  readonly epochs = new Map<number, LoadedBase>();
  readonly seeds = new Map<number, LoadedBase>();
  /** Whether `training.max_steps` may end a trial within an epoch. */
  endsBySteps = false;

  constructor(
    readonly bases: readonly LoadedBase[],
    private readonly parameters: readonly LocatedParameter[],
    private readonly rule: PointRule,
  ) {}

  get diagnostics(): readonly Diagnostic[] {
    return this.found.diagnostics;
  }

  check(point: Point): void {
    const base = this.baseOf(point);
    const { experiment, problems } = base.source.check(pointAssignments(this.parameters, point));
    const found = [...problems, ...this.rule(experiment)];
    if (found.length > 0) this.found.add(found, point, this.ownProblemsOf(base));
    else this.record(experiment as Experiment, base);
  }

  /** @param place that diagnostics about the seed point to */
  configAt(point: Point, seed: number, place: Place): LoadedExperiment {
    const node = { kind: 'scalar', value: seed, written: String(seed), place } as const;
    return this.baseOf(point).source.load([
      { key: 'seed', keyPlace: place, value: node },
      ...pointAssignments(this.parameters, point),
    ]);
  }

  private record({ training, seed }: Experiment, base: LoadedBase): void {
    if (!this.epochs.has(training.num_epochs)) this.epochs.set(training.num_epochs, base);
    if (!this.seeds.has(seed)) this.seeds.set(seed, base);
    if (training.max_steps !== undefined) this.endsBySteps = true;
  }

  /** Problems of the base itself; a point that has them too is not to blame. */
  private ownProblemsOf(base: LoadedBase): readonly Diagnostic[] {
    const known = this.ownProblems.get(base);
    if (known !== undefined) return known;
    const found = this.rule(base.source.check().experiment);
    this.ownProblems.set(base, found);
    return found;
  }

  private baseOf(point: Point): LoadedBase {
    return baseOf(this, point);
  }
}

/**
 * Diagnostics of many points. Equal ones are reported once, with the first point that has them and
 * the number of others; those that the config has by itself are reported without a point.
 */
export class PointDiagnostics {
  private readonly found = new Map<string, { diagnostic: Diagnostic; point?: Point; more: number }>();

  /** @param own diagnostics that the config has by itself */
  add(diagnostics: readonly Diagnostic[], point: Point, own: readonly Diagnostic[] = []): void {
    const ownKeys = new Set(own.map(keyOf));
    for (const diagnostic of diagnostics) {
      const key = keyOf(diagnostic);
      const known = this.found.get(key);
      if (known !== undefined) known.more += 1;
      else this.found.set(key, { diagnostic, more: 0, ...(!ownKeys.has(key) && { point }) });
    }
  }

  get diagnostics(): Diagnostic[] {
    return [...this.found.values()].map(({ diagnostic, point, more }) => {
      if (point === undefined || Object.keys(point).length === 0) return diagnostic;
      const others = more === 0 ? '' : ` and ${more} more ${more === 1 ? 'point' : 'points'}`;
      return { ...diagnostic, message: `${diagnostic.message}; at ${describePoint(point)}${others}` };
    });
  }
}

function keyOf({ code, message, file, line, column }: Diagnostic): string {
  return `${file}:${line}:${column}:${code}:${message}`;
}
