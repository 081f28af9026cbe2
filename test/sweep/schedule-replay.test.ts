/**
 * How a sweep ends, its decisions made again from a journal, and what other pruners would have
 * decided.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Pruner } from '../../src/sweep/plan.js';
import type { JournalRecord } from '../../src/sweep/records.js';
import { replay } from '../../src/sweep/schedule/replay.js';
import { Scheduler } from '../../src/sweep/schedule/scheduler.js';
import { whatIf } from '../../src/sweep/schedule/what-if.js';
import type { Sampler } from '../../src/sweep/search/sampler.js';
import type { Point } from '../../src/sweep/space.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import type { LstmTable } from '../search-bench/lstm-problem.js';
import { BlockCounter } from '../support/executed-blocks.js';
import {
  ASHA,
  brief,
  budgetOf,
  counting,
  done,
  drive,
  journalOf,
  linesOf,
  partsOf,
  planOf,
  schedulerOf,
  twoLanes,
  type World,
  worldOf,
} from '../support/schedules.js';

t.test('budgets', async t => {
  const world: World = segment => done(segment, 1 / (1 + segment.trial));
  const none: Pruner = { kind: 'none' };

  await t.test('points run out', async t => {
    const plan = planOf({ pruner: none });
    const decisions = drive(schedulerOf(partsOf(plan, () => 1, counting(3))), world);
    t.equal(brief(decisions).at(-1), 'exhausted 2');
  });
  await t.test('target, with its trial as the best', async t => {
    const plan = planOf({ budget: budgetOf(null, 0.25) });
    const decisions = drive(schedulerOf(partsOf(plan)), world);
    // trial 3 has 1/4 after one epoch, where others have more epochs and less
    t.equal(brief(decisions).at(-1), 'target 3');
  });
  await t.test('an error that stops', async t => {
    const plan = planOf({ pruner: none, on_trial_error: 'stop', budget: budgetOf(9) });
    const failing: World = segment =>
      segment.trial === 2 ? { ...segment, status: 'failed', value: null } : world(segment);
    const decisions = drive(schedulerOf(partsOf(plan)), failing);
    t.strictSame(brief(decisions).slice(-4), ['+2', '2:0-9', '2f', 'trial_error 1']);
  });
  await t.test('time: running segments finish, paused trials are not promoted', async t => {
    const { plan, cost, values } = twoLanes;
    const scheduler = schedulerOf(partsOf(plan, cost));
    let position: number | undefined;
    const decisions = drive(
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
  await t.test('time: segments that started before their decision count', async t => {
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

t.test('contradictory outcomes throw', async t => {
  const scheduler = schedulerOf(partsOf(planOf({})));
  scheduler.advance();
  const [segment] = scheduler.ready();
  scheduler.report(done(segment, 0.5));
  scheduler.report(done(segment, 0.5));
  t.throws(() => scheduler.report(done(segment, 0.6)), /ended as done with 0.5, then as done with 0.6/);
  t.throws(() => scheduler.report(done({ ...segment, seed: 9 }, 0.5)), /cannot end as/);
  t.throws(() => scheduler.report({ ...segment, trial: 5, status: 'failed', value: 1 }), /cannot end as/);
  t.throws(() => scheduler.endBudget('time', 0), /: 1 have started/);
  t.throws(() => schedulerOf(partsOf(planOf({}), () => 0)).advance(), /cannot cost 0/);
});

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
  await t.test('an extra decision', async t => {
    const more: JournalRecord = { event: 'trial.failed', trial: 9 };
    t.match(replay(parts, [...records, more]), { same: false, index: decided.length, replayed: undefined });
  });
});

t.test('what if', async t => {
  const epochs = 9;
  const free = (pruner: Pruner) =>
    planOf({ pruner, epochs, seeds: [1, 2], parallel: 3, budget: budgetOf(40) });
  const cost = (trial: number) => 1 + (trial % 4);

  await t.test('a full sweep replayed with each pruner equals the sweep with that pruner', async t => {
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
      const decisions = drive(schedulerOf(parts), calm, ({ from, to }) => {
        trained += to - from;
      });
      const result = whatIf({ plan: free(none), pruner, costPerEpoch: parts.costPerEpoch, history }, records);
      t.equal(linesOf(result.decisions), linesOf(decisions), pruner.kind);
      t.strictSame(result.unknown, []);
      t.equal(result.isExact, true);
      t.strictSame(result.epochs, { recorded: 720, whatIf: trained, saved: 720 - trained });
      const last = decisions.at(-1);
      t.strictSame(result.best.whatIf, last?.event === 'sweep.decided' && last.best);
    }
  });

  await t.test('without history only recorded rungs are known', async t => {
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
    // who is not known there trains on all the same, to its next rung, which without a pruner is
    // its end
    t.strictSame(result.epochs, { recorded: 1 + 1 + 3 * 4 + 2, whatIf: 6 * 4, saved: 16 - 6 * 4 });
    t.match(result.best, { recorded: { trial: 0, value: 0.1 }, whatIf: { trial: 0, value: 0.1 } });
  });

  await t.test('after a target is reached nothing is trained or unknown', async t => {
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

  await t.test('a diverged trial diverges again at the same epoch', async t => {
    const plan = planOf({ budget: budgetOf(2), pruner: { kind: 'none' } });
    const diverging: World = segment =>
      segment.trial === 0 ? { ...segment, status: 'diverged', value: null } : done(segment, 0.5);
    const records = journalOf(partsOf(plan), diverging);
    // looks after 1, 5 and 9 epochs; trial 0 diverged somewhere after the epochs that its history
    // has
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
      const decided = drive(scheduler, world, ({ from, to }) => {
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

t.test('the cost of decisions is linear in the number of trials', async t => {
  const blocks = new BlockCounter();
  t.teardown(() => blocks.close());
  for (const pruner of [{ kind: 'none' }, { ...ASHA, kind: 'hyperband' }] as const) {
    const decide = (trials: number) => {
      const plan = planOf({ pruner, parallel: 8, budget: budgetOf(trials) });
      return () =>
        void drive(schedulerOf(partsOf(plan)), segment => done(segment, (segment.trial * 7919) % 10_007));
    };
    const times = blocks.growth(1000, decide);
    t.ok(times < 6, `${pruner.kind}: four times the trials are ${times.toFixed(1)} times the work`);
  }
});
