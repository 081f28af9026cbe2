/**
 * `node dist/test/search-bench/main.js`: TPE against Optuna's recorded searches, same problems, budgets and number of seeds, as a table
 * in Markdown; then how long the next suggestion takes after 1,000 trials.
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

const record = readRecord();
const problems = recordedProblems(record);
const print = (...cells: readonly (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);

print('problem', 'trials', 'seeds', 'median regret', "Optuna's", 'P(better)', 'z');
print('---', '---:', '---:', '---:', '---:', '---:', '---:');
for (const problem of [...problems, ...recordedFurther(record)]) {
  const theirs = record.problems[problem.name].best.map(best => best - problem.optimum);
  const ours = theirs.map((_, seed) => regretOf(problem, seed));
  const { better, z } = rankTest(ours, theirs);
  const medians = [median(ours), median(theirs)].map(value => value.toFixed(4));
  print(problem.name, problem.budget, ours.length, ...medians, better.toFixed(2), z.toFixed(1));
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
