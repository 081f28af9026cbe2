/** Labellings of a model with the loss `ctc`: the likeliest ones, and where their symbols are. */
import { type Answers, canSkip, logProbability, logSum, NEVER, statesOf } from '../losses/ctc.js';
import { predictedClass } from '../metrics/metric.js';

export interface DecodeSettings {
  /** Sequences of symbols to keep at each step; 1: the likeliest symbol at each step. */
  readonly beam: number;
}

export interface Decoded {
  readonly symbols: ArrayLike<number>;
  /** Of the labelling, so of all answers that leave it. */
  readonly logProbability: number;
}

/** At least one labelling and at most `beam`, the likeliest first. */
export function decode(answers: Answers, beam: number): Decoded[] {
  const isDefined = !answers.logs.some(Number.isNaN);
  const found = beam > 1 && isDefined ? prefixBeamSearch(answers, beam) : [bestPath(answers)];
  return found
    .map(symbols => ({
      symbols,
      logProbability: isDefined ? logProbability(answers, symbols) : Number.NaN,
    }))
    .sort((a, b) => b.logProbability - a.logProbability);
}

/** What the likeliest answer to each step leaves; -1 for a step whose outputs are not numbers. */
function bestPath({ steps, classes, logs }: Answers): number[] {
  const symbols: number[] = [];
  let before = classes - 1;
  for (let t = 0; t < steps; t++) {
    const answer = predictedClass(logs.subarray(t * classes, (t + 1) * classes));
    if (answer !== before && answer !== classes - 1) symbols.push(answer);
    before = answer;
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

/** The log probabilities of the answers so far that leave a prefix. */
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
 * Ng, 2014). Answers that leave the same symbols count together.
 */
function prefixBeamSearch({ steps, classes, logs }: Answers, width: number): number[][] {
  const blank = classes - 1;
  const empty: Prefix = { parent: null, symbol: -1, children: new Map() };
  let beam = new Map<Prefix, Ends>([[empty, { blank: 0, symbol: NEVER, all: 0 }]]);
  for (let t = 0; t < steps; t++) {
    const answer = logs.subarray(t * classes, (t + 1) * classes);
    // a symbol that repeats the last one extends a prefix only after a blank
    const extended = (prefix: Prefix, ends: Ends, next: number) =>
      answer[next] + (next === prefix.symbol ? ends.blank : ends.all);
    const candidates: Candidate[] = [];
    for (const [prefix, ends] of beam) {
      const { parent, symbol } = prefix;
      const before = parent && beam.get(parent);
      const repeats = before === null ? NEVER : ends.symbol + answer[symbol];
      const arrives = before ? extended(parent, before, symbol) : NEVER;
      candidates.push({ prefix, ...endsOf(ends.all + answer[blank], logSum(repeats, arrives)) });
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

/** The step at which each of `symbols` begins, in the likeliest answers that leave them. */
export function alignmentOf(answers: Answers, symbols: ArrayLike<number>): number[] {
  const { steps, classes, logs } = answers;
  const states = statesOf(symbols, answers);
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
