/**
 * `review --recompute`: the final weights of completed runs evaluated again, for whoever does not
 * want to believe their numbers.
 */
import { resolve } from 'node:path';
import type { BackendRequest } from '../../engine/backend.js';
import { machineArithmetic } from '../../engine/simd/arithmetic.js';
import { versions } from '../../experiment/machine.js';
import { RunDirectory } from '../../experiment/run-directory.js';
import type { SplitMetrics } from '../../experiment/summary.js';
import { evaluateCheckpoint } from '../../prediction/evaluate.js';
import { openModel } from '../../prediction/saved-model.js';
import { runPaths } from '../../review/reading/targets.js';
import { UserError } from '../../util/errors.js';

/**
 * Relative; between backends, and where multiply-add is fused and where not, sums differ in their
 * last digits.
 */
const TOLERANCE = 1e-3;

/**
 * Why the numbers of runs are not those of their weights, by directory; nothing of a run whose
 * numbers are.
 */
export async function recompute(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const doubts = new Map<string, string>();
  for (const path of runPaths(paths)) {
    const doubt = await doubtOf(path);
    if (doubt !== undefined) doubts.set(resolve(path), doubt);
  }
  return doubts;
}

async function doubtOf(path: string): Promise<string | undefined> {
  try {
    return await difference(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return `its weights could not be evaluated again: ${error.message}`;
  }
}

async function difference(path: string): Promise<string | undefined> {
  const directory = RunDirectory.open(path);
  const [summary, manifest] = [directory.readSummary(), directory.readManifest()];
  // it does not pass anyway
  if (summary?.status !== 'completed' || manifest === undefined) return undefined;
  const model = openModel(path, { checkpoint: summary.restored?.step ?? summary.steps });
  const { name: backend, arithmetic } = manifest.backend;
  const isExact =
    (backend === 'cpu' || (backend === 'webasm' && arithmetic === machineArithmetic())) &&
    manifest.versions.cellrun === versions().cellrun;
  for (const split of ['validation', 'test'] as const) {
    const told: SplitMetrics = summary.metrics[split] ?? {};
    if (Object.keys(told).length === 0) continue;
    const options = { split, backend: backend as BackendRequest, threads: undefined };
    const { loss, metrics } = await evaluateCheckpoint(model, options, () => {});
    for (const [name, value] of Object.entries({ loss, ...metrics }))
      if (told[name] !== undefined && !isSame(told[name], value, isExact))
        return `its summary has ${split}.${name} ${told[name]}, and its weights give ${value}`;
  }
  return undefined;
}

function isSame(told: number, found: number, isExact: boolean): boolean {
  if (Object.is(told, found)) return true;
  return !isExact && Math.abs(told - found) <= TOLERANCE * Math.max(1, Math.abs(told));
}
