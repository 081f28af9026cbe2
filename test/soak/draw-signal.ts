/** Random moments in each phase of a run for a signal that asks it to stop. */
import type { RandomStream } from '../../src/util/random.js';
import type { LastRecord, Moment } from './moments.js';

export const PHASES = [
  'start',
  'compiling',
  'steps',
  'saves',
  'evaluation',
  'epoch end',
  "resume's start",
  'closing',
] as const;
export type Phase = (typeof PHASES)[number];

/** Until the program has read its data, on an idle machine or a busy one. */
const START_MS = 500;
/** Between the first record and the first step. */
const COMPILE_MS = 300;
const STEP_MS = 4;
const EVALUATION_MS = 10;

/** The run has `steps` steps and saves at each fifth. */
export function drawSignal(phase: Phase, random: RandomStream, steps: number): Moment {
  const within = (ms: number): number => random.uniform() * ms;
  const upTo = (most: number): number => 1 + random.integer(most);
  const afterRecord = (record: string, isReached: (last: LastRecord) => boolean, ms: number): Moment => ({
    kind: 'log',
    record,
    isReached,
    delay: within(ms),
  });
  switch (phase) {
    case 'start':
      // half by the clock, half while the run directory is made, before which the data are read
      return random.uniform() < 0.5
        ? { kind: 'clock', delay: within(START_MS) }
        : { kind: 'operation', at: upTo(40) };
    case 'compiling':
      return afterRecord('the first record', ({ event }) => event !== '', COMPILE_MS);
    case 'steps': {
      const step = upTo(steps - 1);
      return afterRecord(`step ${step}`, last => last.step >= step, STEP_MS);
    }
    case 'saves': {
      const step = 5 * upTo(Math.floor((steps - 1) / 5));
      return { kind: 'operation', after: `"event":"train.step".*"step":${step},`, at: upTo(20) };
    }
    case 'evaluation':
      return afterRecord('the end of an epoch', ({ event }) => event === 'train.epoch', EVALUATION_MS);
    case 'epoch end':
      return {
        kind: 'operation',
        after: `"event":"train.epoch","epoch":${upTo(7)},`,
        at: random.integer(20),
      };
    case "resume's start":
      // about half by the clock, the rest while the log is cut and opened
      return random.uniform() < 0.5
        ? { kind: 'clock', delay: within(2 * START_MS) }
        : { kind: 'operation', at: upTo(40) };
    case 'closing':
      return { kind: 'operation', after: `"event":"eval".*"step":${steps},`, at: random.integer(45) };
  }
}
