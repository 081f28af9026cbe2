/** How long a process of a trial takes before it trains, by a process that does all of that and ends: `graph` of one of the configs. */

import { spawn } from 'node:child_process';
import { programFile } from '../../util/root.js';
import type { BackendOptions } from '../options.js';

export interface StartedConfig extends BackendOptions {
  readonly config: string;
  /** Arguments `key.path=value`. */
  readonly set: readonly string[];
}

/** Seconds. */
export async function secondsToStart({ config, set, backend, threads }: StartedConfig): Promise<number> {
  const program = programFile('cli/main.js');
  const flags = [
    ...['--backend', backend],
    ...(threads === undefined ? [] : ['--threads', String(threads)]),
    ...set.flatMap(argument => ['--set', argument]),
  ];
  const began = performance.now();
  const child = spawn(process.execPath, [program, 'graph', config, ...flags], { stdio: 'ignore' });
  await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  return (performance.now() - began) / 1000;
}
