import { setTimeout } from 'node:timers/promises';
import type { BenchCase } from './cases.js';
import { ContenderError } from './child.js';
import { type ContenderName, lacksModel, type Other, OURS, type Started, sparedFrom } from './contenders.js';
import type { Row, Timing } from './results.js';
import { medianOf, ratioOf, type Spread, spreadOf } from './results.js';

export interface Pace {
  readonly rounds: number;
  /** Seconds of calls that a contender makes in one round; at least one call. */
  readonly seconds: number;
}

/** Calls in one round at most; the median needs no more. */
const MAX_CALLS = 50;
/**
 * Threads of the one before have gone to sleep by then: some libraries let them spin for a while.
 */
const PAUSE_MS = 25;

/** One row: every contender is made ready, then A B C A B C … for `rounds` rounds. */
export async function measureCase(one: BenchCase, all: readonly Started[], pace: Pace): Promise<Row> {
  const leftOut = new Map<ContenderName, string>();
  const running: Started[] = [];
  for (const started of all) {
    const reason =
      lacksModel(started.hello, one) ?? sparedFrom(started.contender, one) ?? (await prepare(started, one));
    if (reason === undefined) running.push(started);
    else leftOut.set(started.contender.name, reason);
  }
  const times = new Map<ContenderName, number[]>(running.map(({ contender }) => [contender.name, []]));
  for (let round = 0; round < pace.rounds; round++) {
    for (const { contender, child } of running) {
      await setTimeout(PAUSE_MS);
      const { times_ms } = await child.measure(pace.seconds, MAX_CALLS);
      times.get(contender.name)?.push(medianOf(times_ms));
    }
  }
  return rowOf(one, running, times, leftOut);
}

/** Why the contender can't do this case, in its own words. Ours must, unless a GPU is too small. */
async function prepare({ contender, child }: Started, one: BenchCase): Promise<string | undefined> {
  try {
    await child.prepare(one);
    return undefined;
  } catch (error) {
    if (!(error instanceof ContenderError) || contender.name === OURS) throw error;
    return error.message;
  }
}

function rowOf(
  one: BenchCase,
  running: readonly Started[],
  times: ReadonlyMap<ContenderName, number[]>,
  leftOut: ReadonlyMap<ContenderName, string>,
): Row {
  const timings: Partial<Record<ContenderName, Timing>> = {};
  const ratios: Partial<Record<Other, Spread>> = {};
  const ours = times.get(OURS) ?? [];
  for (const { contender, hello } of running) {
    const rounds_ms = times.get(contender.name) ?? [];
    const threads = Math.min(hello.threads, one.threads);
    timings[contender.name] = { threads, ms: spreadOf(rounds_ms), rounds_ms };
    if (contender.name !== OURS) ratios[contender.name] = ratioOf(ours, rounds_ms);
  }
  return { case: one, timings, ratios, left_out: Object.fromEntries(leftOut) };
}
