/**
 * How long `review` takes, as a whole process, for a run with a long log and for one with large
 * weights, whose digests it checks, and how much memory.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MANIFEST, SUMMARY } from '../support/run-facts.js';
import { inFolder, launcher, runProgram } from './programs.js';
import type { Figure } from './results.js';
import { spreadOf } from './results.js';

const LINES = 1_000_000;
/** Of the two lines that alternate, on average: 300 MB in all. */
const BYTES = 300;
const WEIGHTS = 'checkpoints/step-00000008.safetensors';
const WEIGHTS_BYTES = 1 << 28;
export async function measureReview(rounds: number): Promise<Figure[]> {
  const long = await measured(rounds, LINES, 0);
  const large = await measured(rounds, 2, WEIGHTS_BYTES);
  const what = `./run review, ${LINES.toLocaleString('en')} log lines of ${BYTES} bytes`;
  const weights = `./run review, a checkpoint of ${WEIGHTS_BYTES >> 20} MiB`;
  return [
    { id: 'whole/review', what, unit: 's', ours: spreadOf(long.seconds) },
    { id: 'whole/review-rss', what: 'peak RSS of that review', unit: 'MB', ours: spreadOf(long.megabytes) },
    { id: 'whole/review-weights', what: weights, unit: 's', ours: spreadOf(large.seconds) },
  ];
}

function measured(rounds: number, lines: number, weights: number) {
  return inFolder(async folder => {
    const found = { seconds: [] as number[], megabytes: [] as number[] };
    const run = writeRun(folder, lines, weights);
    for (let round = 0; round < rounds; round++) {
      const { stdout, seconds, peakMb } = await runProgram(launcher, ['review', run]);
      // damage would be an exit code; the run has no gate to pass
      if (!stdout.includes('Review: not judged: no gate and no baseline.')) throw new Error(stdout);
      found.seconds.push(seconds);
      found.megabytes.push(peakMb);
    }
    return found;
  });
}

/** A completed run as a long training leaves it; returns its directory. */
function writeRun(folder: string, lines: number, weights: number): string {
  const run = join(folder, 'long', '20260131T120000Z-00000000');
  mkdirSync(join(run, 'checkpoints'), { recursive: true });
  const put = (name: string, content: string | Buffer) => {
    writeFileSync(join(run, name), content);
    return createHash('sha256').update(content).digest('hex');
  };
  const config = put('config.resolved.yaml', 'version: 1\nname: tried\nseed: 0\n');
  const manifest = put(
    'manifest.json',
    JSON.stringify({ ...MANIFEST, digests: { 'config.resolved.yaml': config } }),
  );
  const files = {
    'manifest.json': manifest,
    ...(weights > 0 && { [WEIGHTS]: put(WEIGHTS, Buffer.alloc(weights, 1)) }),
  };
  const log = Buffer.concat(Array.from({ length: lines }, (_, seq) => Buffer.from(logLine(seq))));
  const digest = { records: lines, sha256: put('log.jsonl', log) };
  const summary = { ...SUMMARY, steps: lines / 2, digests: { log: digest, files } };
  const summary_sha256 = put('summary.json', JSON.stringify(summary));
  const end = { level: 'info', seq: lines, event: 'run.end', status: 'completed', summary_sha256 };
  put('log.jsonl', Buffer.concat([log, Buffer.from(`${JSON.stringify(end)}\n`)]));
  return run;
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
