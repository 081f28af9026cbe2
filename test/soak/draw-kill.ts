/** Random moments that spread kills over everything that a run does. */
import type { RandomStream } from '../../src/util/random.js';
import type { LogLine } from '../support/cli.js';
import type { LastRecord, Moment } from './moments.js';

/** What a process takes from its start to its first steps on a busy machine, and a bit. */
const START_MS = 900;
/** A step or two. */
const STEP_MS = 4;
/** An evaluation. */
const EVALUATION_MS = 12;
/** Steps ahead of where the run stands. */
const AHEAD = 14;

/** Where the run stands. */
interface Place {
  /** The last step in its log. */
  readonly done: number;
  /** Steps of the whole run. */
  readonly all: number;
  /** Records in its log. */
  readonly records: number;
}

type Draw = (random: RandomStream, place: Place) => Moment;

const pick = (random: RandomStream, most: number): number => 1 + random.integer(most);
const isTorn = (random: RandomStream): { torn?: boolean } => (random.uniform() < 0.5 ? { torn: true } : {});

/** Each as often as it stands here. */
const DRAWS: readonly Draw[] = [
  atAnyTime,
  atAnyTime,
  aroundStep,
  aroundStep,
  inEvaluation,
  inEvaluation,
  atStart,
  atStart,
  afterStep,
  afterStep,
  afterStep,
  atEnd,
];

/** `records` are those of the run as it stands; it has `all` steps. */
export function drawKill(random: RandomStream, records: readonly LogLine[], all: number): Moment {
  const steps = records.flatMap(({ event, step }) => (event === 'train.step' ? [Number(step)] : []));
  const draw = DRAWS[random.integer(DRAWS.length)];
  return draw(random, { done: steps.at(-1) ?? 0, all, records: records.length });
}

function atAnyTime(random: RandomStream): Moment {
  return { kind: 'clock', delay: random.uniform() * START_MS };
}

function aroundStep(random: RandomStream, { done, all }: Place): Moment {
  const step = Math.min(done + pick(random, AHEAD), all);
  const isReached = (last: LastRecord) => last.step >= step;
  return { kind: 'log', record: `step ${step}`, isReached, delay: random.uniform() * STEP_MS };
}

function inEvaluation(random: RandomStream, { records }: Place): Moment {
  // not the one that stands there from before
  const isReached = ({ event, seq }: LastRecord) => event === 'train.epoch' && seq !== records - 1;
  return { kind: 'log', record: 'the end of an epoch', isReached, delay: random.uniform() * EVALUATION_MS };
}

/** The lock, the log's cut, the manifest, the first records. */
function atStart(random: RandomStream): Moment {
  return { kind: 'operation', at: pick(random, 50), ...isTorn(random) };
}

/** The steps' records and the saves among them, of some 20 operations each. */
function afterStep(random: RandomStream, { done, all }: Place): Moment {
  const step = Math.min(done + pick(random, AHEAD), all);
  return {
    kind: 'operation',
    after: `"event":"train.step".*"step":${step},`,
    at: random.integer(25),
    ...isTorn(random),
  };
}

/** The last save, the gates, the summary, the closing record, the lock's end. */
function atEnd(random: RandomStream, { all }: Place): Moment {
  return {
    kind: 'operation',
    after: `"event":"eval".*"step":${all},`,
    at: random.integer(45),
    ...isTorn(random),
  };
}
