/** Labellings of a model with the loss `ctc`: the likeliest ones, and where their symbols are. */

import { type ClassProbabilities, logSum, NEVER } from '../../util/log-probabilities.js';
import { canSkip, logProbability, statesOf } from '../losses/ctc.js';
import { predictedClass } from '../metrics/metric.js';

export interface DecodeSettings {
  /** Sequences of symbols to keep at each step; 1: the likeliest symbol at each step. */
  readonly beam: number;
  /** Symbols of the longest output of a decoder; absent: as for the loss `ctc`, the steps. */
  readonly limit?: number | undefined;
}

export interface Decoded {
  readonly symbols: ArrayLike<number>;
  /** Of the labelling, so of all its paths. */
  readonly logProbability: number;
  /** What the attention of a decoder read for each symbol; absent for others. */
  readonly attended?: readonly Attended[];
}

/** What a symbol was read from. */
export interface Attended {
  /** The step of the input with the largest weight, the first of equal ones. */
  readonly step: number;
  /** The weight of each step, 255 for 1; empty if they are more than are kept. */
  readonly weights: Uint8Array;
}

/** Maximum weights of steps for symbols that are kept of a sequence: those of a picture. */
export const MAX_KEPT_WEIGHTS = 2 ** 14;

/** At least one labelling and at most `beam`, the likeliest first. */
export function decode(probabilities: ClassProbabilities, beam: number): Decoded[] {
  const isDefined = !probabilities.logs.some(Number.isNaN);
  const found = beam > 1 && isDefined ? prefixBeamSearch(probabilities, beam) : [bestPath(probabilities)];
  return found
    .map(symbols => ({
      symbols,
      logProbability: isDefined ? logProbability(probabilities, symbols) : Number.NaN,
    }))
    .sort((a, b) => b.logProbability - a.logProbability);
}

/** The labelling of the likeliest path; -1 at a step whose outputs are not numbers. */
function bestPath({ steps, classes, logs }: ClassProbabilities): number[] {
  const symbols: number[] = [];
  let before = classes - 1;
  for (let t = 0; t < steps; t++) {
    const likeliest = predictedClass(logs.subarray(t * classes, (t + 1) * classes));
    if (likeliest !== before && likeliest !== classes - 1) symbols.push(likeliest);
    before = likeliest;
  }
  return symbols;
}

/** The beginning of a labelling. Equal ones are one object. */
interface Prefix {
  /** Null if it is empty. */
  readonly parent: Prefix | null;
  /** Its last symbol; -1 if it is empty. */
  readonly symbol: number;
  /** Those that have been in the beam, by their last symbol. */
  readonly children: Map<number, Prefix>;
}

/** The log probabilities of the paths of a prefix so far. */
interface Ends {
  /** Of those that end with a blank. */
  readonly blank: number;
  /** Of those that end with its last symbol. */
  readonly symbol: number;
  readonly all: number;
}

interface Candidate extends Ends {
  readonly prefix: Prefix;
  /** Set if it extends `prefix`. */
  readonly next?: number;
}

/**
 * Keeps the `width` likeliest prefixes after each step (Graves, 2012; Hannun, Maas, Jurafsky and
 * Ng, 2014). Paths of the same prefix count together.
 */
function prefixBeamSearch({ steps, classes, logs }: ClassProbabilities, width: number): number[][] {
  const blank = classes - 1;
  const empty: Prefix = { parent: null, symbol: -1, children: new Map() };
  let beam = new Map<Prefix, Ends>([[empty, { blank: 0, symbol: NEVER, all: 0 }]]);
  for (let t = 0; t < steps; t++) {
    const step = logs.subarray(t * classes, (t + 1) * classes);
    // a symbol that repeats the last one extends a prefix only after a blank
    const extended = (prefix: Prefix, ends: Ends, next: number) =>
      step[next] + (next === prefix.symbol ? ends.blank : ends.all);
    const candidates: Candidate[] = [];
    for (const [prefix, ends] of beam) {
      const { parent, symbol } = prefix;
      const before = parent && beam.get(parent);
      const repeats = parent === null ? NEVER : ends.symbol + step[symbol];
      const arrives = before ? extended(parent, before, symbol) : NEVER;
      candidates.push({ prefix, ...endsOf(ends.all + step[blank], logSum(repeats, arrives)) });
      for (let next = 0; next < blank; next++) {
        const child = prefix.children.get(next);
        // one that is in the beam gets this in its own turn
        if (child && beam.has(child)) continue;
        candidates.push({ prefix, next, ...endsOf(NEVER, extended(prefix, ends, next)) });
      }
    }
    const likeliest = candidates
      .filter(({ all }) => all > NEVER)
      .sort((a, b) => b.all - a.all)
      .slice(0, width);
    beam = new Map(likeliest.map(({ prefix, next, ...ends }) => [childOf(prefix, next), ends]));
  }
  return [...beam.keys()].map(symbolsOf);
}

function endsOf(blank: number, symbol: number): Ends {
  return { blank, symbol, all: logSum(blank, symbol) };
}

function childOf(prefix: Prefix, symbol: number | undefined): Prefix {
  if (symbol === undefined) return prefix;
  const child = prefix.children.get(symbol) ?? { parent: prefix, symbol, children: new Map() };
  prefix.children.set(symbol, child);
  return child;
}

function symbolsOf(prefix: Prefix): number[] {
  const symbols: number[] = [];
  for (let at: Prefix | null = prefix; at?.parent; at = at.parent) symbols.push(at.symbol);
  return symbols.reverse();
}

/** The step at which each of `symbols` begins in their likeliest path. */
export function alignmentOf(probabilities: ClassProbabilities, symbols: ArrayLike<number>): number[] {
  const { steps, classes, logs } = probabilities;
  const states = statesOf(symbols, probabilities);
  // how many states before each it is best to come from
  const moves = new Uint8Array(steps * states.length);
  let before = new Float64Array(states.length).fill(NEVER);
  for (let t = 0; t < steps; t++) {
    const after = before.map((stays, s) => {
      const from = t === 0 ? [s < 2 ? 0 : NEVER] : [stays, s > 0 ? before[s - 1] : NEVER];
      if (t > 0 && canSkip(states, s)) from.push(before[s - 2]);
      const best = Math.max(...from);
      moves[t * states.length + s] = from.indexOf(best);
      return best + logs[t * classes + states[s]];
    });
    before = after;
  }
  const begins: number[] = [];
  const last = states.length - 1;
  let state = last > 0 && before[last - 1] > before[last] ? last - 1 : last;
  for (let t = steps - 1; t >= 0; t--) {
    if (state % 2 === 1) begins[(state - 1) / 2] = t;
    state -= moves[t * states.length + state];
  }
  return begins;
}
