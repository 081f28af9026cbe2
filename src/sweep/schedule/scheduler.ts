/**
 * Decides what a sweep trains: a pure state machine on a virtual clock. Segments take the time that
 * the plan estimates, and their ends are processed in the order of virtual time, not of real time.
 * A decision depends only on results up to its virtual time. The same plan and outcomes therefore
 * lead to the same decisions on any machine, after any interruption; a process merely waits if both
 * orders differ. If neither method nor pruner looks at results, no decision depends on an outcome
 * and nothing waits: trials start before they are decided.
 */

import { blindTrials } from '../search/index.js';
import type { Observation, Sampler } from '../search/method.js';
import type { Point } from '../search/space.js';
import { createPruning, prunerOf } from './index.js';
import type { SweepPlan } from './plan.js';
import type { Pruning } from './pruner.js';
import { type Decision, type Outcome, type Segment, segmentKey } from './records.js';
import { bestOf, Goal, type Measurement, Outcomes, observe, Trial } from './trials.js';

type Reason = Extract<Decision, { event: 'sweep.decided' }>['reason'];

export class Scheduler {
  private readonly goal: Goal;
  private readonly pruning: Pruning;
  private readonly outcomes: Outcomes;
  /** At most one for each of the `parallel` lanes. */
  private readonly jobs: Job[] = [];
  private readonly dispatch: Dispatch;
  private readonly decided: Trial[] = [];
  /** By trial, including trials that have started before they are decided. */
  private readonly points: Point[] = [];
  private decisions: Decision[] = [];
  private advances = 0;
  private budgetEnd: { readonly reason: Reason; readonly advances: number } | undefined;
  /** Why there are no more points. */
  private closed: 'exhausted' | 'trials' | undefined;
  /** Whether the end of the budget kept a segment from starting. */
  private cutOff = false;
  /** Whether a known result will end the sweep when virtual time reaches it. */
  private endIsNear = false;
  private hasStarted = false;
  /** Virtual time at which the last segment ended. */
  private now = 0;
  private isFinished = false;

  /**
   * @param costPerEpoch virtual time of one epoch of a point with one seed; above 0, and the same
   *   whenever the sweep is resumed
   */
  constructor(
    private readonly plan: SweepPlan,
    private readonly sampler: Sampler,
    private readonly costPerEpoch: (point: Point) => number,
  ) {
    this.goal = new Goal(plan);
    this.pruning = createPruning(plan);
    this.outcomes = new Outcomes(plan);
    this.dispatch = new Dispatch(plan.parallel, plan.seeds, this.outcomes);
  }

  /** Whether the sweep is decided; segments that are still running have no further effect. */
  get finished(): boolean {
    return this.isFinished;
  }

  /**
   * Adds the outcome of a segment, in any order, including segments that an earlier process
   * started.
   * @throws Error if it contradicts another outcome, which is a bug
   */
  report(outcome: Outcome): void {
    this.outcomes.add(outcome);
    this.dispatch.ended(outcome);
    const measurement = this.outcomes.measure(outcome);
    if (measurement && this.endReason(measurement)) this.endIsNear = true;
  }

  /**
   * Starts no new segments. Running segments finish; paused trials are not promoted. Returns the
   * position at which this takes effect, the number of `trial.advanced` decisions by then, for the
   * journal's `budget.time`. A scheduler that gets this position before its first `advance` makes
   * the same decisions. Further calls have no effect.
   */
  endBudget(reason: 'time', position?: number): number {
    if (this.budgetEnd) return this.budgetEnd.advances;
    // a trial that started early has the advance with its number
    const started = Math.max(this.advances, this.isStatic ? this.dispatch.highestTrial + 1 : 0);
    if (position !== undefined && position < this.advances)
      throw new Error(`the budget cannot end after ${position} segments: ${this.advances} have started`);
    this.budgetEnd = { reason, advances: position ?? started };
    return this.budgetEnd.advances;
  }

  /** Returns the decisions that follow from the outcomes so far, in order, each once. */
  advance(): Decision[] {
    if (!this.hasStarted) {
      this.hasStarted = true;
      this.fillLanes(0);
    }
    while (!this.isFinished) {
      const job = nextOf(this.jobs);
      if (!job) {
        if (this.startFinalist()) continue;
        this.finish(this.reason);
        break;
      }
      const measurement = this.outcomes.measure(job);
      if (!measurement) break;
      this.jobs.splice(this.jobs.indexOf(job), 1);
      this.now = job.end;
      this.conclude(job, measurement);
      const trial = this.decided[job.trial];
      trial.observation = observe(trial, this.goal);
      if (!this.isFinished) this.fillLanes(job.end);
    }
    const decisions = this.decisions;
    this.decisions = [];
    return decisions;
  }

  /**
   * Returns the segments to start now, in the order of virtual time. With the running ones they are
   * at most `parallel`; each is returned once.
   */
  ready(): Segment[] {
    if (this.isFinished || !this.hasStarted) return [];
    return this.dispatch.take(this.jobs, this.ahead());
  }

  /** @throws Error if the trial has no point, which is a bug */
  pointOf(trial: number): Point {
    const point = this.points[trial];
    if (!point) throw new Error(`trial ${trial} has no point yet`);
    return point;
  }

  private get reason(): Reason {
    if (this.cutOff && this.budgetEnd) return this.budgetEnd.reason;
    return this.closed ?? 'exhausted';
  }

  private get mayStart(): boolean {
    return this.advances < (this.budgetEnd?.advances ?? Number.POSITIVE_INFINITY);
  }

  /** Whether points depend on results. */
  private get usesResults(): boolean {
    return Number.isFinite(blindTrials(this.plan.method));
  }

  /** Whether decisions depend on no outcome, except how the sweep ends. */
  private get isStatic(): boolean {
    return !this.usesResults && prunerOf(this.plan.pruner).firstJudged === undefined;
  }

  private *ahead(): Generator<Omit<Segment, 'seed'>> {
    if (!this.isStatic || this.endIsNear) return;
    const unlimited = Number.POSITIVE_INFINITY;
    const end = Math.min(this.plan.budget.trials ?? unlimited, this.budgetEnd?.advances ?? unlimited);
    for (let trial = this.decided.length; trial < end && this.pointFor(trial); trial++)
      yield { trial, from: 0, to: this.plan.epochs };
  }

  /**
   * The point of a trial that has one, or of the next trial; undefined if there are no more points.
   */
  private pointFor(trial: number): Point | undefined {
    const known = this.points[trial];
    if (known) return known;
    const point = this.suggest(trial);
    if (point) this.points.push(point);
    return point;
  }

  /**
   * A method that does not use results gets every earlier trial as one without a result, so that no
   * point depends on results.
   */
  private suggest(trial: number): Point | undefined {
    if (!this.usesResults) return this.sampler.suggest(trial, [], this.points);
    const finished: Observation[] = [];
    const pending: Point[] = [];
    for (const { observation, point } of this.decided) {
      if (observation) finished.push(observation);
      else pending.push(point);
    }
    return this.sampler.suggest(trial, finished, pending);
  }

  /** Decides what follows from the end of a job for its trial and for the sweep. */
  private conclude(job: Job, measurement: Measurement): void {
    const trial = this.decided[job.trial];
    const { epochs, status, value, spread } = measurement;
    if (status === 'failed') {
      trial.state = 'failed';
      this.decide({ event: 'trial.failed', trial: job.trial });
    } else {
      trial.last = measurement;
      this.decide({ event: 'trial.measured', trial: job.trial, epochs, value, spread, status });
      this.judge(job, measurement);
    }
    const reason = this.endReason(measurement);
    if (reason) this.finish(reason, reason === 'target' ? trial : undefined);
  }

  /** Why the sweep ends with this result; undefined if it continues. */
  private endReason({ status, value }: Measurement): 'trial_error' | 'target' | undefined {
    if (status === 'failed') return this.plan.on_trial_error === 'stop' ? 'trial_error' : undefined;
    return this.goal.isReached(value) ? 'target' : undefined;
  }

  private judge({ trial: number, end }: Job, { epochs, status, value }: Measurement): void {
    const trial = this.decided[number];
    const measured = { trial: number, epochs, value: this.goal.minimized(value) };
    const isLast = epochs === this.plan.epochs;
    if (isLast && status === 'done') {
      this.pruning.completed(measured);
      trial.state = 'completed';
      this.decide({ event: 'trial.completed', trial: number, epochs });
      return;
    }
    const verdict = isLast ? 'prune' : this.pruning.judge(measured);
    if (status === 'diverged') {
      trial.state = 'diverged';
      this.decide({ event: 'trial.pruned', trial: number, epochs });
    } else if (verdict === 'prune') this.prune(trial);
    else if (verdict === 'advance' && this.isAffordable()) this.start(trial, end);
    else this.pause(trial);
  }

  private pause(trial: Trial): void {
    trial.state = 'paused';
    // a trial that the free lane continues at once was not paused
    const continues = this.pruning.promotable() === trial.trial && this.mayStart;
    if (!continues) this.decide({ event: 'trial.paused', trial: trial.trial, epochs: trial.epochs });
  }

  private prune(trial: Trial): void {
    trial.state = 'pruned';
    this.decide({ event: 'trial.pruned', trial: trial.trial, epochs: trial.epochs });
  }

  /** Starts a promoted or new trial on each free lane, at virtual time `now`. */
  private fillLanes(now: number): void {
    while (this.jobs.length < this.plan.parallel) {
      const promotable = this.pruning.promotable();
      const point = promotable === undefined ? this.nextPoint() : undefined;
      if (promotable === undefined && point === undefined) return;
      if (!this.isAffordable()) return;
      if (promotable !== undefined) {
        this.pruning.promoted(promotable);
        this.start(this.decided[promotable], now);
      } else if (point) this.start(this.choose(point), now);
    }
  }

  /**
   * Once nothing runs and nothing is promotable: continues the best paused trial to its next rung
   * if no trial was trained to its last epoch. Returns whether it does.
   */
  private startFinalist(): boolean {
    if (this.decided.some(({ state }) => state === 'completed')) return false;
    const waiting = this.decided.filter(({ state }) => state === 'paused');
    const best = bestOf(waiting, this.goal);
    if (best === undefined || !this.isAffordable()) return false;
    this.pruning.withdrawn(best.trial);
    this.start(best, this.now);
    return true;
  }

  /** Whether the budget allows another segment. */
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
    const number = this.decided.length;
    const bracket = this.pruning.bracket(number);
    const trial = new Trial(number, point, this.costPerEpoch(point));
    this.decided.push(trial);
    this.decide({ event: 'trial.chosen', trial: number, point, ...(bracket !== undefined && { bracket }) });
    return trial;
  }

  /** Starts a trial's segment to its next rung. */
  private start(trial: Trial, now: number): void {
    const from = trial.epochs;
    const to = this.pruning.rungs(trial.trial).find(epochs => epochs > from);
    if (to === undefined) throw new Error(`trial ${trial.trial} has no rung after ${from} epochs`);
    const cost = (to - from) * trial.costPerEpoch * this.plan.seeds.length;
    this.jobs.push({ trial: trial.trial, from, to, start: now, end: now + cost });
    trial.state = 'running';
    this.advances += 1;
    this.decide({ event: 'trial.advanced', trial: trial.trial, from, to });
  }

  /** @param winner if it is not the best trial */
  private finish(reason: Reason, winner: Trial | undefined = bestOf(this.decided, this.goal)): void {
    for (const trial of this.decided) if (trial.state === 'paused') this.prune(trial);
    this.isFinished = true;
    const best =
      winner?.last?.value == null
        ? null
        : { trial: winner.trial, value: winner.last.value, spread: winner.last.spread };
    this.decide({ event: 'sweep.decided', reason, best });
  }

  private decide(decision: Decision): void {
    this.decisions.push(decision);
  }
}

/**
 * A trial that is trained to its next rung on a lane of the virtual clock, with all seeds one after
 * the other. Its times follow from the plan's costs alone, independent of the machine.
 */
interface Job {
  readonly trial: number;
  readonly from: number;
  readonly to: number;
  /** Virtual time. */
  readonly start: number;
  readonly end: number;
}

/** The job that ends first; if several do, the one of the oldest trial. */
function nextOf(jobs: readonly Job[]): Job | undefined {
  let next: Job | undefined;
  for (const job of jobs)
    if (!next || job.end < next.end || (job.end === next.end && job.trial < next.trial)) next = job;
  return next;
}

/** Selects the segments that run: at most one per lane, each once, in the order of virtual time. */
class Dispatch {
  private readonly started = new Set<string>();
  private readonly running = new Set<string>();
  private highest = -1;

  constructor(
    private readonly lanes: number,
    private readonly seeds: readonly number[],
    private readonly outcomes: Outcomes,
  ) {}

  /** The highest trial that was ever started or has an outcome; -1 if there is none. */
  get highestTrial(): number {
    return this.highest;
  }

  /** Takes segments from `jobs`, then from `ahead` while lanes are free. */
  take(jobs: readonly Job[], ahead: Iterable<Omit<Segment, 'seed'>>): Segment[] {
    const taken: Segment[] = [];
    const fill = (segments: Iterable<Segment>) => {
      for (const segment of segments) {
        if (this.running.size >= this.lanes) return;
        if (this.started.has(segmentKey(segment)) || this.outcomes.has(segment)) continue;
        this.start(segment);
        taken.push(segment);
      }
    };
    fill(this.inVirtualOrder(jobs));
    if (this.running.size >= this.lanes) return taken;
    for (const job of ahead) {
      fill(this.segmentsOf(job));
      if (this.running.size >= this.lanes) break;
    }
    return taken;
  }

  private start(segment: Segment): void {
    this.started.add(segmentKey(segment));
    this.running.add(segmentKey(segment));
    this.highest = Math.max(this.highest, segment.trial);
  }

  ended(segment: Segment): void {
    this.running.delete(segmentKey(segment));
    this.highest = Math.max(this.highest, segment.trial);
  }

  /** A lane trains the seeds of a job one after the other, so each has its own virtual start. */
  private inVirtualOrder(jobs: readonly Job[]): Segment[] {
    const timed = jobs.flatMap(job =>
      this.segmentsOf(job).map((segment, i) => ({
        segment,
        start: job.start + ((job.end - job.start) * i) / this.seeds.length,
      })),
    );
    timed.sort((a, b) => a.start - b.start || a.segment.trial - b.segment.trial);
    return timed.map(({ segment }) => segment);
  }

  private segmentsOf({ trial, from, to }: Omit<Segment, 'seed'>): Segment[] {
    return this.seeds.map(seed => ({ trial, seed, from, to }));
  }
}
