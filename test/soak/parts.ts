/** The parts of a soak, each as lines of its table. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { usageError } from '../../src/util/errors.js';
import { Workplace } from '../support/cli.js';
import { finishedRuns, tryDamages } from './damages.js';
import { injectFaults } from './faults.js';
import { flipCheckpoint, flipIndex } from './flips.js';
import { boundedFuzz, TARGETS } from './fuzz.js';
import { casesOf } from './fuzz-target.js';
import { HOSTILE, tryHostile } from './hostile.js';
import { createWorld, trySequences } from './invariants.js';
import { inOwnProcess } from './killable.js';
import { growth, sampleMemory } from './memory.js';
import type { Part, SoakOptions } from './options.js';
import { SCENARIOS } from './scenarios.js';
import { killsAtEveryStep, killsAtSeams, manyKills, manySignals } from './stopped-runs.js';
import { manySweepKills } from './sweep-kills.js';

/** What one line of the table says. */
export interface Figures {
  readonly what: string;
  readonly cases: number;
  readonly failed: number;
  /** The first few in words. */
  readonly failures: readonly string[];
  readonly slowestMs?: number;
  readonly peakMb?: number;
  /** Such as how many were refused. */
  readonly note: string;
}

type Run = (options: SoakOptions, folder: string) => AsyncGenerator<Figures>;

export const runs: Readonly<Record<Part, Run>> = {
  faults,
  flips,
  damages,
  fuzz,
  hostile,
  kills,
  'every-step': everyStep,
  signals,
  sweeps,
  invariants,
  memory,
};

/** A hundred at a time, each of a seed of its own, so that a failure is found again soon. */
async function* invariants({ sequences, seed }: SoakOptions): AsyncGenerator<Figures> {
  const work = new Workplace();
  const world = await createWorld(work);
  const failures: string[] = [];
  let commands = 0;
  try {
    for (let done = 0; done < sequences; done += 100) {
      const tried = await trySequences(world, Math.min(100, sequences - done), seed + done / 100);
      commands += tried.commands;
      if (tried.failure !== undefined) failures.push(tried.failure);
    }
  } finally {
    world.end();
    work.remove();
  }
  const note = `${commands} commands`;
  yield { what: 'sequences', cases: sequences, failed: failures.length, failures, note };
}

async function* faults(_: SoakOptions, folder: string): AsyncGenerator<Figures> {
  for (const scenario of SCENARIOS) {
    const { operations, cases, failures } = injectFaults(scenario, { folder: below(folder), twice: true });
    const note = `${operations} operations`;
    yield { what: scenario.name, cases, failed: failures.length, failures, note };
  }
}

async function* flips(_: SoakOptions, folder: string): AsyncGenerator<Figures> {
  const files = { 'a checkpoint': flipCheckpoint, 'index.json': flipIndex };
  for (const [what, flip] of Object.entries(files)) {
    const { flips, truncations, failures, slowestMs } = flip(below(folder));
    const note = `${flips} bits, ${truncations} lengths`;
    yield { what, cases: flips + truncations, failed: failures.length, failures, slowestMs, note };
  }
}

/** Of a finished run, as often as a reader's input is damaged, up to 10000. */
async function* damages({ cases, seed }: SoakOptions, folder: string): AsyncGenerator<Figures> {
  const work = new Workplace();
  try {
    const [run, other] = await finishedRuns(work);
    const report = tryDamages(run, other, below(folder), { seed, count: Math.min(cases, 10_000) });
    const { failures, found } = report;
    yield { what: 'a finished run', ...report, failed: failures.length, failures, note: `${found} found` };
  } finally {
    work.remove();
  }
}

async function* fuzz({ cases, from, target, seed }: SoakOptions): AsyncGenerator<Figures> {
  const chosen = TARGETS.filter(({ name }) => target === undefined || name === target);
  if (chosen.length === 0) {
    const expected = TARGETS.map(({ name }) => name).join(', ');
    throw usageError({ code: 'soak/option', message: `--target is '${target}'`, expected });
  }
  for (const one of chosen) {
    const report = await boundedFuzz(one.name, seed, casesOf(one, cases), from);
    yield { ...report, what: one.name, note: `${report.accepted} taken, ${report.refused} refused` };
  }
}

async function* hostile(_: SoakOptions, folder: string): AsyncGenerator<Figures> {
  const { cases, writes, failures } = await tryHostile(HOSTILE, below(folder));
  yield {
    what: 'names, paths, links',
    cases,
    failed: failures.length,
    failures,
    note: `${writes} writes, all inside`,
  };
}

async function* kills({ seed, kills: count, jobs }: SoakOptions, folder: string): AsyncGenerator<Figures> {
  yield manyKills(below(folder), { seed, count, jobs, finish: inOwnProcess });
  yield killsAtSeams(below(folder), { jobs, finish: inOwnProcess });
}

async function* everyStep(options: SoakOptions, folder: string): AsyncGenerator<Figures> {
  const { seed, steps: count, jobs } = options;
  yield killsAtEveryStep(below(folder), { seed, count, jobs, finish: inOwnProcess });
}

async function* signals(options: SoakOptions, folder: string): AsyncGenerator<Figures> {
  const { seed, signals: count, jobs } = options;
  yield* await manySignals(below(folder), { seed, count, jobs, finish: inOwnProcess });
}

async function* sweeps({ seed, sweepKills, trials }: SoakOptions, folder: string): AsyncGenerator<Figures> {
  yield manySweepKills(below(folder), { seed, count: sweepKills, trials });
}

async function* memory(_: SoakOptions, folder: string): AsyncGenerator<Figures> {
  const samples = await sampleMemory(below(folder), 1_000, 10_000);
  const failures = growth(samples);
  const note = samples
    .map(
      ({ step, heap, resident }) =>
        `${step}: ${(heap / 1e6).toFixed(1)} of ${(resident / 1e6).toFixed(0)} MB`,
    )
    .join(', ');
  yield { what: 'heap and RSS after steps', cases: samples.length, failed: failures.length, failures, note };
}

let made = 0;

/** An empty folder of its own. */
function below(folder: string): string {
  made += 1;
  const path = join(folder, String(made));
  mkdirSync(path);
  return path;
}
