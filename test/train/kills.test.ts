/**
 * Real processes that are killed or stopped resume to the same end. `npm run soak` runs the long
 * form.
 */
import t, { type Test } from 'tap';
import type { Figures } from '../soak/figures.js';
import { inThisProcess, killable } from '../soak/killable.js';
import { afterStep, killOnce, killsAtEveryStep, manyKills, manySignals, seamsAtEnd } from '../soak/stops.js';
import { work } from '../support/work.js';

// slow machines need more time
t.setTimeout(300_000);

const extent = (cases: number) => ({ seed: 1, cases, jobs: 2 });

function holds(t: Test, { what, cases, failures }: Figures, expected: number): void {
  t.same(failures, [], what);
  t.equal(cases, expected, 'none was left out');
}

t.test('SIGKILL at random moments', async t =>
  holds(t, await manyKills(work.folder(), extent(4), inThisProcess), 4),
);
// test/train/resume.test.ts covers a crash after each step
t.test('SIGKILL after steps', async t =>
  holds(t, await killsAtEveryStep(work.folder(), extent(2), inThisProcess), 2),
);
t.test("SIGKILL between the steps of a run's end", async t => {
  // ends within an epoch, so its last checkpoint is written twice
  const run = await killable(work.folder(), 'two layers, Adam', { max_steps: 15 });
  const found = await Promise.all(
    seamsAtEnd(run).map(moment => killOnce(run, work.folder(), moment, inThisProcess)),
  );
  t.same(found.flat(), []);
});
t.test('SIGKILL with dropout, both directions and carried states', async t => {
  for (const name of ['dropout and both directions', 'dropout and carried states']) {
    const run = await killable(work.folder(), name, { num_epochs: 2, max_steps: 17 });
    t.same(await killOnce(run, work.folder(), afterStep(7), inThisProcess), [], name);
  }
});
t.test('SIGKILL during warm-up, before a rate reduction, and before an early stop', async t => {
  const run = await killable(work.folder(), 'a plateau, a warm-up, an average and early stopping');
  t.match(run.straight, { steps: 27, stopped_early: { metric: 'test.loss' } });
  // half of the warm-up, the step before the first reduction, the step before the early stop
  for (const step of [7, 24, 27]) {
    t.same(await killOnce(run, work.folder(), afterStep(step), inThisProcess), []);
  }
});
t.test('a signal in each phase', async t =>
  holds(t, await manySignals(work.folder(), extent(8), inThisProcess), 8),
);
