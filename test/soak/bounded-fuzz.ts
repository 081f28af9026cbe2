/** Fuzzing in a process whose heap is bounded, so that what takes too much memory ends it. */
import { fileURLToPath } from 'node:url';
import { execute } from '../support/programs.js';
import type { FuzzReport } from './fuzz.js';

const child = fileURLToPath(new URL('./fuzz-child.js', import.meta.url));

/** MiB; buffers lie outside the heap, so that both together stay below the limit. */
const HEAP_MB = 128;
const LIMIT_MB = 256;

export async function boundedFuzz(
  target: string,
  seed: number,
  count: number,
  from = 0,
): Promise<FuzzReport> {
  const flags = [`--max-old-space-size=${HEAP_MB}`, '--max-semi-space-size=4'];
  const args = [...flags, child, target, ...[seed, count, from].map(String)];
  const finished = await execute(process.execPath, args, { cwd: process.cwd(), env: process.env });
  if (finished?.code !== 0) return broken(target, `the process ended: ${finished?.stderr.slice(-2000)}`);
  const report = JSON.parse(finished.stdout) as FuzzReport;
  if (!(report.peakMb > LIMIT_MB)) return report;
  const failures = [`the process took ${Math.round(report.peakMb)} MiB`, ...report.failures];
  return { ...report, failed: report.failed + 1, failures };
}

function broken(target: string, why: string): FuzzReport {
  const none = { cases: 0, accepted: 0, refused: 0, slowestMs: Number.NaN, peakMb: Number.NaN };
  return { target, ...none, failed: 1, failures: [why] };
}
