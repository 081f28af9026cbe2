/**
 * What a sweep trains: pruners, and the scheduler under every real order of ends and under kills.
 */
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { SweepPlan } from '../../src/sweep/schedule/plan.js';
import type { Pruner } from '../../src/sweep/schedule/pruners.js';
import { bracketSizes, hyperband, rungEpochs } from '../../src/sweep/schedule/pruners.js';
import type { Decision, Outcome, Segment } from '../../src/sweep/schedule/records.js';
import { replay } from '../../src/sweep/schedule/scheduler.js';
import type { Sampler } from '../../src/sweep/search/grid.js';
import { recordsOf } from '../../src/sweep/trials.js';
import { packageRoot } from '../../src/util/root.js';
import {
  brief,
  budgetOf,
  counting,
  done,
  drive,
  linesOf,
  Machine,
  noise,
  partsOf,
  planOf,
  schedulerOf,
  twoLanes,
  type World,
  worldOf,
} from '../support/schedules.js';

/** The segments of each trial, seed and fold. */
function byRun(segments: readonly Segment[]): Iterable<Segment[]> {
  const runs = new Map<string, Segment[]>();
  for (const segment of segments) {
    const key = `${segment.trial}/${segment.seed}/${segment.fold}`;
    runs.set(key, [...(runs.get(key) ?? []), segment]);
  }
  return runs.values();
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
  fc.record({ kind: fc.constant('folds' as const), margin: fc.constantFrom(0, 0.5, 2) }),
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
    folds: fc.constantFrom(1, 3, 4),
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

t.test('decisions do not depend on the order of real ends or on kills; no epoch runs twice', async t => {
  const reached = { time: 0, target: 0, trial_error: 0, trials: 0, exhausted: 0 };
  const property = fc.property(sweeps, ({ world: seed, trouble, choices, time, costs, plan: drawn }) => {
    const { folds, ...others } = drawn;
    const plan = planOf({ ...others, ...(others.pruner.kind === 'folds' && { folds }) });
    const sampler = plan.method.kind === 'tpe' ? listening : counting(14);
    const parts = partsOf(plan, trial => 1 + Math.floor(costs * noise(seed, trial, 99)), sampler);
    const world = worldOf(seed, trouble);
    const machine = new Machine(parts, world, choices, time);
    machine.run();

    const inOrder = schedulerOf(parts);
    if (machine.budgetEnd !== undefined) inOrder.endBudget(machine.budgetEnd);
    if (linesOf(drive(inOrder, world)) !== linesOf(machine.decisions))
      throw new Error('another order leads to other decisions');
    const again = replay(schedulerOf(parts), machine.journal.records);
    if (!again.same || again.unwritten > 0) throw new Error('the journal does not replay');
    for (const runs of byRun(machine.trained)) {
      const ordered = runs.sort((a, b) => a.from - b.from);
      ordered.forEach(({ from }, i) => {
        if (from !== (i === 0 ? 0 : ordered[i - 1].to))
          throw new Error(`a gap or an overlap at epoch ${from}`);
      });
    }
    const last = machine.decisions.at(-1);
    checkFinalist(machine.decisions);
    if (last?.event === 'sweep.decided') reached[last.reason] += 1;
  });
  fc.assert(property, { numRuns: 600, seed: 5 });
  t.ok(
    Object.values(reached).every(count => count > 5),
    `every end was reached: ${JSON.stringify(reached)}`,
  );
});

/** A sweep that was not cut off has a trial with all epochs, if one could be trained that far. */
function checkFinalist(decisions: readonly Decision[]): void {
  const last = decisions.at(-1);
  if (last?.event !== 'sweep.decided' || !/^(trials|exhausted)$/.test(last.reason)) return;
  if (decisions.some(({ event }) => event === 'trial.completed')) return;
  const ends = new Map<number, Decision>();
  for (const one of decisions) if (one.event === 'trial.measured') ends.set(one.trial, one);
  for (const one of decisions) {
    const end = one.event === 'trial.pruned' ? ends.get(one.trial) : undefined;
    if (end?.event === 'trial.measured' && end.status === 'done' && end.value !== null)
      throw new Error(`trial ${end.trial} could have been trained to its end`);
  }
}

t.test('ASHA trains the best paused trial to its last epoch if no trial was', async t => {
  const values = [0.5, 0.3, 0.4, 0.2];
  const plan = planOf({ budget: budgetOf(4) });
  const decisions = drive(schedulerOf(partsOf(plan)), segment => done(segment, values[segment.trial]));
  t.strictSame(brief(decisions).slice(-8), ['3:1-3', '3p', '3:3-9', '3c', '0x', '1x', '2x', 'trials 3']);

  // eight trials of five epochs: too few for a second halving by a factor of four
  const pruner: Pruner = { kind: 'asha', min_epochs: 1, reduction_factor: 4 };
  const short = planOf({ pruner, epochs: 5, budget: budgetOf(8), parallel: 3 });
  const ended = brief(drive(schedulerOf(partsOf(short)), segment => done(segment, segment.trial)));
  t.strictSame(
    ended.filter(one => one.endsWith('c')),
    ['0c'],
  );
  t.equal(ended.at(-1), 'trials 0');

  const diverging = drive(schedulerOf(partsOf(plan)), segment =>
    segment.trial === 3 && segment.to === 9
      ? { ...segment, status: 'diverged', value: null }
      : done(segment, values[segment.trial]),
  );
  t.strictSame(
    brief(diverging).slice(-7),
    ['3:3-9', '3x', '1:3-9', '1c', '0x', '2x', 'trials 1'],
    'then the next best',
  );
  const timed = schedulerOf(partsOf(plan));
  timed.endBudget(6);
  const stopped = brief(drive(timed, segment => done(segment, values[segment.trial])));
  t.equal(stopped.at(-1), 'time 3', 'not after the time budget');
});

t.test('ASHA by hand: two lanes on the virtual clock', async t => {
  const { plan, cost, values } = twoLanes;
  const decisions = drive(schedulerOf(partsOf(plan, cost)), segment => done(segment, values[segment.trial]));
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

t.test('ASHA matches its paper on random sweeps', async () => {
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
      const advances = drive(schedulerOf(partsOf(plan, cost)), world).filter(
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
      const started = advances.map(({ trial, from, to }) => [trial, from, to]);
      // our own rule: if no trial was trained to its end, the best one is
      const end = expected.some(([, , to]) => to === epochs) ? started.length : expected.length;
      return JSON.stringify(started.slice(0, end)) === JSON.stringify(expected);
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
});

t.test('Hyperband: the brackets of the paper', async t => {
  // Table 1 of Li et al. (2018), "Hyperband: A Novel Bandit-Based Approach", R = 81, eta = 3: n_0
  // of each bracket
  t.strictSame(bracketSizes(5, 3), [81, 34, 15, 8, 5]);
  const settings = { kind: 'hyperband', min_epochs: 1, reduction_factor: 3 } as const;
  const pruning = hyperband.create(settings, 81);
  const counts = [0, 0, 0, 0, 0];
  for (let trial = 0; trial < 2 * 143; trial++) {
    const bracket = pruning.bracket?.(trial) ?? -1;
    counts[bracket] += 1;
    t.equal(pruning.rungs(trial)[0], [1, 3, 9, 27, 81][bracket]);
    const share = [81, 34, 15, 8, 5].map(size => (size * (trial + 1)) / 143);
    t.ok(
      counts.every((count, b) => Math.abs(count - share[b]) < 2),
      'evenly distributed',
    );
  }
  t.strictSame(counts, [162, 68, 30, 16, 10]);
});

t.test('median: stops the same trials as Optuna', async t => {
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
    const decisions = drive(scheduler, segment => done(segment, curves[segment.trial][segment.to - 1]));
    t.strictSame(
      recordsOf(decisions).rows.map(({ epochs }) => epochs),
      ended,
      `${goal}, ${JSON.stringify(options)}`,
    );
  }
});

t.test('folds: a trial that is worse on the same folds stops between them', async t => {
  // worse than the best by 1.5, at a deviation of 1; best then; by 0.6 on average, at one of 0.29
  const values = [
    [1, 2, 3],
    [2.5, 0, 0],
    [1.5, 1.5, 2],
    [1.7, 2.5, 0],
    [1.7, 1.6, 2.1],
  ];
  for (const [goal, sign] of [
    ['minimize', 1],
    ['maximize', -1],
  ] as const) {
    const of = (margin: number) => {
      const plan = planOf({
        ...{ pruner: { kind: 'folds', margin }, folds: 3, budget: budgetOf(5), epochs: 2 },
        objective: { metric: 'm', goal },
      });
      const trained: string[] = [];
      const decisions = drive(
        schedulerOf(partsOf(plan)),
        segment => done(segment, sign * values[segment.trial][Number(segment.fold) - 1]),
        ({ trial, fold }) => void trained.push(`${trial}/${fold}`),
      );
      return { trained: trained.join(' '), ends: brief(decisions).filter(one => !/[+:]/.test(one)) };
    };
    t.same(of(1), {
      trained: '0/1 0/2 0/3 1/1 2/1 2/2 2/3 3/1 3/2 4/1 4/2 4/3',
      ends: ['0c', '1x', '2c', '3x', '4c', 'trials 2'],
    });
    t.same(of(0).trained, '0/1 0/2 0/3 1/1 2/1 3/1 4/1');
    t.same(of(9).ends.at(-1), 'trials 1', 'a trial that is never stopped');
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
  t.strictSame(scheduler.pointOf(5), { x: 5 });
  scheduler.report(world(slow));
  const decisions = scheduler.advance();
  t.match(decisions.at(-1), { event: 'sweep.decided', reason: 'trials' });
  t.equal(scheduler.isDecided, true);
});

t.test('nothing starts early once the end is known', async t => {
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

t.test('seeds: mean, spread, and trials whose seeds end differently', async t => {
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
  const decisions = drive(scheduler, world);
  const measured = decisions.filter(({ event }) => event === 'trial.measured');
  const rest = { event: 'trial.measured', epochs: 2 };
  t.strictSame(measured, [
    // the squares of -2, -1 and 3 sum to 14
    { ...rest, trial: 0, value: 3, spread: Math.sqrt(7), status: 'done' },
    { ...rest, trial: 1, value: null, spread: null, status: 'diverged' },
    { ...rest, trial: 3, value: null, spread: null, status: 'done' },
  ]);
  t.strictSame(
    recordsOf(decisions).rows.map(({ state }) => state),
    ['completed', 'diverged', 'failed', 'completed'],
  );
});

t.test('a diverged trial counts at its rung and is never promoted', async t => {
  const plan = planOf({ budget: budgetOf(3) });
  const world: World = segment =>
    segment.trial === 1 ? { ...segment, status: 'diverged', value: null } : done(segment, segment.trial / 10);
  t.strictSame(brief(drive(schedulerOf(partsOf(plan)), world)), [
    ...['+0', '0:0-1', '0p', '+1', '1:0-1', '1x', '+2', '2:0-1', '2p', '0:1-3', '0p'],
    ...['0:3-9', '0c', '2x', 'trials 0'],
  ]);
  const hopeless: World = segment => ({ ...segment, status: 'diverged', value: null });
  t.strictSame(brief(drive(schedulerOf(partsOf(plan)), hopeless)), [
    ...['+0', '0:0-1', '0x', '+1', '1:0-1', '1x', '+2', '2:0-1', '2x', 'trials none'],
  ]);
});

t.test('the observations of a sampler', async t => {
  // rungs 1, 2, 4, two lanes; trial 0 fails, 1 diverges, 2 takes long, the others have their number
  // as accuracy
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
  drive(schedulerOf(partsOf(plan, trial => (trial === 2 ? 20 : 1), sampler)), world);
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

t.test('the best trial is among those with the most epochs', async t => {
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
  const decisions = drive(schedulerOf(partsOf(plan)), world);
  t.match(decisions.at(-1), { best: { trial: 3, value: 0.5, spread: null } });
});
