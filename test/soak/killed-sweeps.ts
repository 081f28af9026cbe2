/** As many sweeps as so many kills take, as a line of the soak's table. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { RandomStream } from '../../src/util/random.js';
import { drawSweepKill } from './draw-sweep-kill.js';
import { killableSweep } from './killable-sweep.js';
import type { Figures } from './parts.js';
import { killSweep } from './sweep-kills.js';
import { Tally } from './tally.js';

export interface SweepExtent {
  readonly seed: number;
  /** Kills. */
  readonly count: number;
  /** Of each sweep. */
  readonly trials: number;
}

export async function manySweepKills(folder: string, { seed, count, trials }: SweepExtent): Promise<Figures> {
  const sweep = await killableSweep(folder, trials);
  const hits = new Tally();
  const failures: string[] = [];
  let [kills, sweeps, trained, cutOff] = [0, 0, 0, 0];
  while (kills < count && failures.length === 0) {
    const random = RandomStream.of(seed, `soak/sweeps/${sweeps}`);
    const path = join(folder, `killed-${sweeps}`);
    const report = await killSweep(sweep, path, count - kills, pace => drawSweepKill(random, pace));
    rmSync(path, { recursive: true });
    sweeps += 1;
    kills += report.kills;
    trained += report.epochs.trained;
    cutOff += report.epochs.cutOff;
    for (const what of report.hits) hits.add(what);
    failures.push(...report.failures);
    // without a kill there is nothing to see, and there never will be
    if (report.kills === 0 && report.failures.length === 0)
      failures.push('a sweep came to its end before it was killed');
  }
  const note = `${sweeps} of ${trials} trials and ${sweep.segments} segments, ${trained} epochs, ${cutOff} more cut off; ${hits.words}`;
  return { what: 'killed at random moments', cases: kills, failed: failures.length, failures, note };
}
