/**
 * Connectionist temporal classification (Graves et al., 2006). A path has a symbol or the blank for
 * each step; without repetitions and then without blanks it is a labelling. The probability of a
 * labelling is the sum over all of its paths. Computed in extended numbers, so that nothing
 * underflows: with logarithms it takes twice as long, nine percent of a training step.
 */

import type { ClassProbabilities, Sizes } from '../../util/log-probabilities.js';
import { choice, described } from '../../util/schema.js';
import { type LossOfSequences, loss } from './loss.js';

export const ctc = loss({
  kind: 'ctc',
  ...described({
    description:
      'Connectionist temporal classification of sequence targets, as torch.nn.CTCLoss: the target of a sequence of steps is a sequence of symbols, at most as long. The model has an output for each symbol, and a last one for the blank. Needs `head: { from: every }`.',
    aliases: ['CTCLoss', 'ctc_loss', 'connectionist_temporal_classification'],
    formula:
      '(1/N) sum_n -log p(y_n) / max(1, S_n) for targets y_n of S_n symbols. p(y) is the sum over all a_1 … a_T that leave y without repetitions and then without blanks, of the product over t of softmax(z_t)_{a_t}',
    pytorch: 'CTCLoss',
  }),
  keys: {
    on_impossible: choice(['error', 'skip'], {
      description:
        'A sequence is impossible if it has fewer steps than its target has symbols and repetitions. `error` refuses the data; `skip` leaves such sequences out of the splits and counts them.',
      default: 'error',
      effects: ['data'],
    }),
  },
  task: 'sequences',
  make: (): LossOfSequences => ({
    ...{ target: 'sequence', targetWidth: () => null, weight: () => 1 },
    compute: computer(),
  }),
});

export function isImpossible(symbols: ArrayLike<unknown>, steps: number): boolean {
  return stepsNeeded(symbols) > steps;
}

/** Equal neighbors need a blank in between. */
export function stepsNeeded(symbols: ArrayLike<unknown>): number {
  let needed = symbols.length;
  for (let i = 1; i < symbols.length; i++) if (symbols[i] === symbols[i - 1]) needed++;
  return needed;
}

/** The classes of the states of a labelling: a blank before, between and after its symbols. */
export function statesOf(symbols: ArrayLike<number>, { classes }: Pick<Sizes, 'classes'>): Int32Array {
  const states = new Int32Array(2 * symbols.length + 1).fill(classes - 1);
  for (let i = 0; i < symbols.length; i++) states[2 * i + 1] = symbols[i];
  return states;
}

/** Whether a path may come to state `s` from the one two before: no blank is needed in between. */
export function canSkip(states: Int32Array, s: number): boolean {
  return s > 1 && s < states.length && states[s] !== states[s - 2];
}

/** The first state at step `t` that is on a way from the first step to the last. */
function firstAt(t: number, steps: number, { length }: Int32Array): number {
  return Math.max(0, length - 2 * (steps - t));
}

function lastAt(t: number, { length }: Int32Array): number {
  return Math.min(length - 1, 2 * t + 1);
}

/** States before the first of each step, so that it has predecessors. */
const PADDING = 2;

/**
 * The sums over all paths of a labelling. The next labelling of a batch uses the same memory.
 */
class Paths {
  /** Of the classes at each step, `[T, C]`. */
  readonly probabilities = new ExtendedNumbers();
  /** The probability of the labelling. */
  readonly total = new ExtendedNumbers();
  states: Int32Array = new Int32Array();
  private sizes: Sizes = { steps: 0, classes: 0 };
  /** The probability of ending in each state after each step, `[T, PADDING + states]`. */
  private readonly ends = new ExtendedNumbers();
  /** That of the rest of a path from the next step on, by the state at that step. */
  private readonly ahead = new ExtendedNumbers();

  static of({ logs, ...sizes }: ClassProbabilities, symbols: ArrayLike<number>): Paths {
    const paths = new Paths();
    paths.probabilities.reset(logs.length);
    for (let i = 0; i < logs.length; i++) paths.probabilities.setLog(i, logs[i]);
    paths.sum(sizes, symbols);
    return paths;
  }

  /** The forward pass (Graves et al., 2006, equations 5 to 8). */
  sum(sizes: Sizes, symbols: ArrayLike<number>): void {
    this.sizes = sizes;
    this.states = statesOf(symbols, sizes);
    const { probabilities, ends, total, states } = this;
    const { steps, classes } = sizes;
    const width = PADDING + states.length;
    ends.reset(steps * width);
    for (let t = 0; t < steps; t++) {
      const at = t * width + PADDING;
      const last = lastAt(t, states);
      for (let s = firstAt(t, steps, states); s <= last; s++) {
        if (t === 0) ends.setLog(at + s, 0);
        else ends.setSum(at + s, ends, at - width + s, -1, canSkip(states, s));
        ends.multiply(at + s, probabilities, t * classes + states[s]);
      }
    }
    // a path ends with the last symbol or the blank after it
    total.reset(1).setSum(0, ends, steps * width - 1, -1, false);
  }

  /**
   * Calls `visit` at each step, the last first, with the probability that a path of the labelling
   * is in each state there.
   */
  eachOccupancy(visit: (t: number, occupancy: Float64Array) => void): void {
    const { probabilities, states, ends, ahead, total } = this;
    const { steps, classes } = this.sizes;
    const width = PADDING + states.length;
    ahead.reset(states.length + PADDING);
    const occupancy = new Float64Array(states.length);
    for (let t = steps - 1; t >= 0; t--) {
      const at = t * width + PADDING;
      occupancy.fill(0);
      const last = lastAt(t, states);
      for (let s = firstAt(t, steps, states); s <= last; s++) {
        if (t === steps - 1) ahead.setLog(s, 0);
        else ahead.setSum(s, ahead, s, 1, canSkip(states, s + 2));
        ends.writeRatio(at + s, ahead, s, total, occupancy);
        ahead.multiply(s, probabilities, t * classes + states[s]);
      }
      visit(t, occupancy);
    }
  }
}

export function logProbability(probabilities: ClassProbabilities, symbols: ArrayLike<number>): number {
  return Paths.of(probabilities, symbols).total.log(0);
}

/** The probability of each symbol of a labelling at each step, `[S, T]`, given the labelling. */
export function occupancyOf(probabilities: ClassProbabilities, symbols: ArrayLike<number>): Float64Array {
  const all = new Float64Array(symbols.length * probabilities.steps);
  Paths.of(probabilities, symbols).eachOccupancy((t, occupancy) => {
    for (let i = 0; i < symbols.length; i++) all[i * probabilities.steps + t] = occupancy[2 * i + 1];
  });
  return all;
}

function computer(): LossOfSequences['compute'] {
  const paths = new Paths();
  return ({ batch, classes, outputs, lengths, targets, weights }, losses, gradient) => {
    const rowGradient = new Float64Array(classes);
    gradient?.fill(0);
    for (let row = 0; row < batch; row++) {
      losses[row] = 0;
      if (weights[row] === 0) continue;
      const symbols: number[] = [];
      for (let at = row; at < targets.length && targets[at] >= 0; at += batch) symbols.push(targets[at]);
      const steps = lengths[row];
      const { probabilities } = paths;
      probabilities.reset(steps * classes);
      for (let t = 0; t < steps; t++) {
        probabilities.setSoftmax(t * classes, outputs, (t * batch + row) * classes, classes);
      }
      paths.sum({ steps, classes }, symbols);
      const length = Math.max(1, symbols.length);
      // a symbol that the model does not know has the number of the blank, and probability 0
      const isKnown = symbols.every(symbol => symbol < classes - 1);
      losses[row] = isKnown ? -paths.total.log(0) / length : Number.POSITIVE_INFINITY;
      const scale = weights[row] / length;
      if (!gradient || !Number.isFinite(losses[row])) continue;
      const { states } = paths;
      paths.eachOccupancy((t, occupancy) => {
        probabilities.write(t * classes, rowGradient);
        for (let s = 0; s < states.length; s++) rowGradient[states[s]] -= occupancy[s];
        const at = (t * batch + row) * classes;
        for (let k = 0; k < classes; k++) gradient[at + k] = scale * rowGradient[k];
      });
    }
  };
}

const RADIX = 2 ** 256;
/** Values are between these, or 0. */
const [LEAST, MOST] = [2 ** -128, 2 ** 128];
const LOG_RADIX = Math.log(RADIX);
const LEAST_LOG = Math.log(LEAST);
/** The exponent of 0, below all others. */
const OF_ZERO = -(2 ** 24);

type NumbersToRead = Float32Array | Float64Array;

class ExtendedNumbers {
  private values = new Float64Array(0);
  private exponents = new Int32Array(0);

  /** Makes the first `length` numbers zeros, and more numbers if there are fewer. */
  reset(length: number): this {
    if (length > this.values.length) {
      this.values = new Float64Array(length);
      this.exponents = new Int32Array(length);
    } else this.values.fill(0, 0, length);
    this.exponents.fill(OF_ZERO, 0, length);
    return this;
  }

  setLog(at: number, log: number): void {
    const exponent = log > LEAST_LOG ? 0 : Math.max(OF_ZERO, Math.round(log / LOG_RADIX));
    this.values[at] = Math.exp(log - exponent * LOG_RADIX);
    this.exponents[at] = exponent;
  }

  /** Sets numbers from `at` on to the softmax of `count` outputs. */
  setSoftmax(at: number, outputs: NumbersToRead, from: number, count: number): void {
    const { values } = this;
    let most = outputs[from];
    for (let i = 1; i < count; i++) most = Math.max(most, outputs[from + i]);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      values[at + i] = Math.exp(outputs[from + i] - most);
      sum += values[at + i];
    }
    for (let i = 0; i < count; i++) {
      const value = values[at + i] / sum;
      if (value < LEAST) this.setLog(at + i, outputs[from + i] - most - Math.log(sum));
      else {
        values[at + i] = value;
        this.exponents[at + i] = 0;
      }
    }
  }

  log(at: number): number {
    return Math.log(this.values[at]) + this.exponents[at] * LOG_RADIX;
  }

  /** Writes numbers from `at` on, in float64, where they may underflow. */
  write(at: number, out: Float64Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.values[at + i] * power(this.exponents[at + i]);
  }

  /** Sets a number to the sum of `terms` at `i`, `i + by` and, if `isThree`, `i + 2 * by`. */
  setSum(at: number, terms: ExtendedNumbers, i: number, by: number, isThree: boolean): void {
    const { values, exponents } = terms;
    // a list to take apart would be allocated at each call
    const j = i + by;
    const k = j + by;
    let exponent = Math.max(exponents[i], exponents[j]);
    if (isThree) exponent = Math.max(exponent, exponents[k]);
    let sum = values[i] * power(exponents[i] - exponent) + values[j] * power(exponents[j] - exponent);
    if (isThree) sum += values[k] * power(exponents[k] - exponent);
    this.values[at] = sum;
    this.exponents[at] = exponent;
  }

  multiply(at: number, factors: ExtendedNumbers, i: number): void {
    let value = this.values[at] * factors.values[i];
    let exponent = this.exponents[at] + factors.exponents[i];
    if (value < LEAST) {
      value *= RADIX;
      exponent = value === 0 ? OF_ZERO : exponent - 1;
    } else if (value > MOST) {
      value /= RADIX;
      exponent++;
    }
    this.values[at] = value;
    this.exponents[at] = exponent;
  }

  /** Writes the product of two numbers over a third one to `out[j]`, in float64. */
  writeRatio(
    i: number,
    factors: ExtendedNumbers,
    j: number,
    total: ExtendedNumbers,
    out: Float64Array,
  ): void {
    const exponent = this.exponents[i] + factors.exponents[j] - total.exponents[0];
    out[j] = ((this.values[i] * factors.values[j]) / total.values[0]) * power(exponent);
  }
}

/** A power of RADIX, or 0 if it makes any value small against float64's precision. */
function power(exponent: number): number {
  if (exponent === 0) return 1;
  if (exponent === -1) return 1 / RADIX;
  return exponent === 1 ? RADIX : 0;
}
