/**
 * SIGKILL at random moments of a sweep: it is resumed, killed again, and compared at its end
 * with one that never was.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { RandomStream } from '../../src/util/random.js';
import { PROGRAM } from './moments.js';
import type { Figures } from './parts.js';
import { Tally } from './stopped-runs.js';
import {
  countEpochs,
  type EpochCount,
  endOfSweep,
  type KillableSweep,
  killableSweep,
  killedSweep,
  type SweepMoment,
  type SweepStanding,
  sweepDifferences,
  sweepMomentInWords,
  sweepOutcome,
  sweepStanding,
  sweepUnder,
  type Victims,
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

/** What a process takes from its start until trials train, on a busy machine. */
const START_MS = 2500;
/** About a segment of a trial. */
const SEGMENT_MS = 900;

/** How far a sweep is. */
export interface Pace {
  /** Kills that are still to come, this one included. */
  readonly kills: number;
  /** Segments that are still to be trained. */
  readonly segments: number;
}

type Draw = (random: RandomStream, pace: Pace) => SweepMoment;

/** Each as often as it stands here. */
const DRAWS: readonly Draw[] = [
  atAnyTime,
  atAnyTime,
  afterEnds,
  afterEnds,
  afterEnds,
  afterEnds,
  betweenStartAndRecord,
  atOperation,
  atOperation,
];

export function drawSweepKill(random: RandomStream, pace: Pace): SweepMoment {
  return DRAWS[random.integer(DRAWS.length)](random, pace);
}

function victims(random: RandomStream): Victims {
  return random.uniform() < 0.6 ? 'the sweep and its trials' : 'the sweep alone';
}

function atAnyTime(random: RandomStream): SweepMoment {
  return { kind: 'clock', delay: random.uniform() * START_MS, victims: victims(random) };
}

/** As far ahead as leaves something for every other kill. */
function afterEnds(random: RandomStream, { kills, segments }: Pace): SweepMoment {
  const more = Math.floor((random.uniform() * 2 * segments) / kills);
  return { kind: 'ends', more, delay: random.uniform() * SEGMENT_MS, victims: victims(random) };
}

/** The process of a trial has been started, and the journal does not know of it. */
function betweenStartAndRecord(random: RandomStream): SweepMoment {
  return { kind: 'operation', only: 'writeSync journal.jsonl segment.start', at: 1 + random.integer(2) };
}

/** The lock, the journal's records and their flushing, the results at the end. */
function atOperation(random: RandomStream): SweepMoment {
  return {
    kind: 'operation',
    at: 1 + random.integer(24),
    ...(random.uniform() < 0.5 && { torn: true }),
  };
}

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
