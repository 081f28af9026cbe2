/** What a sweep trains: pruners, the scheduler under every real order of ends and under kills, replays. */
import './support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { RandomStream } from '../src/random.js';
import { packageRoot } from '../src/root.js';
import type { Pruner, SweepPlan } from '../src/sweep/plan.js';
import type { Decision, JournalRecord, Outcome, Segment } from '../src/sweep/records.js';
import { bracketSizes, Hyperband } from '../src/sweep/schedule/hyperband.js';
import { replay, type ScheduleParts } from '../src/sweep/schedule/replay.js';
import { rungEpochs } from '../src/sweep/schedule/rungs.js';
import { Scheduler } from '../src/sweep/schedule/scheduler.js';
import { whatIf } from '../src/sweep/schedule/what-if.js';
import { createSampler } from '../src/sweep/search/index.js';
import type { Sampler } from '../src/sweep/search/sampler.js';
import type { Point } from '../src/sweep/space.js';
import type { LstmTable } from './search-bench/lstm-problem.js';

const ASHA: Pruner = { kind: 'asha', min_epochs: 1, reduction_factor: 3 };

function planOf(changes: Partial<SweepPlan>): SweepPlan {
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

function budgetOf(trials: number | null, target: number | null = null): SweepPlan['budget'] {
  return { trials, target, seconds: null };
}

/** Points `{ x: trial }`; how many there are at most. */
function counting(most = Number.POSITIVE_INFINITY): Sampler {
  return { suggest: trial => (trial < most ? { x: trial } : undefined) };
}

function partsOf(
  plan: SweepPlan,
  cost: (trial: number) => number = () => 1,
  sampler = counting(),
): ScheduleParts {
  return { plan, sampler, costPerEpoch: point => cost(point.x as number) };
}

function schedulerOf({ plan, sampler, costPerEpoch }: ScheduleParts): Scheduler {
  return new Scheduler(plan, sampler, costPerEpoch);
}

/** What training would give: of a segment, its outcome. */
type World = (segment: Segment) => Outcome;

function done(segment: Segment, value: number | null): Outcome {
  return { ...segment, status: 'done', value };
}

/** Segments end in the order in which they were given out; all decisions. */
function conduct(
  scheduler: Scheduler,
  world: World,
  each: (segment: Segment) => void = () => {},
): Decision[] {
  const decisions = scheduler.advance();
  const running: Segment[] = [];
  while (!scheduler.finished) {
    running.push(...scheduler.ready());
    const segment = running.shift();
    if (!segment) throw new Error('nothing runs and nothing is decided');
    each(segment);
    scheduler.report(world(segment));
    decisions.push(...scheduler.advance());
  }
  return decisions;
}

/** Decisions in a form that is quick to write by hand: `+2` chosen, `2:0-1` advanced, `2p` paused, `2x` pruned, `2c` completed, `2f` failed. */
function brief(decisions: readonly Decision[]): string[] {
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

/** A journal as the orchestrator writes it, but for the fields that no decision rests on. */
class Journal {
  readonly records: JournalRecord[] = [];

  end(outcome: Outcome): void {
    const rest = { time: '', attempt: 1, exit_code: 0, message: null, epochs: 1, train_s: 1 };
    this.records.push({ event: 'segment.end', ...rest, ...outcome });
  }
}

/**
 * A sweep on a machine whose processes end in an order that `choices` decide, and that is now and then killed with all that runs: then a
 * new scheduler is told what the journal says. After `time` ends the budget of time is over.
 */
class Machine {
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
    for (let step = 0; !this.scheduler.finished; step++) {
      const choice = this.choices[step % this.choices.length];
      if (step > 0 && choice % 7 === 0 && step < 500) this.restart();
      if (this.scheduler.finished) return;
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
    // a process may tell the same twice, as after a kill between two records
    this.scheduler.report({ ...outcome });
    this.journal.end(outcome);
    this.trained.push(segment);
  }

  private endBudget(): void {
    this.budgetEnd = this.scheduler.endBudget('time');
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
    for (const segment of this.trained) this.scheduler.report(this.world(segment));
    if (this.budgetEnd !== undefined) this.scheduler.endBudget('time', this.budgetEnd);
    const decisions = this.scheduler.advance();
    const known = decisions.slice(0, this.decisions.length);
    if (JSON.stringify(known) !== JSON.stringify(this.decisions))
      throw new Error('a scheduler that is built again decides otherwise');
    this.record(decisions.slice(known.length));
  }
}

function linesOf(decisions: readonly Decision[]): string {
  return decisions.map(decision => JSON.stringify(decision)).join('\n');
}

/** The segments of each trial and seed. */
function byRun(segments: readonly Segment[]): Iterable<Segment[]> {
  const runs = new Map<string, Segment[]>();
  for (const segment of segments) {
    const key = `${segment.trial}/${segment.seed}`;
    runs.set(key, [...(runs.get(key) ?? []), segment]);
  }
  return runs.values();
}

/** A number in [0, 1) that depends on its arguments alone. */
function noise(...parts: number[]): number {
  return RandomStream.of(parts[0], parts.slice(1).join('/')).uniform();
}

/** A world with many equal values, some that are not finite, diverged and failed trainings. */
function worldOf(seed: number, trouble: number): World {
  return segment => {
    const { trial, seed: one, to } = segment;
    const luck = noise(seed, trial, one, to);
    if (luck < trouble)
      return { ...segment, status: luck < trouble / 2 ? 'failed' : 'diverged', value: null };
    if (luck < trouble * 1.3) return done(segment, null);
    return done(segment, Math.round(12 * noise(seed, trial) + 4 * noise(seed, trial, to)) / 16);
  };
}

/** Its points say what it was told: a scheduler that tells another story gets other points. */
const listening: Sampler = {
  suggest: (trial, finished, pending) => {
    const heard = finished.map(({ point, ...rest }) => ({ ...rest, x: point.x }));
    return { x: trial, heard: JSON.stringify([heard, pending.map(({ x }) => x)]) };
  },
};

const pruners: fc.Arbitrary<Pruner> = fc.oneof(
  fc.constant<Pruner>({ kind: 'none' }),
  fc.record({
    kind: fc.constant('median' as const),
    n_startup_trials: fc.integer({ min: 0, max: 3 }),
    n_warmup_epochs: fc.integer({ min: 0, max: 3 }),
    interval_epochs: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    kind: fc.constantFrom('asha' as const, 'hyperband' as const),
    min_epochs: fc.integer({ min: 1, max: 3 }),
    reduction_factor: fc.integer({ min: 2, max: 4 }),
  }),
);

const sweeps = fc.record({
  world: fc.nat(1000),
  trouble: fc.constantFrom(0, 0, 0.08),
  choices: fc.array(fc.nat(1000), { minLength: 1, maxLength: 40 }),
  time: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
  costs: fc.constantFrom(1, 3, 20),
  plan: fc.record({
    pruner: pruners,
    method: fc.constantFrom<SweepPlan['method']>(
      { kind: 'random' },
      { kind: 'tpe', n_startup_trials: 0, n_ei_candidates: 1 },
    ),
    seeds: fc.constantFrom([0], [0], [3, 1], [5, 6, 7]),
    epochs: fc.integer({ min: 1, max: 20 }),
    parallel: fc.integer({ min: 1, max: 5 }),
    budget: fc.record({
      trials: fc.integer({ min: 1, max: 20 }),
      seconds: fc.constant(null),
      target: fc.constantFrom(null, null, 0.1, 0.9),
    }),
    objective: fc.record({
      metric: fc.constant('test.loss'),
      goal: fc.constantFrom('minimize' as const, 'maximize' as const),
    }),
    on_trial_error: fc.constantFrom('continue' as const, 'continue' as const, 'stop' as const),
  }),
});

t.test('the same decisions in every order of real ends, after any kills; no epoch twice', async t => {
  const reached = { time: 0, target: 0, trial_error: 0, trials: 0, exhausted: 0 };
  const property = fc.property(sweeps, ({ world: seed, trouble, choices, time, costs, plan: drawn }) => {
    const plan = planOf(drawn);
    const sampler = plan.method.kind === 'tpe' ? listening : counting(17);
    const parts = partsOf(plan, trial => 1 + Math.floor(costs * noise(seed, trial, 99)), sampler);
    const world = worldOf(seed, trouble);
    const machine = new Machine(parts, world, choices, time);
    machine.run();

    const inOrder = schedulerOf(parts);
    if (machine.budgetEnd !== undefined) inOrder.endBudget('time', machine.budgetEnd);
    if (linesOf(conduct(inOrder, world)) !== linesOf(machine.decisions))
      throw new Error('another order decides otherwise');
    const again = replay(parts, machine.journal.records);
    if (!again.same || again.unwritten > 0) throw new Error('the journal does not replay');
    for (const runs of byRun(machine.trained)) {
      const ordered = runs.sort((a, b) => a.from - b.from);
      ordered.forEach(({ from }, i) => {
        if (from !== (i === 0 ? 0 : ordered[i - 1].to))
          throw new Error(`a gap or an overlap at epoch ${from}`);
      });
    }
    const last = machine.decisions.at(-1);
    if (last?.event === 'sweep.decided') reached[last.reason] += 1;
  });
  fc.assert(property, { numRuns: 400, seed: 5 });
  t.ok(
    Object.values(reached).every(count => count > 5),
    `every end was reached: ${JSON.stringify(reached)}`,
  );
});

t.test('ASHA by hand: one lane', async t => {
  // rungs 1, 3, 9: of three trials at a rung the best goes on, of four still one
  const values = [0.5, 0.3, 0.4, 0.2];
  const plan = planOf({ budget: budgetOf(4) });
  const decisions = conduct(schedulerOf(partsOf(plan)), segment => done(segment, values[segment.trial]));
  t.strictSame(brief(decisions), [
    ...['+0', '0:0-1', '0p', '+1', '1:0-1', '1p', '+2', '2:0-1', '2p', '1:1-3'],
    ...['1p', '+3', '3:0-1', '3:1-3', '3p', '0x', '1x', '2x', '3x', 'trials 3'],
  ]);
});

/** Two lanes, rungs 1, 2, 4; trial 0 takes three times as long as the others, and more is worse. */
const twoLanes = {
  plan: planOf({
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
    epochs: 4,
    parallel: 2,
    budget: budgetOf(6),
  }),
  cost: (trial: number) => (trial === 0 ? 3 : 1),
  values: [0.1, 0.5, 0.4, 0.3, 0.6, 0.2],
};

t.test('ASHA by hand: two lanes on the virtual clock', async t => {
  const { plan, cost, values } = twoLanes;
  const decisions = conduct(schedulerOf(partsOf(plan, cost)), segment =>
    done(segment, values[segment.trial]),
  );
  t.strictSame(brief(decisions), [
    ...['+0', '0:0-1', '+1', '1:0-1'],
    ...['1p', '+2', '2:0-1'], // time 1: one of one is no half
    ...['2:1-2'], // 2: the better of two
    ...['0:1-2', '2p', '+3', '3:0-1'], // 3: trials 0 and 2 end, the older first
    ...['3:1-2'], // 4: second of four
    ...['3:2-4'], // 5: the better of two at 2 epochs
    ...['0:2-4'], // 6: the best of three
    ...['3c', '+4', '4:0-1'], // 7
    ...['4p', '+5', '5:0-1'], // 8
    ...['5:1-2'], // 9: second of six
    ...['5:2-4'], // 10: second of four at 2 epochs
    ...['0c', '5c', '1x', '2x', '4x', 'trials 0'], // 12
  ]);
});

t.test('ASHA as its paper states it, on random sweeps', async () => {
  const property = fc.property(
    fc.record({
      seed: fc.nat(1000),
      min: fc.integer({ min: 1, max: 2 }),
      eta: fc.integer({ min: 2, max: 4 }),
      epochs: fc.integer({ min: 1, max: 30 }),
      parallel: fc.integer({ min: 1, max: 6 }),
      trials: fc.integer({ min: 1, max: 40 }),
    }),
    ({ seed, min, eta, epochs, parallel, trials }) => {
      const pruner: Pruner = { kind: 'asha', min_epochs: min, reduction_factor: eta };
      const plan = planOf({ pruner, epochs, parallel, budget: budgetOf(trials) });
      const cost = (trial: number) => 1 + Math.floor(5 * noise(seed, trial, 99));
      const world = worldOf(seed, 0);
      const advances = conduct(schedulerOf(partsOf(plan, cost)), world).filter(
        decision => decision.event === 'trial.advanced',
      );
      const value = (trial: number, to: number) => world({ trial, seed: 0, from: 0, to }).value as number;
      const expected = algorithmTwo({
        rungs: rungEpochs(pruner, epochs),
        eta,
        parallel,
        trials,
        cost,
        value,
      });
      return (
        JSON.stringify(advances.map(({ trial, from, to }) => [trial, from, to])) === JSON.stringify(expected)
      );
    },
  );
  fc.assert(property, { numRuns: 200, seed: 6 });
});

interface Halving {
  readonly rungs: readonly number[];
  readonly eta: number;
  readonly parallel: number;
  readonly trials: number;
  cost(trial: number): number;
  value(trial: number, epochs: number): number;
}

/** Algorithm 2 of the paper, line by line and without any index: the jobs it starts. */
function algorithmTwo({ rungs, eta, parallel, trials, cost, value }: Halving): number[][] {
  const started: number[][] = [];
  const promoted = rungs.map(() => new Set<number>());
  const results = rungs.map(() => [] as { trial: number; loss: number }[]);
  let working: { trial: number; k: number; end: number }[] = [];
  let drawn = 0;
  const getJob = (): { trial: number; k: number } | undefined => {
    for (let k = rungs.length - 2; k >= 0; k--) {
      const sorted = [...results[k]].sort((a, b) => a.loss - b.loss || a.trial - b.trial);
      const top = sorted.slice(0, Math.floor(sorted.length / eta));
      const next = top.find(({ trial }) => !promoted[k].has(trial));
      if (next) {
        promoted[k].add(next.trial);
        return { trial: next.trial, k: k + 1 };
      }
    }
    return drawn < trials ? { trial: drawn++, k: 0 } : undefined;
  };
  const workersAsk = (now: number) => {
    while (working.length < parallel) {
      const job = getJob();
      if (!job) return;
      const from = job.k === 0 ? 0 : rungs[job.k - 1];
      started.push([job.trial, from, rungs[job.k]]);
      working.push({ ...job, end: now + (rungs[job.k] - from) * cost(job.trial) });
    }
  };
  workersAsk(0);
  while (working.length > 0) {
    const [first] = [...working].sort((a, b) => a.end - b.end || a.trial - b.trial);
    working = working.filter(job => job !== first);
    results[first.k].push({ trial: first.trial, loss: value(first.trial, rungs[first.k]) });
    workersAsk(first.end);
  }
  return started;
}

t.test('rungs', async t => {
  t.strictSame(rungEpochs({ min_epochs: 1, reduction_factor: 3 }, 9), [1, 3, 9]);
  t.strictSame(rungEpochs({ min_epochs: 2, reduction_factor: 4 }, 33), [2, 8, 32, 33]);
  t.strictSame(rungEpochs({ min_epochs: 5, reduction_factor: 3 }, 5), [5], 'nothing to stop early');
  t.strictSame(
    rungEpochs({ min_epochs: 1, reduction_factor: 1.5 }, 6),
    [1, 2, 3, 5, 6],
    'whole epochs, each once',
  );
});

t.test('Hyperband: the brackets of the paper', async t => {
  // Table 1 of Li et al. (2018), "Hyperband: A Novel Bandit-Based Approach", R = 81, eta = 3: n_0 of each bracket
  t.strictSame(bracketSizes(5, 3), [81, 34, 15, 8, 5]);
  const hyperband = new Hyperband([1, 3, 9, 27, 81], 3);
  const counts = [0, 0, 0, 0, 0];
  for (let trial = 0; trial < 2 * 143; trial++) {
    const bracket = hyperband.bracket(trial);
    counts[bracket] += 1;
    t.equal(hyperband.rungs(trial)[0], [1, 3, 9, 27, 81][bracket]);
    const share = [81, 34, 15, 8, 5].map(size => (size * (trial + 1)) / 143);
    t.ok(
      counts.every((count, b) => Math.abs(count - share[b]) < 2),
      'dealt out evenly',
    );
  }
  t.strictSame(counts, [162, 68, 30, 16, 10]);
});

t.test('Hyperband by hand', async t => {
  // rungs 1, 3: of four trials, ceil(2 * 3 / 2) = 3 begin in bracket 0 and 2 in bracket 1, which stops none: dealt 0, 1, 0, 1, 0
  const pruner: Pruner = { kind: 'hyperband', min_epochs: 1, reduction_factor: 3 };
  const plan = planOf({ pruner, epochs: 3, budget: budgetOf(5) });
  const values = [0.3, 0.9, 0.2, 0.8, 0.4];
  const decisions = conduct(schedulerOf(partsOf(plan)), segment => done(segment, values[segment.trial]));
  t.strictSame(brief(decisions), [
    ...['+0', '0:0-1', '0p', '+1', '1:0-3', '1c', '+2', '2:0-1', '2p', '+3', '3:0-3', '3c'],
    ...['+4', '4:0-1', '4p', '2:1-3', '2c', '0x', '4x', 'trials 2'],
  ]);
  const brackets = decisions.flatMap(decision =>
    decision.event === 'trial.chosen' ? [decision.bracket] : [],
  );
  t.strictSame(brackets, [0, 1, 0, 1, 0]);
});

t.test('median: stops what Optuna stops', async t => {
  const file = join(packageRoot, 'test', 'fixtures', 'schedule', 'optuna-median.json');
  const { cases } = JSON.parse(readFileSync(file, 'utf8'));
  for (const { goal, epochs, curves, ended, ...options } of cases) {
    const plan = planOf({
      pruner: { kind: 'median', ...options },
      epochs,
      budget: budgetOf(curves.length),
      objective: { metric: 'm', goal },
    });
    const scheduler = schedulerOf(partsOf(plan));
    conduct(scheduler, segment => done(segment, curves[segment.trial][segment.to - 1]));
    t.strictSame(
      scheduler.trials().map(trial => trial.epochs),
      ended,
      `${goal}, ${JSON.stringify(options)}`,
    );
  }
});

t.test('without a pruner nothing waits for anything', async t => {
  const plan = planOf({
    pruner: { kind: 'none' },
    parallel: 2,
    budget: budgetOf(6),
    seeds: [0, 1],
    epochs: 2,
  });
  const scheduler = schedulerOf(partsOf(plan));
  const world = worldOf(1, 0);
  scheduler.advance();
  const [slow, first] = scheduler.ready();
  t.match(
    [slow, first],
    [
      { trial: 0, seed: 0 },
      { trial: 1, seed: 0 },
    ],
  );
  const order = [first];
  for (let next: Segment | undefined = first; next; ) {
    scheduler.report(world(next));
    t.strictSame(
      scheduler.advance().filter(({ event }) => event !== 'trial.advanced' && event !== 'trial.chosen'),
      [],
    );
    const given = scheduler.ready();
    t.ok(given.length <= 1, 'trial 0 holds the other lane');
    next = given[0];
    if (next) order.push(next);
  }
  t.equal(order.length, 11, 'all but the one that never ends');
  t.strictSame(
    scheduler.trials().map(({ state }) => state),
    ['running', 'running', 'ahead', 'ahead', 'ahead', 'ahead'],
  );
  t.strictSame(scheduler.pointOf(5), { x: 5 });
  scheduler.report(world(slow));
  const decisions = scheduler.advance();
  t.match(decisions.at(-1), { event: 'sweep.decided', reason: 'trials' });
  t.equal(scheduler.finished, true);
});

t.test('of a finite space no point comes twice, given out ahead or not', async t => {
  const values = [1, 2, 3, 4, 5, 6, 7, 8];
  const distribution = { kind: 'choice', values } as const;
  const space = { parameters: [{ keys: ['x'], name: 'x', distribution }], exclude: [] };
  for (const pruner of [ASHA, { kind: 'none' } as const]) {
    const plan = planOf({ pruner, space, parallel: 3, budget: budgetOf(9) });
    const scheduler = schedulerOf(partsOf(plan, () => 1, createSampler(space, plan.method, plan.seed)));
    const decisions = conduct(scheduler, worldOf(1, 0));
    const points = scheduler.trials().map(({ point }) => point.x as number);
    t.strictSame([...points].sort(), values, pruner.kind);
    t.match(decisions.at(-1), { reason: 'exhausted' });
  }
});

t.test('nothing is given out ahead of an end that is foreseen', async t => {
  const ends: [Partial<SweepPlan>, Outcome['status'], number | null][] = [
    [{ on_trial_error: 'stop' }, 'failed', null],
    [{ budget: budgetOf(9, 0.1) }, 'done', 0.1],
  ];
  for (const [changes, status, value] of ends) {
    const scheduler = schedulerOf(partsOf(planOf({ pruner: { kind: 'none' }, parallel: 2, ...changes })));
    scheduler.advance();
    const [slow, fast] = scheduler.ready();
    scheduler.report({ ...fast, status, value });
    t.strictSame([scheduler.advance(), scheduler.ready()], [[], []]);
    scheduler.report(done(slow, 0.5));
    // trial 2 takes the lane of trial 0, at whose virtual end that of trial 1 is still to come
    t.match(brief(scheduler.advance()), [
      '0c',
      '+2',
      '2:0-9',
      status === 'done' ? '1c' : '1f',
      /^(target 1|trial_error 0)$/,
    ]);
  }
});

t.test('seeds: mean, spread, and what becomes of a trial whose seeds differ', async t => {
  const plan = planOf({
    pruner: { kind: 'none' },
    seeds: [4, 5, 6],
    epochs: 2,
    budget: budgetOf(4),
    parallel: 2,
  });
  const values: Record<string, number> = { '4': 1, '5': 2, '6': 6 };
  const world: World = segment => {
    if (segment.trial === 1 && segment.seed === 5) return { ...segment, status: 'diverged', value: null };
    if (segment.trial === 2 && segment.seed === 4) return { ...segment, status: 'diverged', value: null };
    if (segment.trial === 2 && segment.seed === 6) return { ...segment, status: 'failed', value: null };
    if (segment.trial === 3) return done(segment, segment.seed === 6 ? null : 0);
    return done(segment, values[segment.seed]);
  };
  const scheduler = schedulerOf(partsOf(plan));
  const measured = conduct(scheduler, world).filter(({ event }) => event === 'trial.measured');
  const rest = { event: 'trial.measured', epochs: 2 };
  t.strictSame(measured, [
    // the squares of -2, -1 and 3 sum to 14
    { ...rest, trial: 0, value: 3, spread: Math.sqrt(7), status: 'done' },
    { ...rest, trial: 1, value: null, spread: null, status: 'diverged' },
    { ...rest, trial: 3, value: null, spread: null, status: 'done' },
  ]);
  t.strictSame(
    scheduler.trials().map(({ state }) => state),
    ['completed', 'diverged', 'failed', 'completed'],
  );
});

t.test('a diverged trial counts at its rung and is never promoted', async t => {
  const plan = planOf({ budget: budgetOf(3) });
  const world: World = segment =>
    segment.trial === 1 ? { ...segment, status: 'diverged', value: null } : done(segment, segment.trial / 10);
  t.strictSame(brief(conduct(schedulerOf(partsOf(plan)), world)), [
    ...['+0', '0:0-1', '0p', '+1', '1:0-1', '1x', '+2', '2:0-1', '2p', '0:1-3', '0p', '0x', '2x', 'trials 0'],
  ]);
  const hopeless: World = segment => ({ ...segment, status: 'diverged', value: null });
  t.strictSame(brief(conduct(schedulerOf(partsOf(plan)), hopeless)), [
    ...['+0', '0:0-1', '0x', '+1', '1:0-1', '1x', '+2', '2:0-1', '2x', 'trials none'],
  ]);
});

t.test('what a sampler is told', async t => {
  // rungs 1, 2, 4, two lanes; trial 0 fails, 1 diverges, 2 takes long, the others have their number as accuracy
  const plan = planOf({
    method: { kind: 'tpe', n_startup_trials: 0, n_ei_candidates: 1 },
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
    objective: { metric: 'test.accuracy', goal: 'maximize' },
    epochs: 4,
    parallel: 2,
    budget: budgetOf(9),
  });
  const heard: unknown[] = [];
  const sampler: Sampler = {
    suggest: (trial, finished, pending) => {
      heard.push([finished.map(({ point, ...rest }) => rest), pending.map(({ x }) => x)]);
      return { x: trial };
    },
  };
  const world: World = segment => {
    if (segment.trial === 0) return { ...segment, status: 'failed', value: null };
    if (segment.trial === 1) return { ...segment, status: 'diverged', value: null };
    return done(segment, segment.trial);
  };
  conduct(schedulerOf(partsOf(plan, trial => (trial === 2 ? 20 : 1), sampler)), world);
  const failed = { trial: 0, epochs: 0, state: 'failed', value: null };
  const diverged = { trial: 1, epochs: 1, state: 'complete', value: null };
  t.strictSame(heard.slice(0, 5), [
    [[], []],
    [[], [0]],
    [[failed], [1]],
    [[failed, diverged], [2]],
    // 3 was promoted to 2 epochs as the better of 1 and 3, and waits there
    [[failed, diverged, { trial: 3, epochs: 2, state: 'pruned', value: -3 }], [2]],
  ]);
  t.match(
    heard.at(-1),
    [{ 4: { trial: 5, epochs: 4, state: 'complete', value: -5 } }, [2]],
    'what is through',
  );
});

t.test('the best is sought where most epochs were seen', async t => {
  // trial 1 leads after one epoch; more is better
  const values = [
    [0.5, 0.6],
    [0.9, 0.4],
    [0.1, 0.2],
    [0.6, 0.5],
  ];
  const pruner: Pruner = { kind: 'asha', min_epochs: 1, reduction_factor: 2 };
  const objective = { metric: 'test.accuracy', goal: 'maximize' } as const;
  const plan = planOf({ pruner, objective, epochs: 2, budget: budgetOf(4) });
  const world: World = segment => done(segment, values[segment.trial][segment.to - 1]);
  const decisions = conduct(schedulerOf(partsOf(plan)), world);
  t.match(decisions.at(-1), { best: { trial: 3, value: 0.5, spread: null } });
});

t.test('budgets', async t => {
  const world: World = segment => done(segment, 1 / (1 + segment.trial));
  const none: Pruner = { kind: 'none' };

  await t.test('points run out', async t => {
    const plan = planOf({ pruner: none });
    const decisions = conduct(schedulerOf(partsOf(plan, () => 1, counting(3))), world);
    t.equal(brief(decisions).at(-1), 'exhausted 2');
  });
  await t.test('target, with its trial as the best', async t => {
    const plan = planOf({ budget: budgetOf(null, 0.25) });
    const decisions = conduct(schedulerOf(partsOf(plan)), world);
    // trial 3 has 1/4 after one epoch, where others have more epochs and less
    t.equal(brief(decisions).at(-1), 'target 3');
  });
  await t.test('an error that stops', async t => {
    const plan = planOf({ pruner: none, on_trial_error: 'stop', budget: budgetOf(9) });
    const failing: World = segment =>
      segment.trial === 2 ? { ...segment, status: 'failed', value: null } : world(segment);
    const decisions = conduct(schedulerOf(partsOf(plan)), failing);
    t.strictSame(brief(decisions).slice(-4), ['+2', '2:0-9', '2f', 'trial_error 1']);
  });
  await t.test('time: what runs is let finish, what waits is not promoted', async t => {
    const { plan, cost, values } = twoLanes;
    const scheduler = schedulerOf(partsOf(plan, cost));
    let position: number | undefined;
    const decisions = conduct(
      scheduler,
      segment => done(segment, values[segment.trial]),
      segment => {
        // trial 3 runs to 2 epochs and trial 0 too: 0, 1, 2, 2, 0, 3, 3
        if (segment.trial === 3 && segment.to === 2) position = scheduler.endBudget('time');
      },
    );
    t.equal(position, 7);
    t.equal(scheduler.endBudget('time'), 7, 'the first end holds');
    t.strictSame(brief(decisions).slice(-8), ['3:1-2', '3p', '0p', '0x', '1x', '2x', '3x', 'time 0']);
  });
  await t.test('time, ahead of decisions: what was given out counts', async t => {
    const plan = planOf({ pruner: none, parallel: 3 });
    const scheduler = schedulerOf(partsOf(plan));
    scheduler.advance();
    const [slow, ...others] = scheduler.ready();
    for (const segment of others) scheduler.report(world(segment));
    const ahead = scheduler.ready();
    t.strictSame(
      ahead.map(({ trial }) => trial),
      [3, 4],
    );
    t.equal(scheduler.endBudget('time'), 5);
    for (const segment of [...ahead, slow]) scheduler.report(world(segment));
    t.strictSame(scheduler.ready(), []);
    t.equal(brief(scheduler.advance()).at(-1), 'time 4');

    const rebuilt = schedulerOf(partsOf(plan));
    for (const segment of others) rebuilt.report(world(segment));
    t.equal(rebuilt.endBudget('time'), 3, 'and what an earlier process trained');
  });
});

t.test('contradictions are our defects', async t => {
  const scheduler = schedulerOf(partsOf(planOf({})));
  scheduler.advance();
  const [segment] = scheduler.ready();
  scheduler.report(done(segment, 0.5));
  scheduler.report(done(segment, 0.5));
  t.throws(() => scheduler.report(done(segment, 0.6)), /ended done with 0.5, and now done with 0.6/);
  t.throws(() => scheduler.report(done({ ...segment, seed: 9 }, 0.5)), /cannot have ended/);
  t.throws(() => scheduler.report({ ...segment, trial: 5, status: 'failed', value: 1 }), /cannot have ended/);
  t.throws(() => scheduler.endBudget('time', 0), /1 segments have begun/);
  t.throws(() => schedulerOf(partsOf(planOf({}), () => 0)).advance(), /cannot cost 0/);
});

/** A whole journal of a sweep. */
function journalOf(parts: ScheduleParts, world: World): JournalRecord[] {
  const machine = new Machine(parts, world, [1, 2, 3], undefined);
  machine.run();
  return machine.journal.records;
}

t.test('replay', async t => {
  const { plan, cost, values } = twoLanes;
  const parts = partsOf(plan, cost);
  const records = journalOf(parts, segment => done(segment, values[segment.trial]));
  const decided = records.filter(
    record => record.event.startsWith('trial.') || record.event === 'sweep.decided',
  );
  t.strictSame(replay(parts, records), { same: true, decisions: decided, unwritten: 0 });

  await t.test('a journal that ends before its last decisions', async t => {
    const end = records.findLastIndex(({ event }) => event === 'segment.end');
    // trial 5 measured and completed, three pruned, the sweep decided
    t.match(replay(parts, records.slice(0, end + 1)), { same: true, unwritten: 6 });
  });
  await t.test('a decision that was changed', async t => {
    const changed = records.map(record =>
      record.event === 'trial.paused' && record.trial === 2
        ? { ...record, event: 'trial.pruned' as const }
        : record,
    );
    t.match(replay(parts, changed), {
      same: false,
      recorded: '{"event":"trial.pruned","trial":2,"epochs":2}',
      replayed: '{"event":"trial.paused","trial":2,"epochs":2}',
    });
  });
  await t.test('a result that was changed', async t => {
    const changed = records.map(record =>
      record.event === 'segment.end' && record.trial === 2 && record.to === 1
        ? { ...record, value: 0.7 }
        : record,
    );
    const result = replay(parts, changed);
    t.match(result, { same: false, replayed: /"value":0.7/ });
  });
  await t.test('a decision too many', async t => {
    const more: JournalRecord = { event: 'trial.failed', trial: 9 };
    t.match(replay(parts, [...records, more]), { same: false, index: decided.length, replayed: undefined });
  });
});

t.test('what if', async t => {
  const epochs = 9;
  const free = (pruner: Pruner) =>
    planOf({ pruner, epochs, seeds: [1, 2], parallel: 3, budget: budgetOf(40) });
  const cost = (trial: number) => 1 + (trial % 4);

  await t.test(
    'a full sweep, decided again with every pruner, is the sweep that the pruner would have made',
    async t => {
      // every value is known: what never fails in this world is its values at rungs
      const calm = worldOf(3, 0);
      const history = (trial: number, seed: number) =>
        Array.from({ length: epochs }, (_, i) => ({
          epoch: i + 1,
          value: calm({ trial, seed, from: 0, to: i + 1 }).value,
        }));
      const none: Pruner = { kind: 'none' };
      const records = journalOf(partsOf(free(none), cost), calm);
      const median: Pruner = { kind: 'median', n_startup_trials: 3, n_warmup_epochs: 0, interval_epochs: 2 };
      for (const pruner of [none, ASHA, median, { ...ASHA, kind: 'hyperband' as const }]) {
        const parts = partsOf(free(pruner), cost);
        let trained = 0;
        const decisions = conduct(schedulerOf(parts), calm, ({ from, to }) => {
          trained += to - from;
        });
        const result = whatIf(
          { plan: free(none), pruner, costPerEpoch: parts.costPerEpoch, history },
          records,
        );
        t.equal(linesOf(result.decisions), linesOf(decisions), pruner.kind);
        t.strictSame(result.unknown, []);
        t.equal(result.isExact, true);
        t.strictSame(result.epochs, { recorded: 720, whatIf: trained, saved: 720 - trained });
        const last = decisions.at(-1);
        t.strictSame(result.best.whatIf, last?.event === 'sweep.decided' && last.best);
      }
    },
  );

  await t.test('without the history only the recorded rungs are known', async t => {
    const none: Pruner = { kind: 'none' };
    const { plan, cost: slow, values } = twoLanes;
    const records = journalOf(partsOf(plan, slow), segment => done(segment, values[segment.trial]));
    const result = whatIf({ plan, pruner: none, costPerEpoch: () => 1 }, records);
    // trials 0, 3 and 5 were trained to the end; of the others nothing is known there
    t.strictSame(result.unknown, [
      { trial: 1, from: 0, to: 4 },
      { trial: 2, from: 0, to: 4 },
      { trial: 4, from: 0, to: 4 },
    ]);
    t.equal(result.isExact, false);
    // who is not known there trains on all the same, to its next rung, which without a pruner is its end
    t.strictSame(result.epochs, { recorded: 1 + 1 + 3 * 4 + 2, whatIf: 6 * 4, saved: 16 - 6 * 4 });
    t.match(result.best, { recorded: { trial: 0, value: 0.1 }, whatIf: { trial: 0, value: 0.1 } });
  });

  await t.test('a target ends it: what comes after is neither trained nor unknown', async t => {
    const none: Pruner = { kind: 'none' };
    const records = journalOf(partsOf(free(none), cost), segment => done(segment, 1 / (1 + segment.trial)));
    const plan = { ...free(none), budget: budgetOf(40, 0.25) };
    const cut = records.filter(
      record => !('trial' in record) || record.trial < 4 || record.event === 'trial.chosen',
    );
    // 0 and 1 hold two lanes; 3 follows 2 on the third, and nothing follows 3
    const costPerEpoch = ({ x }: Point) => ((x as number) < 2 ? 100 : 1);
    const result = whatIf({ plan, pruner: none, costPerEpoch }, cut);
    t.match(result.best.whatIf, { trial: 3, value: 0.25 });
    t.strictSame([result.unknown, result.epochs.whatIf], [[], 4 * 2 * epochs]);
  });

  await t.test('what ended training ends it again, at the same epoch', async t => {
    const plan = planOf({ budget: budgetOf(2), pruner: { kind: 'none' } });
    const diverging: World = segment =>
      segment.trial === 0 ? { ...segment, status: 'diverged', value: null } : done(segment, 0.5);
    const records = journalOf(partsOf(plan), diverging);
    // looks after 1, 5 and 9 epochs; trial 0 diverged somewhere after the epochs that its history has
    const pruner: Pruner = { kind: 'median', n_startup_trials: 5, n_warmup_epochs: 0, interval_epochs: 4 };
    const known = (most: number) => (trial: number) =>
      [1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, trial === 0 ? most : 9).map(epoch => ({ epoch, value: 0.5 }));
    const decided = (most: number) =>
      whatIf({ plan, pruner, costPerEpoch: () => 1, history: known(most) }, records);
    t.strictSame(decided(4).unknown, [{ trial: 0, from: 1, to: 5 }]);
    t.strictSame(decided(6).unknown, []);
    t.strictSame(decided(6).epochs, { recorded: 18, whatIf: 18, saved: 0 });
    const again = whatIf({ plan, pruner: { kind: 'none' }, costPerEpoch: () => 1 }, records);
    t.strictSame(again.unknown, []);
    t.match(again.decisions[2], { event: 'trial.measured', trial: 0, epochs: 9, status: 'diverged' });
  });
});

t.test(
  'ASHA finds what random search finds, with a third of the epochs: 500 recorded LSTM trainings',
  async t => {
    const file = join(packageRoot, 'test', 'fixtures', 'schedule', 'lstm-table.json');
    const { trainings }: LstmTable = JSON.parse(readFileSync(file, 'utf8'));
    const rows = Uint32Array.from(trainings.keys());
    const objective = { metric: 'test.accuracy', goal: 'maximize' } as const;
    const search = (pruner: Pruner, order: Uint32Array) => {
      const plan = planOf({ pruner, objective, parallel: 4, budget: budgetOf(60) });
      const sampler: Sampler = { suggest: trial => trainings[order[trial]].point };
      const cost = (point: Point) => point['model.hidden_size'] as number;
      let epochs = 0;
      const scheduler = new Scheduler(plan, sampler, cost);
      const world: World = segment => {
        const value = trainings[order[segment.trial]].accuracy[segment.to - 1];
        return value === undefined ? { ...segment, status: 'diverged', value: null } : done(segment, value);
      };
      const decided = conduct(scheduler, world, ({ from, to }) => {
        epochs += to - from;
      }).at(-1);
      return { epochs, best: (decided?.event === 'sweep.decided' && decided.best?.value) || 0 };
    };
    const searches = Array.from({ length: 30 }, (_, seed) => {
      const order = RandomStream.of(seed, 'order').shuffle(rows.slice());
      return { random: search({ kind: 'none' }, order), asha: search(ASHA, order) };
    });
    const shares = searches.map(({ random, asha }) => asha.epochs / random.epochs).sort((a, b) => a - b);
    const missed = searches.map(({ random, asha }) => random.best - asha.best);
    const median = (shares[14] + shares[15]) / 2;
    t.ok(median <= 1 / 3, `median share of the epochs ${median}`);
    const sum = (kind: 'random' | 'asha') => searches.reduce((all, one) => all + one[kind].epochs, 0);
    t.ok(sum('asha') / sum('random') <= 1 / 3, 'and of all epochs together');
    const found = missed.filter(loss => loss === 0).length;
    t.ok(found >= 27, `the same best in ${found} of 30, at most ${Math.max(...missed)} less accurate`);
    t.comment(
      `share of the epochs ${shares[0]} to ${shares[29]}, all together ${sum('asha') / sum('random')}`,
    );
  },
);

t.test('ten thousand trials are decided in seconds', async t => {
  for (const pruner of [{ kind: 'none' } as const, { ...ASHA, kind: 'hyperband' } as const]) {
    const plan = planOf({ pruner, parallel: 8, budget: budgetOf(10_000) });
    const began = performance.now();
    conduct(schedulerOf(partsOf(plan)), segment => done(segment, (segment.trial * 7919) % 10_007));
    const seconds = (performance.now() - began) / 1000;
    t.ok(seconds < 15, `${pruner.kind}: ${seconds.toFixed(2)} s`);
  }
});
