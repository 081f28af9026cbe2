/** The errors of `plants.jsonl`: faults that a test must find. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';

export interface Plant {
  /** Compiled file below the build folder, without its ending. */
  readonly file: string;
  /** Text that stands in it exactly once, and what is put in its place. */
  readonly find: string;
  readonly replace: string;
  /** What is wrong then. */
  readonly why: string;
  /** test/NAME.test.ts: run in this order until one fails. */
  readonly tests: readonly string[];
}

export const plants = readFileSync(join(packageRoot, 'test/planted/plants.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line): Plant => {
    const [file, find, replace, why, ...tests] = JSON.parse(line);
    return { file, find, replace, why, tests };
  });

/** Whether the text to be replaced is in the compiled file exactly once. */
export const isPlaced = (build: string, { file, find }: Plant): boolean =>
  readFileSync(join(build, `${file}.js`), 'utf8').split(find).length === 2;
