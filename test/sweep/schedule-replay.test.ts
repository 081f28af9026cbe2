/** How a sweep ends, and its decisions made again from a journal. */
import t from 'tap';
import type { Pruner } from '../../src/sweep/schedule/pruners.js';
import type { JournalRecord } from '../../src/sweep/schedule/records.js';
import { replay } from '../../src/sweep/schedule/scheduler.js';
import {
  ASHA,
  brief,
  budgetOf,
  counting,
  done,
  drive,
  journalOf,
  partsOf,
  planOf,
  schedulerOf,
  twoLanes,
  type World,
} from '../support/schedules.js';
import { StepCounter } from '../support/steps.js';

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
        if (segment.trial === 3 && segment.to === 2) position = scheduler.endBudget();
      },
    );
    t.equal(position, 7);
    t.equal(scheduler.endBudget(), 7, 'the first end holds');
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
    t.equal(scheduler.endBudget(), 5);
    for (const segment of [...ahead, slow]) scheduler.report(world(segment));
    t.strictSame(scheduler.ready(), []);
    t.equal(brief(scheduler.advance()).at(-1), 'time 4');

    const rebuilt = schedulerOf(partsOf(plan));
    for (const segment of others) rebuilt.report(world(segment));
    t.equal(rebuilt.endBudget(), 3, 'and what an earlier process trained');
  });
});

t.test('replay', async t => {
  const { plan, cost, values } = twoLanes;
  const parts = partsOf(plan, cost);
  const records = journalOf(parts, segment => done(segment, values[segment.trial]));
  const decided = records.filter(
    record => record.event.startsWith('trial.') || record.event === 'sweep.decided',
  );
  t.strictSame(replay(schedulerOf(parts), records), { same: true, decisions: decided, unwritten: 0 });

  await t.test('a journal that ends before its last decisions', async t => {
    const end = records.findLastIndex(({ event }) => event === 'segment.end');
    // trial 5 measured and completed, three pruned, the sweep decided
    t.match(replay(schedulerOf(parts), records.slice(0, end + 1)), { same: true, unwritten: 6 });
  });
  await t.test('a decision that was changed', async t => {
    const changed = records.map(record =>
      record.event === 'trial.paused' && record.trial === 2
        ? { ...record, event: 'trial.pruned' as const }
        : record,
    );
    t.match(replay(schedulerOf(parts), changed), {
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
    const result = replay(schedulerOf(parts), changed);
    t.match(result, { same: false, replayed: /"value":0.7/ });
  });
  await t.test('an extra decision', async t => {
    const more: JournalRecord = { event: 'trial.failed', trial: 9 };
    t.match(replay(schedulerOf(parts), [...records, more]), {
      same: false,
      index: decided.length,
      replayed: undefined,
    });
  });
});

t.test('the cost of decisions is linear in the number of trials', async t => {
  const steps = new StepCounter(true);
  t.teardown(() => steps.stop());
  for (const pruner of [{ kind: 'none' }, { ...ASHA, kind: 'hyperband' }] as const) {
    const decide = (trials: number) => {
      const plan = planOf({ pruner, parallel: 8, budget: budgetOf(trials) });
      return () =>
        void drive(schedulerOf(partsOf(plan)), segment => done(segment, (segment.trial * 7919) % 10_007));
    };
    const times = await steps.growth(1000, decide);
    t.ok(times < 6, `${pruner.kind}: four times the trials are ${times.toFixed(1)} times the work`);
  }
});
