/** What the checks of this machine share: options, where results are written, relative errors. */
import { join } from 'node:path';
import { writeJsonAtomic } from '../run/files.js';
import { CHECKS, makeFolder, utcStamp } from '../run/folders.js';
import { spellNonFinite } from '../run/json.js';

/** The options of every check. */
export interface VerifyOptions {
  /** Path of the config. */
  readonly config: string;
  /** The output root; the results are written under it. */
  readonly output: string;
  readonly started: Date;
  /** Shows progress. */
  readonly note: (text: string) => void;
}

/** What a check found, and the file that has it. */
export interface Written<R> {
  readonly results: R;
  readonly file: string;
}

/**
 * Creates the folder of results and returns its path. Called before the work, so that none is lost.
 * @throws UserError (exit 2) if it cannot be created
 */
export function makeOutputFolder(output: string): string {
  const folder = join(output, CHECKS);
  makeFolder(folder, output);
  return folder;
}

/**
 * Writes `<output>/verify/<stamp>-<what>.json` and returns its path. Numbers that are not finite
 * are spelled out as in events.
 * @throws UserError (exit 1 or 2) if it cannot be written
 */
export function writeResults({ output, started }: VerifyOptions, results: { readonly what: string }): string {
  const file = join(makeOutputFolder(output), `${utcStamp(started)}-${results.what}.json`);
  writeJsonAtomic(file, spellNonFinite(results));
  return file;
}

/** ||values||, in float64. */
export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}

/** ||a - b||; both have the same length. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

/** `difference` relative to `scale`; 0 if `difference` is 0, NaN if it is NaN. */
export function relative(difference: number, scale: number): number {
  return difference === 0 ? 0 : difference / scale;
}
