/** The configs of a sweep's points: which are checked before the first trial, what they share. */
import type { Experiment, PartialExperiment } from '../../config/experiment.js';
import type { LoadedExperiment } from '../../config/load.js';
import type { Assignment } from '../../config/overrides.js';
import { flatValues } from '../../config/schema/walk.js';
import type { Place } from '../../config/yaml/source.js';
import type { Diagnostic } from '../../util/errors.js';
import { RandomStream } from '../../util/random.js';
import { gridPoints, gridSize, Untried } from '../search/grid.js';
import { describePoint, exists, isExcluded, type Point, type Space } from '../search/space.js';
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
 * All points if they can be listed. Otherwise corners (combinations of listed values and bounds)
 * and points that have each of these values; then a sample, which is checked if they are valid.
 */
export function pointsToCheck(space: Space, seed: number): readonly (readonly Point[])[] {
  if ((gridSize(space) ?? Number.POSITIVE_INFINITY) <= MAX_LISTED) return [[...gridPoints(space)]];
  const listed = space.parameters.map(parameter => {
    const { distribution: one } = parameter;
    return { ...parameter, values: one.kind === 'choice' ? one.values : [one.low, one.high] };
  });
  const parameters = listed.map(({ values, ...parameter }) => ({
    ...parameter,
    distribution: { kind: 'choice' as const, values },
  }));
  const points: Point[] = [];
  for (const corner of gridPoints({ ...space, parameters })) {
    if (points.length >= MAX_CORNERS) break;
    points.push(corner);
  }
  for (let i = 0; i < Math.max(...listed.map(({ values }) => values.length)); i++) {
    let point: Point = {};
    for (const parameter of listed)
      if (exists(parameter, point))
        point = { ...point, [parameter.name]: parameter.values[i % parameter.values.length] };
    if (!isExcluded(space, point)) points.push(point);
  }
  const random = RandomStream.of(seed, 'sweep/judged');
  const untried = new Untried(space);
  const sample = Array.from({ length: SAMPLES }, () => untried.draw(random));
  return [points, sample.filter(point => point !== undefined)];
}

export type PointRule = (experiment: PartialExperiment) => readonly Diagnostic[];

export class PointConfigs {
  /** The different numbers of epochs and seeds of valid points, each with a base that has it. */
  readonly epochs = new Map<number, LoadedBase>();
  readonly seeds = new Map<number, LoadedBase>();
  readonly splits = new Set<string>();
  /** Whether `training.max_steps` may end a trial within an epoch. */
  endsBySteps = false;
  private readonly found = new PointDiagnostics();

  constructor(
    readonly bases: readonly LoadedBase[],
    private readonly parameters: readonly LocatedParameter[],
  ) {}

  get diagnostics(): readonly Diagnostic[] {
    return this.found.diagnostics;
  }

  /** @param place that diagnostics about the seed point to */
  configAt(point: Point, seed: number, place: Place): LoadedExperiment {
    const node = { kind: 'scalar', value: seed, written: String(seed), place } as const;
    const { source } = baseOf(this, point);
    return source.with([{ key: 'seed', keyPlace: place, value: node }, ...this.assignments(point)]).load();
  }

  /** @param splitKeys that decide which sequences the objective is measured on */
  check(point: Point, rule: PointRule, splitKeys: RegExp): void {
    const base = baseOf(this, point);
    const { experiment, problems } = base.source.with(this.assignments(point)).check();
    const found = [...problems, ...rule(experiment)];
    this.found.add(found, point);
    if (found.length > 0) return;
    const { training, seed, dataset } = experiment as Experiment;
    if (!this.epochs.has(training.num_epochs)) this.epochs.set(training.num_epochs, base);
    if (!this.seeds.has(seed)) this.seeds.set(seed, base);
    this.splits.add(JSON.stringify(flatValues({ dataset }).filter(([key]) => splitKeys.test(key))));
    if (training.max_steps !== undefined) this.endsBySteps = true;
  }

  private assignments(point: Point): readonly Assignment[] {
    return this.parameters.flatMap(parameter => {
      const value = point[parameter.name];
      return parameter.name === VARIANT || value === undefined ? [] : assignmentsOf(parameter, value);
    });
  }
}

/**
 * Diagnostics of many points. Equal ones are reported once, with the first point that has them and
 * the number of others; those that all points have are reported without a point.
 */
export class PointDiagnostics {
  private readonly found = new Map<string, { diagnostic: Diagnostic; point: Point; more: number }>();

  private total = 0;

  /** Adds those of a point, which may have none. */
  add(diagnostics: readonly Diagnostic[], point: Point): void {
    this.total += 1;
    for (const diagnostic of diagnostics) {
      const { code, message, file, line, column } = diagnostic;
      const key = `${file}:${line}:${column}:${code}:${message}`;
      const known = this.found.get(key);
      if (known !== undefined) known.more += 1;
      else this.found.set(key, { diagnostic, point, more: 0 });
    }
  }

  get diagnostics(): Diagnostic[] {
    return [...this.found.values()].map(({ diagnostic, point, more }) => {
      if (more + 1 === this.total) return diagnostic;
      const others = more === 0 ? '' : ` and ${more} more ${more === 1 ? 'point' : 'points'}`;
      return { ...diagnostic, message: `${diagnostic.message}; at ${describePoint(point)}${others}` };
    });
  }
}
