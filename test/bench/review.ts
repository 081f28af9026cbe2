/** How long `review` takes for a run with a long log, as a whole process, and how much memory. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { peakMemory, runProgram } from './programs.js';
import type { Figure } from './results.js';
import { spreadOf } from './statistics.js';

const LINES = 1_000_000;
/** Of the two lines that alternate, on average: 300 MB in all. */
const BYTES = 300;
/** Lines that are written at once. */
const BLOCK = 10_000;
/** No gate is written in it, and the run completed. */
const DONE = [0];

export async function measureReview(rounds: number): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-bench-'));
  try {
    const run = writeRun(folder);
    const seconds: number[] = [];
    const megabytes: number[] = [];
    for (let round = 0; round < rounds; round++) {
      let peak = 0;
      const watch = (pid: number) => {
        peak = Math.max(peak, peakMemory(pid));
      };
      const finished = await runProgram(join(packageRoot, 'run'), ['review', run], { allowed: DONE, watch });
      if (!finished.stdout.includes('Review: passed.')) throw new Error(finished.stdout);
      seconds.push(finished.seconds);
      megabytes.push(peak);
    }
    const what = `./run review, ${LINES.toLocaleString('en')} log lines of ${BYTES} bytes`;
    return [
      { id: 'whole/review', what, unit: 's', ours: spreadOf(seconds) },
      { id: 'whole/review-rss', what: 'peak RSS of that review', unit: 'MB', ours: spreadOf(megabytes) },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run as a long training leaves it; gives its directory. */
function writeRun(folder: string): string {
  const run = join(folder, 'long', '20260131T120000Z-00000000');
  mkdirSync(run, { recursive: true });
  writeFileSync(join(run, 'config.resolved.yaml'), 'version: 1\nname: long\nseed: 0\n');
  writeFileSync(join(run, 'summary.json'), JSON.stringify(summary(run)));
  writeFileSync(join(run, 'manifest.json'), JSON.stringify(manifest()));
  const log = openSync(join(run, 'log.jsonl'), 'w');
  try {
    for (let from = 0; from < LINES; from += BLOCK)
      writeSync(log, Array.from({ length: BLOCK }, (_, i) => logLine(from + i)).join(''));
    writeSync(log, endLine());
  } finally {
    closeSync(log);
  }
  return run;
}

function endLine(): string {
  const { status, exit_code, epochs, steps, duration_s } = summary('');
  return `${JSON.stringify({ ...headOf(LINES, 'run.end'), status, exit_code, epochs, steps, duration_s })}\n`;
}

function headOf(seq: number, event: string) {
  return { level: 'info', time: '2026-01-31T12:00:00.000Z', v: 1, seq, event };
}

function manifest() {
  const { run_id, name, config_hash } = summary('');
  return {
    version: 1,
    run_id,
    name,
    started: '2026-01-31T12:00:00.000Z',
    config_hash,
    config_files: ['/long.yaml'],
    backend: {
      name: 'cpu',
      reason: 'asked for',
      executor: 'cpu',
      arithmetic: null,
      threads: 1,
      adapter: null,
    },
    datasets: [],
    seeds: { experiment: 0 },
    parameters: 1,
    command_line: ['run', 'long.yaml'],
    versions: { cellrun: '0.1.0', node: '20.0.0', 'gpu.js': '2.0.0' },
    git: null,
    machine: { platform: 'linux', arch: 'x64', cpu: 'any', cores: 1, memory_mb: 1 },
  };
}

function logLine(seq: number): string {
  const head = `{"level":"info","time":"2026-01-31T12:00:00.000Z","v":1,"seq":${seq},"event":`;
  const place = `"epoch":1,"step":${(seq >> 1) + 1}`;
  if (seq % 2 === 0)
    return `${head}"train.step",${place},"loss":${1 / (seq + 1.1)},"learning_rate":${1 / 997},"grad_norm":${Math.sqrt(seq + 2)},"samples_per_s":${12345 + 1 / 7}}\n`;
  const rest =
    '"bytes":2000000,"metric":"test.loss","value":0.5,"best":false,"temporary":false,"duration_s":0.01}\n';
  const line = `${head}"checkpoint.saved",${place},"path":"checkpoints/",${rest}`;
  const path = 'x'.repeat(Math.max(0, 2 * BYTES - 240 - line.length));
  return line.replace('checkpoints/', `checkpoints/${path}`);
}

function summary(directory: string) {
  return {
    version: 1,
    run_id: '20260131T120000Z-00000000',
    name: 'long',
    status: 'completed',
    exit_code: 0,
    directory,
    config_hash: '0'.repeat(64),
    backend: 'webasm',
    executor: 'webasm',
    seed: 0,
    steps: LINES / 2,
    epochs: 1,
    skipped_batches: 0,
    metrics: { train: { loss: 1 }, test: { loss: 1 } },
    best: null,
    gates: [],
    duration_s: 1,
    train_s: 1,
    eval_s: 0,
    ms_per_step: 1,
    calibration_ms: 1,
    step_ratio: 1,
    parameters: 1,
    peak_rss_mb: 1,
    checkpoints: { last: null, best: null },
  };
}
