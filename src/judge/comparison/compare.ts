/**
 * Compares runs: their differences in configs and facts, their metrics, and the statistical
 * significance of differences between metrics.
 */
import type { MetricName } from '../../config/experiment.js';
import { momentsOf } from '../../run/baseline.js';
import type { RunRecord } from '../../run/record.js';
import { configDifferences, factDifferences, factNotes } from './differences.js';
import type { Comparison, Performance, SideInfo } from './document.js';
import { compareMetric, metricsOf } from './metrics.js';
import { countedRuns, type Group, type Side, sidesOf } from './sides.js';

export interface CompareSettings {
  /** Metrics to compare; if empty, all that were measured. */
  readonly metrics: readonly MetricName[];
  /** Includes keys that do not differ. */
  readonly all: boolean;
  /** Runs that could not be read, listed in the comparison. */
  readonly leftOut: Comparison['left_out'];
}

/**
 * Builds the comparison. `sidesOf` splits the groups into sides. Uses no files and no clock.
 */
export function comparisonOf(
  groups: readonly Group[],
  { metrics, all, leftOut }: CompareSettings,
): { readonly comparison: Comparison; readonly sides: readonly Side[] } {
  const { sides, notes } = sidesOf(groups);
  const wanted = metrics.length > 0 ? metrics : metricsOf(sides);
  const comparison: Comparison = {
    version: 1,
    sides: sides.map(infoOf),
    config: configDifferences(sides, all),
    facts: factDifferences(sides, all),
    metrics: wanted.map(metric => compareMetric(sides, metric)),
    performance: sides.map(performanceOf),
    left_out: leftOut,
    notes: [...notes, ...factNotes(sides)],
  };
  return { comparison, sides };
}

function infoOf(side: Side): SideInfo {
  return {
    id: side.id,
    name: side.name,
    seeds: countedRuns(side).flatMap(({ seed }) => seed ?? []),
    runs: side.runs.map(({ record, seed, leftOut }) => ({
      run_id: record.id,
      directory: record.directory.path,
      seed,
      left_out: leftOut,
    })),
  };
}

function performanceOf(side: Side): Performance {
  const runs = countedRuns(side).map(({ record }) => record);
  const meanOf = (of: (run: RunRecord) => number | null | undefined): number | null => {
    const values = runs.flatMap(run => of(run) ?? []);
    return values.length === 0 ? null : momentsOf(values).mean;
  };
  return {
    side: side.id,
    ms_per_step: meanOf(({ summary }) => summary?.ms_per_step),
    duration_s: meanOf(({ summary }) => summary?.duration_s),
    peak_rss_mb: meanOf(({ summary }) => summary?.peak_rss_mb),
    machines: [...new Set(runs.flatMap(machineOf))].sort(),
  };
}

function machineOf({ manifest }: RunRecord): string[] {
  if (manifest === undefined) return [];
  const { machine, backend } = manifest;
  const threads = backend.threads === null ? [] : [`threads ${backend.threads}`];
  const device = backend.adapter ?? machine.cpu;
  return [[device, `${machine.cores} cores`, backend.name, ...threads].join(', ')];
}
