/**
 * Simulated sweeps for tests of the scheduler: plans, outcomes of training, and machines that are
 * killed.
 */

import type { SweepPlan } from '../../src/sweep/schedule/plan.js';
import type { Pruner } from '../../src/sweep/schedule/pruners.js';
import type { Decision, JournalRecord, Outcome, Segment } from '../../src/sweep/schedule/records.js';
import { replay, Scheduler } from '../../src/sweep/schedule/scheduler.js';
import type { Sampler } from '../../src/sweep/search/grid.js';
import type { Point } from '../../src/sweep/search/space.js';
import { RandomStream } from '../../src/util/random.js';

interface ScheduleParts {
  readonly plan: SweepPlan;
  readonly sampler: Sampler;
  readonly costPerEpoch: (point: Point) => number;
}

export const ASHA = { kind: 'asha', min_epochs: 1, reduction_factor: 3 } as const satisfies Pruner;

export function planOf(changes: Partial<SweepPlan>): SweepPlan {
  return {
    name: 'sweep',
    seed: 0,
    seeds: [0],
    space: { parameters: [], exclude: [] },
    method: { kind: 'random' },
    pruner: ASHA,
    objective: { metric: 'test.loss', goal: 'minimize' },
    budget: { trials: null, seconds: null, target: null },
    epochs: 9,
    parallel: 1,
    trial_timeout: null,
    retries: 0,
    on_trial_error: 'continue',
    bases: [],
    ...changes,
  };
}

export function budgetOf(trials: number | null, target: number | null = null): SweepPlan['budget'] {
  return { trials, target, seconds: null };
}

/** Suggests points `{ x: trial }`, at most `most`. */
export function counting(most = Number.POSITIVE_INFINITY): Sampler {
  return { suggest: trial => (trial < most ? { x: trial } : undefined) };
}

export function partsOf(
  plan: SweepPlan,
  cost: (trial: number) => number = () => 1,
  sampler = counting(),
): ScheduleParts {
  return { plan, sampler, costPerEpoch: point => cost(point.x as number) };
}

export function schedulerOf({ plan, sampler, costPerEpoch }: ScheduleParts): Scheduler {
  return new Scheduler(plan, costPerEpoch, sampler);
}

/** Simulated training: the outcome of a segment. */
export type World = (segment: Segment) => Outcome;

export function done(segment: Segment, value: number | null): Outcome {
  return { ...segment, status: 'done', value };
}

/** Runs a sweep whose segments end in the order of their start. Returns all decisions. */
export function drive(
  scheduler: Scheduler,
  world: World,
  each: (segment: Segment) => void = () => {},
): Decision[] {
  const decisions = scheduler.advance();
  const running: Segment[] = [];
  while (!scheduler.isDecided) {
    running.push(...scheduler.ready());
    const segment = running.shift();
    if (!segment) throw new Error('nothing runs and nothing is decided');
    each(segment);
    scheduler.report(world(segment));
    decisions.push(...scheduler.advance());
  }
  return decisions;
}

/**
 * Decisions in a short form: `+2` chosen, `2:0-1` advanced, `2p` paused, `2x` pruned, `2c`
 * completed, `2f` failed.
 */
export function brief(decisions: readonly Decision[]): string[] {
  return decisions.flatMap(decision => {
    switch (decision.event) {
      case 'trial.chosen':
        return [`+${decision.trial}`];
      case 'trial.advanced':
        return [`${decision.trial}:${decision.from}-${decision.to}`];
      case 'trial.measured':
        return [];
      case 'trial.paused':
        return [`${decision.trial}p`];
      case 'trial.pruned':
        return [`${decision.trial}x`];
      case 'trial.completed':
        return [`${decision.trial}c`];
      case 'trial.failed':
        return [`${decision.trial}f`];
      case 'sweep.decided':
        return [`${decision.reason} ${decision.best?.trial ?? 'none'}`];
      default:
        return decision satisfies never;
    }
  });
}

/** A journal like that of a real sweep, with dummy values in fields that decisions do not use. */
class Journal {
  readonly records: JournalRecord[] = [];

  end(outcome: Outcome): void {
    const rest = { time: '', attempt: 1, exit_code: 0, message: null, epochs: 1, train_s: 1 };
    this.records.push({ event: 'segment.end', ...rest, ...outcome });
  }
}

/**
 * A sweep on a simulated machine. `choices` determine the order in which processes end, and when
 * the machine is killed with all of them; a new scheduler then continues from the journal. The time
 * limit is reached after `time` segments have ended.
 */
export class Machine {
  readonly journal = new Journal();
  readonly decisions: Decision[] = [];
  /** Every segment that ended, once each. */
  readonly trained: Segment[] = [];
  budgetEnd: number | undefined;
  private scheduler: Scheduler;
  private running: Segment[] = [];
  private given = new Set<string>();

  constructor(
    private readonly parts: ScheduleParts,
    private readonly world: World,
    private readonly choices: readonly number[],
    private readonly time: number | undefined,
  ) {
    this.scheduler = schedulerOf(parts);
  }

  run(): void {
    this.record(this.scheduler.advance());
    for (let step = 0; !this.scheduler.isDecided; step++) {
      const choice = this.choices[step % this.choices.length];
      if (step > 0 && choice % 7 === 0 && step < 500) this.restart();
      if (this.scheduler.isDecided) return;
      this.start();
      const [segment] = this.running.splice(choice % this.running.length, 1);
      this.end(segment);
      if (this.trained.length === this.time) this.endBudget();
      this.record(this.scheduler.advance());
    }
  }

  private start(): void {
    for (const segment of this.scheduler.ready()) {
      const key = JSON.stringify(segment);
      if (this.given.has(key)) throw new Error(`${key} was given out twice`);
      this.given.add(key);
      this.running.push(segment);
    }
    if (this.running.length === 0) throw new Error('nothing runs and nothing is decided');
    if (this.running.length > this.parts.plan.parallel) throw new Error('too much at a time');
  }

  private end(segment: Segment): void {
    const outcome = this.world(segment);
    this.scheduler.report(outcome);
    // a process may report twice, as after a kill between two records
    this.scheduler.report({ ...outcome });
    this.journal.end(outcome);
    this.trained.push(segment);
  }

  private endBudget(): void {
    this.budgetEnd = this.scheduler.endBudget();
    this.journal.records.push({ event: 'budget.time', time: '', seconds: 1, advances: this.budgetEnd });
  }

  private record(decisions: readonly Decision[]): void {
    this.decisions.push(...decisions);
    this.journal.records.push(...decisions);
  }

  private restart(): void {
    this.scheduler = schedulerOf(this.parts);
    this.running = [];
    this.given = new Set(this.trained.map(segment => JSON.stringify(segment)));
    const { same, decisions } = replay(this.scheduler, this.journal.records);
    if (!same) throw new Error('a scheduler that is built again decides otherwise');
    this.record(decisions.slice(this.decisions.length));
  }
}

export function linesOf(decisions: readonly Decision[]): string {
  return decisions.map(decision => JSON.stringify(decision)).join('\n');
}

/** A pseudo-random number in [0, 1) that depends only on its arguments. */
export function noise(...parts: number[]): number {
  return RandomStream.of(parts[0], parts.slice(1).join('/')).uniform();
}

/** A world with many equal values, some not finite, and with diverged and failed trainings. */
export function worldOf(seed: number, trouble: number): World {
  return segment => {
    const { trial, seed: one, to, fold } = segment;
    const place = fold === undefined ? [to] : [to, fold];
    const luck = noise(seed, trial, one, ...place);
    if (luck < trouble)
      return { ...segment, status: luck < trouble / 2 ? 'failed' : 'diverged', value: null };
    if (luck < trouble * 1.3) return done(segment, null);
    return done(segment, Math.round(12 * noise(seed, trial) + 4 * noise(seed, trial, ...place)) / 16);
  };
}

/**
 * Two parallel trials, rungs 1, 2 and 4. Trial 0 takes three times as long as the others; smaller
 * values are better.
 */
export const twoLanes = {
  plan: planOf({
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
    epochs: 4,
    parallel: 2,
    budget: budgetOf(6),
  }),
  cost: (trial: number) => (trial === 0 ? 3 : 1),
  values: [0.1, 0.5, 0.4, 0.3, 0.6, 0.2],
};

export function journalOf(parts: ScheduleParts, world: World): JournalRecord[] {
  const machine = new Machine(parts, world, [1, 2, 3], undefined);
  machine.run();
  return machine.journal.records;
}
