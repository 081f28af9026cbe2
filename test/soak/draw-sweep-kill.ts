/** Random moments that spread kills over everything that a sweep does, and over its whole life. */
import type { RandomStream } from '../../src/util/random.js';
import type { SweepMoment, Victims } from './sweep-process.js';

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
