/**
 * SIGKILL at random moments of a sweep: it is gone on with, killed again, and at its end compared
 * with one that never was.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Pace } from './draw-sweep-kill.js';
import type { KillableSweep } from './killable-sweep.js';
import { PROGRAM } from './moments.js';
import { countEpochs, type EpochCount, sweepDifferences } from './sweep-differences.js';
import {
  endOfSweep,
  killedSweep,
  type SweepMoment,
  type SweepStanding,
  sweepMomentInWords,
  sweepOutcome,
  sweepStanding,
  sweepUnder,
} from './sweep-process.js';

/** What became of one sweep that was killed again and again. */
export interface KilledSweepReport {
  readonly kills: number;
  /** What each kill hit. */
  readonly hits: readonly string[];
  readonly epochs: EpochCount;
  /** In what it differs, what it lost, what kept it from going on by itself. */
  readonly failures: readonly string[];
}

/** Gives the moment of the next kill. */
export type NextMoment = (pace: Pace) => SweepMoment;

/**
 * Kills a sweep in `folder`, which is made, `most` times, or until it comes to its end before that.
 */
export async function killSweep(
  sweep: KillableSweep,
  folder: string,
  most: number,
  next: NextMoment,
): Promise<KilledSweepReport> {
  mkdirSync(folder);
  return new SweepKilling(sweep, folder, next).go(most);
}

/** Differences that are told; of more, nobody reads the rest. */
const MAX_TOLD = 5;

class SweepKilling {
  private readonly hits: string[] = [];
  /** What led to where the sweep stands. */
  private readonly history: string[] = [];
  /** Of new sweeps, each with an output root of its own. */
  private begun = 0;
  private directory: string | undefined;

  constructor(
    private readonly sweep: KillableSweep,
    private readonly folder: string,
    private readonly nextMoment: NextMoment,
  ) {}

  async go(most: number): Promise<KilledSweepReport> {
    const failures: string[] = [];
    try {
      while (this.hits.length < most && (await this.killOnce(most - this.hits.length)));
      const { directory, status } = endOfSweep(await sweepOutcome(PROGRAM, this.next()));
      if (status !== 'completed') failures.push(`its status is ${status}`);
      failures.push(...sweepDifferences(this.sweep.straight, directory));
      return this.report(failures, countEpochs(this.sweep.straight, directory));
    } catch (error) {
      return this.report([...failures, `needs repair: ${error}`], { trained: 0, cutOff: 0, wrong: [] });
    }
  }

  private report(failures: readonly string[], epochs: EpochCount): KilledSweepReport {
    const found = [...failures, ...epochs.wrong];
    const shown = found.slice(0, MAX_TOLD).join('; ');
    const told = found.length === 0 ? [] : [`${shown}; killed ${this.history.join('; ')}`];
    return { kills: this.hits.length, hits: this.hits, epochs, failures: told };
  }

  /** Gives whether the sweep has not come to its end. */
  private async killOnce(left: number): Promise<boolean> {
    const before = sweepStanding(this.directory);
    const moment = this.nextMoment({ kills: left, segments: this.sweep.segments - before.ended });
    const args = this.next();
    const outcome = await killedSweep(args, () => this.found(), moment);
    if (outcome.signal !== 'SIGKILL') {
      endOfSweep(outcome);
      return false;
    }
    this.history.push(sweepMomentInWords(moment));
    this.hits.push(hit(moment, before, sweepStanding(this.found())));
    this.directory = this.found();
    return true;
  }

  private found(): string | undefined {
    return this.directory ?? sweepUnder(this.output);
  }

  private get output(): string {
    return join(this.folder, `output-${this.begun}`);
  }

  private next(): string[] {
    if (this.directory !== undefined)
      return ['sweep', 'resume', this.directory, '--backend', 'webasm', '--threads', '2'];
    this.begun += 1;
    return [...this.sweep.args, '--output', this.output];
  }
}

/** What the process was doing, told by what it left. */
function hit(moment: SweepMoment, before: SweepStanding, now: SweepStanding): string {
  const whom = moment.kind === 'operation' ? 'the sweep alone' : moment.victims;
  const where =
    now.records === 0
      ? 'before it had begun'
      : now.records === before.records
        ? 'in a start-up'
        : `with ${now.underWay} trials under way`;
  return `${whom} ${where}`;
}
