/**
 * Files that a run has written survive every fault at every operation of a save, and every flipped
 * bit is detected. `npm run soak` runs the long form.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { injectFaults } from '../soak/faults.js';
import type { Figures } from '../soak/figures.js';
import { flipCheckpoint, flipIndex } from '../soak/flips.js';
import { SCENARIOS } from '../soak/scenarios.js';
import { StepCounter } from '../support/steps.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const steps = new StepCounter();
const folder = temporaryFolder();
t.teardown(() => rmSync(folder, { recursive: true }));
let made = 0;

function fresh(): string {
  made += 1;
  const path = join(folder, String(made));
  mkdirSync(path);
  return path;
}

/** Throws if `flip` takes as many steps as a reader that one damaged file leads astray. */
async function few(flip: () => Figures): Promise<Figures> {
  const reports: Figures[] = [];
  const taken = await steps.of(() => reports.push(flip()));
  if (taken > 100_000_000) throw new Error(`took ${taken} steps`);
  return reports[0];
}

t.test('every flipped bit and every truncation of a checkpoint is reported with file and offset', async t => {
  const { cases, failures } = await few(() => flipCheckpoint(fresh()));
  t.same(failures, []);
  t.ok(cases > 4500);
});

t.test('a damaged index never leads to another checkpoint', async t => {
  t.same((await few(() => flipIndex(fresh()))).failures, []);
});

t.test('every operation x every fault: nothing is lost, each is reported, and a retry succeeds', async t => {
  steps.stop();
  for (const scenario of SCENARIOS) {
    const { what, cases, failures, note } = injectFaults(scenario, fresh());
    t.same(failures, [], `${what}: ${note}, ${cases} cases`);
    t.ok(cases > 5 * Number.parseInt(note ?? '', 10), 'each operation has its faults');
  }
});

t.test('a log line and a lock survive two faults in a row', async t => {
  for (const scenario of SCENARIOS.slice(-2)) {
    const { what, cases, failures } = injectFaults(scenario, fresh(), { twice: true });
    t.same(failures, [], `${what}: ${cases} cases`);
  }
});
