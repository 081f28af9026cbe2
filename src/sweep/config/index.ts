/** Sweeps as people write them: read, judged point by point, made a plan. */
import { sweepOfArguments } from './command-line.js';
import { judgeSweep, type LoadedSweep } from './load.js';
import { readSweep, type SweepFlags } from './read.js';

export { describePoint, PointComplaints } from './complaints.js';
export type { LoadedSweep } from './load.js';
export { prunerOf } from './pruner.js';
export { isSweepFile, type SweepFlags } from './read.js';

export interface LoadOptions {
  /** Arguments `key.path=value` for every config. */
  readonly set?: readonly string[];
  readonly flags?: SweepFlags;
}

/** Loads a sweep file and judges its points, without reading data. Throws UserError (exit 2) with everything that is wrong. */
export function loadSweep(file: string, { set = [], flags = {} }: LoadOptions = {}): LoadedSweep {
  return judgeSweep(readSweep(file, set, flags));
}

/** The same for configs and `key=value,value…` on the command line. Throws UserError (exit 2). */
export function fromCommandLine(
  configs: readonly string[],
  assignments: readonly string[],
  { set = [], flags = {} }: LoadOptions = {},
): LoadedSweep {
  return judgeSweep(sweepOfArguments(configs, assignments, set, flags));
}
