/** `review --recompute`: evaluates the final weights of completed runs again. */
import { resolve } from 'node:path';
import type { BackendRequest } from '../../engine/backend-names.js';
import { machineArithmetic } from '../../engine/simd-compile.js';
import type { Doubt } from '../../judge/judging/run-facts.js';
import { evaluateCheckpoint, openModel } from '../../predict/open.js';
import { runPaths } from '../../run/find.js';
import { versions } from '../../run/manifest.js';
import { Run } from '../../run/run.js';
import type { SplitMetrics } from '../../run/summary.js';
import { EXIT, UserError } from '../../util/errors.js';

/**
 * Tolerance of a metric, relative above 1 and absolute below. Sums differ in their last digits
 * between backends, and with fused multiply-add.
 */
const TOLERANCE = 1e-3;

/**
 * Evaluates the weights of runs and returns, by absolute directory, how the recorded metrics
 * differ. Contains only runs that differ or cannot be evaluated.
 */
export async function recompute(paths: readonly string[]): Promise<ReadonlyMap<string, Doubt>> {
  const doubts = new Map<string, Doubt>();
  for (const path of runPaths(paths)) {
    const doubt = await doubtOf(path);
    if (doubt !== undefined) doubts.set(resolve(path), doubt);
  }
  return doubts;
}

async function doubtOf(path: string): Promise<Doubt | undefined> {
  try {
    const reason = await difference(path);
    return reason === undefined ? undefined : { reason, isDamage: true };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return {
      reason: `its weights could not be evaluated: ${error.message}`,
      isDamage: error.exitCode === EXIT.damaged,
    };
  }
}

async function difference(path: string): Promise<string | undefined> {
  const { summary, manifest } = Run.open(path);
  // does not pass anyway
  if (summary?.status !== 'completed' || manifest === undefined) return undefined;
  const model = openModel(path, { checkpoint: summary.restored?.step ?? summary.steps });
  const { name: backend, arithmetic } = manifest.backend;
  const isExact =
    (backend === 'cpu' || (backend === 'webasm' && arithmetic === machineArithmetic())) &&
    manifest.versions.cellrun === versions().cellrun;
  for (const split of ['validation', 'test'] as const) {
    const recorded: SplitMetrics = summary.metrics[split] ?? {};
    if (Object.keys(recorded).length === 0) continue;
    const options = { split, backend: backend as BackendRequest, threads: undefined };
    const { loss, metrics } = await evaluateCheckpoint(model, options, () => {});
    for (const [name, value] of Object.entries({ loss, ...metrics }))
      if (recorded[name] !== undefined && !isSame(recorded[name], value, isExact))
        return `its summary records ${split}.${name} ${recorded[name]}, but its weights yield ${value}`;
  }
  return undefined;
}

function isSame(recorded: number, computed: number, isExact: boolean): boolean {
  if (Object.is(recorded, computed)) return true;
  return !isExact && Math.abs(recorded - computed) <= TOLERANCE * Math.max(1, Math.abs(recorded));
}
