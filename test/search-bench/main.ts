/**
 * `node dist/test/search-bench/main.js`: TPE against Optuna's recorded searches, same problems and
 * budgets, as a table in Markdown: with the seeds 0 to 29, as the test has it, and with others;
 * then how long the next suggestion takes after 1,000 trials.
 */
import { createSampler } from '../../src/sweep/search/index.js';
import {
  median,
  rankTest,
  readRecord,
  recordedFurther,
  recordedProblems,
  regretOf,
  search,
  TPE,
} from './comparison.js';
import type { Problem } from './problems.js';

const TOLD_TRIALS = 1000;
const REPEATS = 11;
/** Seeds that nothing was chosen by. */
const FRESH_SEEDS = { from: 1000, count: 60 };

const record = readRecord();
const problems = recordedProblems(record);
const print = (...cells: readonly (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);

print(
  'problem',
  'trials',
  "Optuna's median regret",
  'ours',
  'P(better)',
  'z',
  `ours, ${FRESH_SEEDS.count} other seeds`,
  'P(better)',
  'z',
);
print('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---:');
for (const problem of [...problems, ...recordedFurther(record)]) {
  const theirs = record.problems[problem.name].best.map(best => best - problem.optimum);
  const ours = theirs.map((_, seed) => regretOf(problem, seed));
  const fresh = Array.from({ length: FRESH_SEEDS.count }, (_, i) => regretOf(problem, FRESH_SEEDS.from + i));
  const judged = [ours, fresh].flatMap(regrets => {
    const { better, z } = rankTest(regrets, theirs);
    return [median(regrets).toFixed(4), better.toFixed(2), z.toFixed(1)];
  });
  print(problem.name, problem.budget, median(theirs).toFixed(4), ...judged);
}

console.log();
print(
  'problem',
  'parameters',
  `ms of processor time for a suggestion after ${TOLD_TRIALS} trials (median of ${REPEATS})`,
);
print('---', '---:', '---:');
for (const problem of problems)
  print(problem.name, problem.space.parameters.length, timeOf(problem).toFixed(1));

/** Processor time, lest other programs count. */
function timeOf(problem: Problem): number {
  const told = search(problem, createSampler(problem.space, { kind: 'random' }, 0), TOLD_TRIALS);
  const sampler = createSampler(problem.space, TPE, 0);
  const times = Array.from({ length: REPEATS }, (_, i) => {
    const start = process.cpuUsage();
    sampler.suggest(TOLD_TRIALS + i, told, []);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  });
  return median(times);
}
