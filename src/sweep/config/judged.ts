/** The configs of a sweep's points, judged one after the other, and what they have in common. */
import type { Experiment, PartialExperiment } from '../../config/experiment.js';
import type { LoadedExperiment } from '../../config/load.js';
import type { Place } from '../../config/yaml/source.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Point } from '../space.js';
import { baseOf } from '../trial-runs.js';
import type { LoadedBase } from './bases.js';
import { PointComplaints, pointAssignments } from './complaints.js';
import type { LocatedParameter } from './parameters.js';

/** A rule of the sweep's own about the config of a point, or about a base before anything is set in it. */
export type PointRule = (experiment: PartialExperiment) => readonly Diagnostic[];

export class JudgedPoints {
  private readonly complaints = new PointComplaints();
  private readonly inherent = new Map<LoadedBase, readonly Diagnostic[]>();
  /** The configs of whole points, by what a sweep must know of all. */
  readonly epochs = new Map<number, LoadedBase>();
  readonly seeds = new Map<number, LoadedBase>();
  /** Whether some end by steps, perhaps within an epoch. */
  endsBySteps = false;

  constructor(
    private readonly bases: readonly LoadedBase[],
    private readonly parameters: readonly LocatedParameter[],
    private readonly rule: PointRule,
  ) {}

  get diagnostics(): readonly Diagnostic[] {
    return this.complaints.diagnostics;
  }

  judge(point: Point): void {
    const base = this.baseOf(point);
    const { experiment, schemaProblems, conflicts } = base.source.judge(
      pointAssignments(this.parameters, point),
    );
    const found = [...schemaProblems, ...conflicts, ...this.rule(experiment)];
    if (found.length > 0) this.complaints.add(found, point, this.inherentIn(base));
    else this.learn(experiment as Experiment, base);
  }

  /** @param place what complaints about the seed point to */
  configAt(point: Point, seed: number, place: Place): LoadedExperiment {
    const node = { kind: 'scalar', value: seed, written: String(seed), place } as const;
    return this.baseOf(point).source.load([
      { key: 'seed', keyPlace: place, value: node },
      ...pointAssignments(this.parameters, point),
    ]);
  }

  private learn({ training, seed }: Experiment, base: LoadedBase): void {
    if (!this.epochs.has(training.num_epochs)) this.epochs.set(training.num_epochs, base);
    if (!this.seeds.has(seed)) this.seeds.set(seed, base);
    if (training.max_steps !== undefined) this.endsBySteps = true;
  }

  /** What is wrong whatever the point, unless it mends just that. */
  private inherentIn(base: LoadedBase): readonly Diagnostic[] {
    const known = this.inherent.get(base);
    if (known !== undefined) return known;
    const found = this.rule(base.source.judge().experiment);
    this.inherent.set(base, found);
    return found;
  }

  private baseOf(point: Point): LoadedBase {
    const { name } = baseOf({ bases: this.bases }, point);
    return this.bases.find(base => base.name === name) ?? this.bases[0];
  }
}
