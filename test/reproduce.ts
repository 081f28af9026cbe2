/**
 * `npm run reproduce`: the reference experiment in full, three seeds, through the launcher, as a
 * user would run it. Keeps the three summaries under experiments/reference/ and fails where the
 * accuracy is not PyTorch's.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Summary } from '../src/experiment/summary.js';
import { packageRoot } from '../src/util/root.js';

const SEEDS = [0, 1, 2];
/** PyTorch over six seeds: 96.7 to 98.1 %, 97.5 % on average. */
const MIN_MEAN = 0.97;
const LEAST = 0.96;

const folder = join(packageRoot, 'experiments/reference');
mkdirSync(folder, { recursive: true });

const accuracies = SEEDS.map(seed => {
  const { stdout, status } = spawnSync(
    join(packageRoot, 'run'),
    ['configs/mnist-lstm.yaml', '--set', `seed=${seed}`, '--output', 'experiments', '--json'],
    { cwd: packageRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (status !== 0) throw new Error(`seed ${seed}: exit code ${status}`);
  const summary = JSON.parse(stdout) as Summary;
  // where it ran is no part of the result
  const kept = { ...summary, directory: `experiments/${summary.name}/${summary.run_id}` };
  writeFileSync(join(folder, `mnist-lstm-seed-${seed}.json`), `${JSON.stringify(kept, null, 2)}\n`);
  const { accuracy } = summary.metrics.test;
  console.log(
    `seed ${seed}: test accuracy ${(100 * accuracy).toFixed(2)} %, ${summary.duration_s.toFixed(1)} s, ` +
      `${summary.ms_per_step?.toFixed(1)} ms a step, peak RSS ${summary.peak_rss_mb.toFixed(0)} MB`,
  );
  return accuracy;
});

const mean = accuracies.reduce((sum, one) => sum + one, 0) / accuracies.length;
const reached = mean >= MIN_MEAN && Math.min(...accuracies) >= LEAST;
console.log(`mean ${(100 * mean).toFixed(2)} %: ${reached ? 'as PyTorch' : 'too low'}`);
process.exitCode = reached ? 0 : 1;
