/**
 * Decides what a sweep trains, as a pure state machine on a virtual clock: segments cost what the
 * plan says they do, and their ends are taken in the order of virtual time, whatever the order of
 * the real ones. A decision at a virtual time uses only what ends at or before it. So the same plan
 * and outcomes give the same decisions on any machine, after any interruption; real processes
 * merely wait for each other where both orders differ. Where no decision depends on an outcome,
 * because neither method nor pruner looks at any, nothing waits: trials are given out ahead of
 * their decision.
 */
import type { SweepPlan } from '../plan.js';
import type { Decision, Outcome, Segment } from '../records.js';
import type { Observation, Sampler } from '../search/sampler.js';
import type { Point } from '../space.js';
import { Dispatch } from './dispatch.js';
import { Goal } from './goal.js';
import { type Job, Lanes } from './lanes.js';
import { type Measurement, Outcomes } from './outcomes.js';
import { createPruning } from './pruners.js';
import type { Pruning } from './pruning.js';
import { aheadState, bestOf, observe, Trial, type TrialState } from './trials.js';

type Reason = Extract<Decision, { event: 'sweep.decided' }>['reason'];

export class Scheduler {
  private readonly goal: Goal;
  private readonly pruning: Pruning;
  private readonly outcomes: Outcomes;
  private readonly lanes: Lanes;
  private readonly dispatch: Dispatch;
  private readonly decided: Trial[] = [];
  /**
   * By trial; beyond the decided ones those of trials that are given out ahead of their decision.
   */
  private readonly points: Point[] = [];
  private decisions: Decision[] = [];
  private advances = 0;
  private budgetEnd: { readonly reason: Reason; readonly advances: number } | undefined;
  /** Why there are no more points. */
  private closed: 'exhausted' | 'trials' | undefined;
  /** Whether something would have been started if the budget had not ended. */
  private cutOff = false;
  /** Whether a result is known that will end the sweep once virtual time is there. */
  private endIsNear = false;
  private begun = false;
  /** Virtual time of the last end of a segment. */
  private now = 0;
  private isFinished = false;

  /**
   * `costPerEpoch`: virtual time of one epoch of a point with one seed; above 0, and the same
   * wherever the sweep goes on.
   */
  constructor(
    private readonly plan: SweepPlan,
    private readonly sampler: Sampler,
    private readonly costPerEpoch: (point: Point) => number,
  ) {
    this.goal = new Goal(plan);
    this.pruning = createPruning(plan);
    this.outcomes = new Outcomes(plan);
    this.lanes = new Lanes(plan.parallel);
    this.dispatch = new Dispatch(plan.parallel, plan.seeds, this.outcomes);
  }

  /** Whether the sweep is decided; what still runs then is of no use to it. */
  get finished(): boolean {
    return this.isFinished;
  }

  /**
   * What became of a segment, in any order, also of one that an earlier process was given. Throws
   * where it contradicts another: our defect.
   */
  report(outcome: Outcome): void {
    this.outcomes.add(outcome);
    this.dispatch.ended(outcome);
    const measurement = this.outcomes.measure(outcome);
    if (measurement && this.endReason(measurement)) this.endIsNear = true;
  }

  /**
   * Nothing is started from now on; what has been given out or decided is let finish, paused trials
   * are not promoted. Gives the position at which that takes effect, the number of `trial.advanced`
   * decisions there will be, for the journal's `budget.time`; with it, a scheduler that is built
   * again decides the same if it is told before its first `advance`. Has no effect the second time.
   */
  endBudget(reason: 'time', position?: number): number {
    if (this.budgetEnd) return this.budgetEnd.advances;
    // a trial that was given out ahead is the advance of its number
    const begun = Math.max(this.advances, this.isStatic ? this.dispatch.highestTrial + 1 : 0);
    if (position !== undefined && position < this.advances)
      throw new Error(`${this.advances} segments have begun, and the budget ended after ${position}`);
    this.budgetEnd = { reason, advances: position ?? begun };
    return this.budgetEnd.advances;
  }

  /** The decisions that follow from what is known now, in order; each is given once. */
  advance(): Decision[] {
    if (!this.begun) {
      this.begun = true;
      this.fillLanes(0);
    }
    while (!this.isFinished) {
      const job = this.lanes.next;
      if (!job) {
        if (this.startFinalist()) continue;
        this.finish(this.reason);
        break;
      }
      const measurement = this.outcomes.measure(job);
      if (!measurement) break;
      this.lanes.end(job);
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
   * Segments that may run now and were not given out before, those of earlier virtual time first;
   * with those under way at most `parallel`.
   */
  ready(): Segment[] {
    if (this.isFinished || !this.begun) return [];
    return this.dispatch.take(this.lanes.jobs, this.ahead());
  }

  /** Throws where the trial has not been given out: a defect of ours. */
  pointOf(trial: number): Point {
    const point = this.points[trial];
    if (!point) throw new Error(`trial ${trial} has no point yet`);
    return point;
  }

  /** By number; those given out ahead of their decision come last. */
  trials(): TrialState[] {
    const ahead: TrialState[] = [];
    for (let trial = this.decided.length; trial <= this.dispatch.highestTrial; trial++) {
      const point = this.points[trial];
      if (point) ahead.push(aheadState(trial, point, this.plan.epochs));
    }
    return [...this.decided, ...ahead];
  }

  private get reason(): Reason {
    if (this.cutOff && this.budgetEnd) return this.budgetEnd.reason;
    return this.closed ?? 'exhausted';
  }

  private get mayStart(): boolean {
    return this.advances < (this.budgetEnd?.advances ?? Number.POSITIVE_INFINITY);
  }

  /** Whether no decision depends on an outcome but those of how it ends. */
  private get isStatic(): boolean {
    return this.plan.method.kind !== 'tpe' && this.plan.pruner.kind === 'none';
  }

  private *ahead(): Generator<Omit<Segment, 'seed'>> {
    if (!this.isStatic || this.endIsNear) return;
    const unlimited = Number.POSITIVE_INFINITY;
    const most = Math.min(this.plan.budget.trials ?? unlimited, this.budgetEnd?.advances ?? unlimited);
    for (let trial = this.decided.length; trial < most && this.pointFor(trial); trial++)
      yield { trial, from: 0, to: this.plan.epochs };
  }

  /**
   * Of the trial after those that have one, or of one of these; undefined where nothing is left.
   */
  private pointFor(trial: number): Point | undefined {
    const known = this.points[trial];
    if (known) return known;
    const point = this.suggest(trial);
    if (point) this.points.push(point);
    return point;
  }

  /**
   * TPE is told of results; to the others, so that none depends on any, every earlier trial is one
   * without.
   */
  private suggest(trial: number): Point | undefined {
    if (this.plan.method.kind !== 'tpe') return this.sampler.suggest(trial, [], this.points);
    const finished: Observation[] = [];
    const pending: Point[] = [];
    for (const { observation, point } of this.decided) {
      if (observation) finished.push(observation);
      else pending.push(point);
    }
    return this.sampler.suggest(trial, finished, pending);
  }

  /** What follows from a job's end for its trial and for the sweep. */
  private conclude(job: Job, measurement: Measurement): void {
    const trial = this.decided[job.trial];
    const { epochs, status, value, spread } = measurement;
    trial.to = undefined;
    if (status === 'failed') {
      trial.state = 'failed';
      this.decide({ event: 'trial.failed', trial: job.trial });
    } else {
      trial.values.push(measurement);
      this.decide({ event: 'trial.measured', trial: job.trial, epochs, value, spread, status });
      this.judge(job, measurement);
    }
    const reason = this.endReason(measurement);
    if (reason) this.finish(reason, reason === 'target' ? trial : undefined);
  }

  /** Why the sweep ends with this result; undefined where it goes on. */
  private endReason({ status, value }: Measurement): 'trial_error' | 'target' | undefined {
    if (status === 'failed') return this.plan.on_trial_error === 'stop' ? 'trial_error' : undefined;
    return this.goal.isReached(value) ? 'target' : undefined;
  }

  private judge({ trial: number, end }: Job, { epochs, status, value }: Measurement): void {
    const trial = this.decided[number];
    const measured = { trial: number, epochs, value: this.goal.minimised(value) };
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
    // what the free lane goes on with at once has not waited
    const goesOn = this.pruning.promotable() === trial.trial && this.mayStart;
    if (!goesOn) this.decide({ event: 'trial.paused', trial: trial.trial, epochs: trial.epochs });
  }

  private prune(trial: Trial): void {
    trial.state = 'pruned';
    this.decide({ event: 'trial.pruned', trial: trial.trial, epochs: trial.epochs });
  }

  /** Each free lane gets a promoted trial or a new one, at virtual time `now`. */
  private fillLanes(now: number): void {
    while (this.lanes.isFree) {
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
   * Nothing runs and nothing is promotable: if no trial has seen all epochs, the best of those that
   * wait goes on to its next rung. Returns whether one does.
   */
  private startFinalist(): boolean {
    if (this.plan.finish_best !== true || this.decided.some(({ state }) => state === 'completed'))
      return false;
    const waiting = this.decided.filter(({ state }) => state === 'paused');
    const best = bestOf(waiting, this.goal);
    if (best === undefined || !this.isAffordable()) return false;
    this.pruning.withdrawn(best.trial);
    this.start(best, this.now);
    return true;
  }

  /** For something to start: whether the budget lets it. */
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
    const trial = new Trial(number, point, bracket, this.costPerEpoch(point));
    this.decided.push(trial);
    this.decide({ event: 'trial.chosen', trial: number, point, ...(bracket !== undefined && { bracket }) });
    return trial;
  }

  /** To its next rung. */
  private start(trial: Trial, now: number): void {
    const from = trial.epochs;
    const to = this.pruning.rungs(trial.trial).find(epochs => epochs > from);
    if (to === undefined) throw new Error(`trial ${trial.trial} has no rung after ${from} epochs`);
    const cost = (to - from) * trial.costPerEpoch * this.plan.seeds.length;
    this.lanes.start({ trial: trial.trial, from, to, start: now, end: now + cost });
    trial.state = 'running';
    trial.to = to;
    this.advances += 1;
    this.decide({ event: 'trial.advanced', trial: trial.trial, from, to });
  }

  /** `winner` where it is not simply the best. */
  private finish(reason: Reason, winner: Trial | undefined = bestOf(this.decided, this.goal)): void {
    for (const trial of this.decided) if (trial.state === 'paused') this.prune(trial);
    this.isFinished = true;
    const best =
      winner?.value == null ? null : { trial: winner.trial, value: winner.value, spread: winner.spread };
    this.decide({ event: 'sweep.decided', reason, best });
  }

  private decide(decision: Decision): void {
    this.decisions.push(decision);
  }
}
