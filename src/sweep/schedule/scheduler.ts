/**
 * Decides what a sweep trains: a pure state machine on a virtual clock. Segments take the time that
 * the plan estimates, and their ends are processed in the order of virtual time, not of real time.
 * A decision depends only on results up to its virtual time. The same plan and outcomes therefore
 * lead to the same decisions on any machine, after any interruption; a process merely waits if both
 * orders differ. If neither method nor pruner looks at results, no decision depends on an outcome
 * and nothing waits: trials start before they are decided.
 */

import { momentsOf } from '../../util/numbers.js';
import type { Observation, Sampler } from '../search/grid.js';
import { blindTrials, createSampler } from '../search/index.js';
import type { Point } from '../search/space.js';
import { type Replicate, replicatesOf, type SweepPlan, signOf } from './plan.js';
import { type Pruning, prunerOf } from './pruners.js';
import {
  type Decision,
  decisionsOf,
  type EndReason,
  type JournalRecord,
  type Outcome,
  outcomesOf,
  type Segment,
  type SegmentStatus,
  segmentKey,
} from './records.js';

interface Trial {
  readonly trial: number;
  readonly point: Point;
  state: 'running' | 'paused' | 'pruned' | 'completed' | 'diverged' | 'failed';
  /** At the last rung that it has reached. */
  last?: Measurement;
}

/**
 * A trial at a rung, over all of its seeds: `failed` if one failed, otherwise `diverged` if one
 * diverged. The value is null if a seed has none.
 */
type Measurement = Pick<
  Extract<Decision, { event: 'trial.measured' }>,
  'epochs' | 'status' | 'value' | 'spread'
>;

/** The segments of a trial with all seeds, or on all folds. */
type Stretch = Omit<Segment, keyof Replicate>;

/** A trial on a lane of the virtual clock, trained to its next rung with one seed after another. */
interface Job extends Stretch {
  readonly start: number;
  readonly end: number;
  /** On each fold, the value to minimize of the trial that was best at the start, if it matters. */
  readonly best?: readonly number[] | undefined;
}

export class Scheduler {
  /** Minimize a value of the objective times this sign. */
  private readonly sign: 1 | -1;
  private readonly pruning: Pruning;
  /** The runs of each trial. */
  private readonly replicates: readonly Replicate[];
  private readonly usesResults: boolean;
  /** Whether decisions depend on no outcome, except how the sweep ends. */
  private readonly isStatic: boolean;
  private readonly outcomes = new Map<string, Outcome>();
  /** At most one for each of the `parallel` lanes. */
  private readonly jobs: Job[] = [];
  private readonly decided: Trial[] = [];
  /** By trial, including trials that have started before they are decided. */
  private readonly points: Point[] = [];
  private decisions: Decision[] = [];
  private advances = 0;
  /** The number of advances at which the time budget ends. */
  private budgetEnd = Number.POSITIVE_INFINITY;
  /** Why there are no more points. */
  private closed: 'exhausted' | 'trials' | undefined;
  /** Whether the end of the budget kept a segment from starting. */
  private cutOff = false;
  /** Whether a known result will end the sweep when virtual time reaches it. */
  private endIsNear = false;
  /** Virtual time at which the last segment ended. */
  private now = 0;
  /** True after the search, while the best trial is trained with more seeds, or on all data. */
  isDecided = false;
  private repeats: readonly Segment[] = [];
  /** Segments that were handed out and have not ended. */
  private readonly running = new Set<string>();
  /** The highest trial that was ever started or has an outcome. */
  private highestTrial = -1;

  /** @param costPerEpoch virtual time of an epoch with one seed, the same at each resume */
  constructor(
    private readonly plan: SweepPlan,
    private readonly costPerEpoch: (point: Point) => number,
    private readonly sampler: Sampler = createSampler(plan.space, plan.method, plan.seed),
  ) {
    this.sign = signOf(plan.objective);
    this.replicates = replicatesOf(plan, plan.seeds);
    this.pruning = prunerOf(plan.pruner).create(plan.pruner, plan.epochs);
    this.usesResults = Number.isFinite(blindTrials(plan.method));
    const isPruned = prunerOf(plan.pruner).firstJudged !== undefined || this.pruning.stopsAfter !== undefined;
    this.isStatic = !this.usesResults && !isPruned;
  }

  report(outcome: Outcome): void {
    const key = segmentKey(outcome);
    this.outcomes.set(key, outcome);
    this.running.delete(key);
    this.highestTrial = Math.max(this.highestTrial, outcome.trial);
    const measurement = this.measure(outcome);
    if (measurement && this.endReason(measurement)) this.endIsNear = true;
  }

  /**
   * Starts no new segments; running ones finish. Returns the position at which this takes effect,
   * the number of `trial.advanced` decisions by then. A scheduler that gets this position before
   * its first `advance` makes the same decisions. Further calls have no effect.
   */
  endBudget(position?: number): number {
    // a trial that started early has the advance with its number
    const started = Math.max(this.advances, this.isStatic ? this.highestTrial + 1 : 0);
    if (!Number.isFinite(this.budgetEnd)) this.budgetEnd = position ?? started;
    return this.budgetEnd;
  }

  /** Returns the decisions that follow from the outcomes so far, in order, each once. */
  advance(): Decision[] {
    if (this.decided.length === 0) this.fillLanes(0);
    while (!this.isDecided) {
      // the one that ends first; if several do, that of the oldest trial
      const [job] = this.jobs.toSorted((a, b) => a.end - b.end || a.trial - b.trial);
      if (!job) {
        if (this.startFinalist()) continue;
        this.finish(this.cutOff ? 'time' : (this.closed ?? 'exhausted'));
        break;
      }
      const measurement = this.measure(job);
      if (!measurement) break;
      this.jobs.splice(this.jobs.indexOf(job), 1);
      this.now = job.end;
      this.conclude(job, measurement);
      if (!this.isDecided) this.fillLanes(job.end);
    }
    const decisions = this.decisions;
    this.decisions = [];
    return decisions;
  }

  /** Whether nothing is left to train. */
  get isFinished(): boolean {
    return this.isDecided && this.repeats.every(segment => this.outcomes.has(segmentKey(segment)));
  }

  /** Returns the segments to start now, in the order of virtual time, each once. */
  ready(): Segment[] {
    const taken: Segment[] = [];
    if (this.running.size >= this.plan.parallel) return taken;
    for (const segment of this.isDecided ? this.repeats : this.upcoming()) {
      const key = segmentKey(segment);
      if (this.running.has(key) || this.outcomes.has(key)) continue;
      this.running.add(key);
      this.highestTrial = Math.max(this.highestTrial, segment.trial);
      taken.push(segment);
      if (this.running.size >= this.plan.parallel) break;
    }
    return taken;
  }

  pointOf(trial: number): Point {
    const point = this.points[trial];
    if (!point) throw new Error(`trial ${trial} has no point yet`);
    return point;
  }

  private get mayStart(): boolean {
    return this.advances < this.budgetEnd;
  }

  /** The segments of the jobs, and of trials that may start before they are decided. */
  private *upcoming(): Generator<Segment, void, undefined> {
    const { budget, epochs } = this.plan;
    const { replicates } = this;
    // a lane trains the seeds of a job one after the other, so each has its own virtual start
    const timed = this.jobs.flatMap(job =>
      this.segmentsOf(job).map((segment, i) => ({
        segment,
        start: job.start + ((job.end - job.start) * i) / replicates.length,
      })),
    );
    timed.sort((a, b) => a.start - b.start || a.segment.trial - b.segment.trial);
    for (const { segment } of timed) yield segment;
    if (!this.isStatic || this.endIsNear) return;
    const end = Math.min(budget.trials ?? Number.POSITIVE_INFINITY, this.budgetEnd);
    for (let trial = this.decided.length; trial < end && this.pointFor(trial); trial++)
      yield* this.segmentsOf({ trial, from: 0, to: epochs });
  }

  /** The point of a trial that has one, or of the next trial; undefined without further points. */
  private pointFor(trial: number): Point | undefined {
    const known = this.points[trial];
    if (known) return known;
    const point = this.suggest(trial);
    if (point) this.points.push(point);
    return point;
  }

  /** A method that does not use results gets every earlier trial as one without a result. */
  private suggest(trial: number): Point | undefined {
    if (!this.usesResults) return this.sampler.suggest(trial, [], this.points);
    const finished: Observation[] = [];
    const pending: Point[] = [];
    for (const finishedTrial of this.decided) {
      if (finishedTrial.last !== undefined || finishedTrial.state === 'failed')
        finished.push(this.observe(finishedTrial));
      else pending.push(finishedTrial.point);
    }
    return this.sampler.suggest(trial, finished, pending);
  }

  private minimized(value: number | null): number | null {
    return value === null ? null : this.sign * value;
  }

  /** The segments of a stretch: with all seeds, or on the folds until the trial stops. */
  private segmentsOf({ trial, from, to, best }: Stretch & Pick<Job, 'best'>): Segment[] {
    const segments = this.replicates.map(replicate => ({ trial, ...replicate, from, to }));
    const values: (number | null)[] = [];
    for (const segment of segments) {
      const outcome = this.outcomes.get(segmentKey(segment));
      if (best === undefined || outcome?.status !== 'done') break;
      values.push(this.minimized(outcome.value));
      if (this.pruning.stopsAfter?.(values, best)) return segments.slice(0, values.length);
    }
    return segments;
  }

  /** Undefined while the outcome of a seed is missing. */
  private measure(stretch: Stretch & Pick<Job, 'best'>): Measurement | undefined {
    const { to } = stretch;
    const segments = this.segmentsOf(stretch);
    const outcomes = segments.flatMap(segment => this.outcomes.get(segmentKey(segment)) ?? []);
    if (outcomes.length < segments.length) return undefined;
    // a mean over some of the folds is not comparable
    if (segments.length < this.replicates.length)
      return { epochs: to, status: 'done', value: null, spread: null };
    const ended = (status: SegmentStatus) => outcomes.some(outcome => outcome.status === status);
    const status = ended('failed') ? 'failed' : ended('diverged') ? 'diverged' : 'done';
    return { epochs: to, status, ...average(outcomes.map(({ value }) => value)) };
  }

  /** What a sampler learns from a trial that has ended a segment. */
  private observe({ trial, point, state, last }: Trial): Observation {
    const seen = { trial, point, epochs: last?.epochs ?? 0 };
    if (state === 'failed') return { ...seen, state, value: null };
    // a diverged trial is complete: further epochs would say nothing about its point
    const isComplete = state === 'completed' || state === 'diverged';
    return { ...seen, state: isComplete ? 'complete' : 'pruned', value: this.minimized(last?.value ?? null) };
  }

  /** Decides what follows from the end of a job for its trial and for the sweep. */
  private conclude(job: Job, measurement: Measurement): void {
    const trial = this.decided[job.trial];
    const { epochs, status, value, spread } = measurement;
    if (status === 'failed') {
      trial.state = 'failed';
      this.decisions.push({ event: 'trial.failed', trial: job.trial });
    } else {
      trial.last = measurement;
      this.decisions.push({ event: 'trial.measured', trial: job.trial, epochs, value, spread, status });
      this.judge(job, measurement);
    }
    const reason = this.endReason(measurement);
    if (reason) this.finish(reason, reason === 'target' ? trial : undefined);
  }

  /** Why the sweep ends with this result; undefined if it continues. */
  private endReason({ status, value }: Measurement): 'trial_error' | 'target' | undefined {
    if (status === 'failed') return this.plan.on_trial_error === 'stop' ? 'trial_error' : undefined;
    const { target } = this.plan.budget;
    const isReached = target !== null && value !== null && this.sign * value <= this.sign * target;
    return isReached ? 'target' : undefined;
  }

  private judge(job: Job, { epochs, status, value }: Measurement): void {
    const { trial: number, end } = job;
    const trial = this.decided[number];
    const measured = { trial: number, epochs, value: this.minimized(value) };
    const isLast = epochs === this.plan.epochs;
    const isWhole = this.segmentsOf(job).length === this.replicates.length;
    if (isLast && isWhole && status === 'done') {
      this.pruning.completed?.(measured);
      trial.state = 'completed';
      this.decisions.push({ event: 'trial.completed', trial: number, epochs });
      return;
    }
    const verdict = isLast ? 'prune' : this.pruning.judge(measured);
    if (status === 'diverged') this.prune(trial, 'diverged');
    else if (verdict === 'prune') this.prune(trial);
    else if (verdict === 'advance' && this.isAffordable()) this.start(trial, end);
    else {
      trial.state = 'paused';
      // a trial that the free lane continues at once was not paused
      const continues = this.pruning.promotable?.() === number && this.mayStart;
      if (!continues) this.decisions.push({ event: 'trial.paused', trial: number, epochs });
    }
  }

  /** The value to minimize of a segment that is done. */
  private valueOf(segment: Segment): number {
    return this.minimized(this.outcomes.get(segmentKey(segment))?.value ?? null) ?? Number.POSITIVE_INFINITY;
  }

  private prune(trial: Trial, state: 'pruned' | 'diverged' = 'pruned'): void {
    trial.state = state;
    this.decisions.push({ event: 'trial.pruned', trial: trial.trial, epochs: trial.last?.epochs ?? 0 });
  }

  /** Starts a promoted or new trial on each free lane, at virtual time `now`. */
  private fillLanes(now: number): void {
    while (this.jobs.length < this.plan.parallel) {
      const promotable = this.pruning.promotable?.();
      const point = promotable === undefined ? this.nextPoint() : undefined;
      if (promotable === undefined && point === undefined) return;
      if (!this.isAffordable()) return;
      if (promotable !== undefined) this.promote(this.decided[promotable], now);
      else if (point) this.start(this.choose(point), now);
    }
  }

  /** Once nothing runs: continues the best paused trial if none was trained to its last epoch. */
  private startFinalist(): boolean {
    if (this.decided.some(isCompleted)) return false;
    const best = this.bestOf(this.decided.filter(({ state }) => state === 'paused'));
    if (best === undefined || !this.isAffordable()) return false;
    this.promote(best, this.now);
    return true;
  }

  private promote(trial: Trial, now: number): void {
    this.pruning.continued?.(trial.trial);
    this.start(trial, now);
  }

  private isAffordable(): boolean {
    if (!this.mayStart) this.cutOff = true;
    return this.mayStart;
  }

  private nextPoint(): Point | undefined {
    if (this.closed || this.cutOff) return undefined;
    const trial = this.decided.length;
    if (trial >= (this.plan.budget.trials ?? Number.POSITIVE_INFINITY)) {
      this.closed = 'trials';
      return undefined;
    }
    const point = this.pointFor(trial);
    if (!point) this.closed = 'exhausted';
    return point;
  }

  private choose(point: Point): Trial {
    const trial = this.decided.length;
    const bracket = this.pruning.bracket?.(trial);
    const chosen: Trial = { trial, point, state: 'running' };
    this.decided.push(chosen);
    this.decisions.push({ event: 'trial.chosen', trial, point, ...(bracket !== undefined && { bracket }) });
    return chosen;
  }

  private start(trial: Trial, now: number): void {
    const from = trial.last?.epochs ?? 0;
    const to = this.pruning.rungs(trial.trial).find(epochs => epochs > from);
    if (to === undefined) throw new Error(`trial ${trial.trial} has no rung after ${from} epochs`);
    const cost = (to - from) * this.costPerEpoch(trial.point) * this.replicates.length;
    const best = this.pruning.stopsAfter && this.bestOf(this.decided.filter(isCompleted));
    const values =
      best && this.segmentsOf({ trial: best.trial, from, to }).map(segment => this.valueOf(segment));
    this.jobs.push({ trial: trial.trial, from, to, start: now, end: now + cost, best: values });
    trial.state = 'running';
    this.advances += 1;
    this.decisions.push({ event: 'trial.advanced', trial: trial.trial, from, to });
  }

  /**
   * The best value among the trials with the most epochs: others are not comparable, since a trial
   * that leads early may end behind. Of equal ones the oldest.
   */
  private bestOf(trials: readonly Trial[]): Trial | undefined {
    const measured = trials.flatMap(trial => {
      const { epochs, value } = trial.last ?? {};
      const counts = epochs !== undefined && value != null && trial.state !== 'failed';
      return counts ? [{ trial, epochs, value }] : [];
    });
    // stable: the oldest first
    measured.sort((a, b) => b.epochs - a.epochs || this.sign * (a.value - b.value));
    return measured[0]?.trial;
  }

  /** @param winner if it is not the best trial */
  private finish(reason: EndReason, winner = this.bestOf(this.decided)): void {
    for (const trial of this.decided) if (trial.state === 'paused') this.prune(trial);
    this.isDecided = true;
    const { value = null, spread = null } = winner?.last ?? {};
    const best = winner === undefined || value === null ? null : { trial: winner.trial, value, spread };
    // what was handed out before is stopped
    this.running.clear();
    if (best !== null && reason !== 'trial_error') {
      const { repeat_best = [], final, seeds, epochs } = this.plan;
      const others: readonly Replicate[] = final ? [{ seed: seeds[0], fold: 0 }] : [];
      this.repeats = [...repeat_best.map(seed => ({ seed })), ...others].map(replicate => ({
        ...{ trial: best.trial, ...replicate, from: 0, to: epochs },
      }));
    }
    this.decisions.push({ event: 'sweep.decided', reason, best });
  }
}

function isCompleted({ state }: Trial): boolean {
  return state === 'completed';
}

export type Replay = ReturnType<typeof replay>;

/**
 * Tells a new scheduler what earlier processes of the sweep recorded. Repeats the decisions from
 * the results; the recorded ones are only compared, byte by byte. Returns the first that differs,
 * as JSON lines (`replayed` is undefined if the results lead to no further decision), or else how
 * many of the last decisions the journal lacks: it ends before they were written.
 */
export function replay(scheduler: Scheduler, records: readonly JournalRecord[], retryFailed = false) {
  for (const outcome of outcomesOf(records))
    if (outcome.status !== 'failed' || !retryFailed) scheduler.report(outcome);
  const ended = records.find(record => record.event === 'budget.time');
  if (ended) scheduler.endBudget(ended.advances);
  const decisions = scheduler.advance();
  const before = decisionsOf(records);
  for (const [index, decision] of before.entries()) {
    const recorded = JSON.stringify(decision);
    const replayed = index < decisions.length ? JSON.stringify(decisions[index]) : undefined;
    if (recorded !== replayed) return { decisions, same: false as const, index, recorded, replayed };
  }
  return { decisions, same: true as const, unwritten: decisions.length - before.length };
}

function average(values: readonly (number | null)[]): Pick<Measurement, 'value' | 'spread'> {
  const numbers = values.filter(value => value !== null);
  const { mean, spread } = momentsOf(numbers);
  // the sum of large values may overflow
  if (numbers.length < values.length || !Number.isFinite(mean)) return { value: null, spread: null };
  return { value: mean, spread: Number.isFinite(spread) ? spread : null };
}
