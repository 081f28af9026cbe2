/**
 * Connectionist temporal classification (Graves et al., 2006). A path has a symbol or the blank for
 * each step; without repetitions and then without blanks it is a labelling. The probability of a
 * labelling is the sum over all of its paths. Computed in extended numbers, so that nothing
 * underflows: with logarithms it takes twice as long, nine percent of a training step.
 */
import { ExtendedNumbers } from '../../util/extended-numbers.js';
import { choice } from '../../util/schema.js';
import { type LossOfSequences, loss, type SequenceBatch } from './loss.js';

export const ctc = loss({
  kind: 'ctc',
  description:
    'Connectionist temporal classification of sequence targets, as torch.nn.CTCLoss: the target of a sequence of steps is a sequence of symbols, at most as long. The model has an output for each symbol, and a last one for the blank. Needs `head: { from: every }`.',
  aliases: ['CTCLoss', 'ctc_loss', 'connectionist_temporal_classification'],
  keys: {
    on_impossible: choice(['error', 'skip'], {
      description:
        'A sequence is impossible if it has fewer steps than its target has symbols and repetitions. `error` refuses the data; `skip` leaves such sequences out of the splits and counts them.',
      default: 'error',
      effects: ['data'],
    }),
  },
  task: 'sequences',
  formula:
    '(1/N) sum_n -log p(y_n) / max(1, S_n) for targets y_n of S_n symbols. p(y) is the sum over all a_1 … a_T that leave y without repetitions and then without blanks, of the product over t of softmax(z_t)_{a_t}',
  pytorch: 'CTCLoss',
  make: (): LossOfSequences => ({ target: 'sequence', targetWidth: () => null, weight: () => 1, compute }),
});

/** True if `symbols` need more than `steps` steps; equal neighbors need a blank in between. */
export function isImpossible(symbols: ArrayLike<unknown>, steps: number): boolean {
  let needed = symbols.length;
  for (let i = 1; i < symbols.length; i++) if (symbols[i] === symbols[i - 1]) needed++;
  return needed > steps;
}

/** The logarithm of 0. */
export const NEVER = Number.NEGATIVE_INFINITY;

/** Log probabilities of the classes at each step of one sequence. */
export interface ClassProbabilities {
  readonly steps: number;
  /** The blank is the last. */
  readonly classes: number;
  /** `[T, C]`. */
  readonly logs: Float64Array;
}

/** @param outputs those of step t begin at `from + t * stride` */
export function classProbabilities(
  outputs: Float32Array | Float64Array,
  { steps, classes }: Pick<ClassProbabilities, 'steps' | 'classes'>,
  from = 0,
  stride = classes,
): ClassProbabilities {
  const logs = new Float64Array(steps * classes);
  for (let t = 0; t < steps; t++) {
    const at = from + t * stride;
    let most = NEVER;
    for (let k = 0; k < classes; k++) most = Math.max(most, outputs[at + k]);
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp(outputs[at + k] - most);
    const total = most + Math.log(sum);
    for (let k = 0; k < classes; k++) logs[t * classes + k] = outputs[at + k] - total;
  }
  return { steps, classes, logs };
}

/** log(e^a + e^b + e^c). */
export function logSum(a: number, b: number, c = NEVER): number {
  const most = Math.max(a, b, c);
  if (most === NEVER) return most;
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most) + Math.exp(c - most));
}

/** The classes of the states of a labelling: a blank before, between and after its symbols. */
export function statesOf(
  symbols: ArrayLike<number>,
  { classes }: Pick<ClassProbabilities, 'classes'>,
): Int32Array {
  const states = new Int32Array(2 * symbols.length + 1).fill(classes - 1);
  for (let i = 0; i < symbols.length; i++) states[2 * i + 1] = symbols[i];
  return states;
}

/** Whether a path may come to state `s` from the one two before: no blank is needed in between. */
export function canSkip(states: Int32Array, s: number): boolean {
  return s > 1 && states[s] !== states[s - 2];
}

/** The first and last state at step `t` that are on a way from the first step to the last. */
function reachedAt(t: number, steps: number, { length }: Int32Array): readonly [number, number] {
  return [Math.max(0, length - 2 * (steps - t)), Math.min(length - 1, 2 * t + 1)];
}

/** States before the first of each step, so that it has predecessors. */
const PADDING = 2;

/** The sums over all paths of a labelling. */
interface Paths extends Pick<ClassProbabilities, 'steps' | 'classes'> {
  /** Of the classes at each step, `[T, C]`. */
  readonly probabilities: ExtendedNumbers;
  readonly states: Int32Array;
  /** The probability of ending in each state after each step, `[T, PADDING + states]`. */
  readonly ends: ExtendedNumbers;
  /** The probability of the labelling. */
  readonly total: ExtendedNumbers;
}

/** The forward pass (Graves et al., 2006, equations 5 to 8). */
function pathsOf({ steps, classes, logs }: ClassProbabilities, symbols: ArrayLike<number>): Paths {
  const states = statesOf(symbols, { classes });
  const probabilities = ExtendedNumbers.fromLogs(logs);
  const width = PADDING + states.length;
  const ends = new ExtendedNumbers(steps * width);
  for (let t = 0; t < steps; t++) {
    const at = t * width + PADDING;
    const [first, last] = reachedAt(t, steps, states);
    for (let s = first; s <= last; s++) {
      if (t === 0) ends.setLog(at + s, 0);
      else ends.setSum(at + s, ends, at - width + s, -1, canSkip(states, s));
      ends.multiply(at + s, probabilities, t * classes + states[s]);
    }
  }
  const total = new ExtendedNumbers(1);
  // a path ends with the last symbol or the blank after it
  total.setSum(0, ends, ends.length - 1, -1, false);
  return { steps, classes, probabilities, states, ends, total };
}

export function logProbability(of: ClassProbabilities, symbols: ArrayLike<number>): number {
  return pathsOf(of, symbols).total.log(0);
}

/**
 * Calls `visit` at each step, the last first, with the probability that a path of the labelling is
 * in each state there.
 */
function eachOccupancy(
  { steps, classes, probabilities, states, ends, total }: Paths,
  visit: (t: number, occupancy: Float64Array) => void,
): void {
  const width = PADDING + states.length;
  // probabilities of the rest of a path from the next step on, by the state at that step
  const ahead = new ExtendedNumbers(states.length + PADDING);
  const occupancy = new Float64Array(states.length);
  for (let t = steps - 1; t >= 0; t--) {
    const at = t * width + PADDING;
    occupancy.fill(0);
    const [first, last] = reachedAt(t, steps, states);
    for (let s = first; s <= last; s++) {
      if (t === steps - 1) ahead.setLog(s, 0);
      else ahead.setSum(s, ahead, s, 1, canSkip(states, s + 2));
      occupancy[s] = ends.productOver(at + s, ahead, s, total);
      ahead.multiply(s, probabilities, t * classes + states[s]);
    }
    visit(t, occupancy);
  }
}

/** The probability of each symbol of a labelling at each step, `[S, T]`, given the labelling. */
export function occupancyOf(of: ClassProbabilities, symbols: ArrayLike<number>): Float64Array {
  const all = new Float64Array(symbols.length * of.steps);
  eachOccupancy(pathsOf(of, symbols), (t, occupancy) => {
    for (let i = 0; i < symbols.length; i++) all[i * of.steps + t] = occupancy[2 * i + 1];
  });
  return all;
}

function compute(
  { batch, classes, outputs, lengths, targets, weights }: SequenceBatch,
  losses: Float32Array | Float64Array,
  gradient?: Float32Array | Float64Array,
): void {
  gradient?.fill(0);
  for (let row = 0; row < batch; row++) {
    losses[row] = 0;
    if (weights[row] === 0) continue;
    const symbols: number[] = [];
    for (let at = row; at < targets.length && targets[at] >= 0; at += batch) symbols.push(targets[at]);
    const sizes = { steps: lengths[row], classes };
    const paths = pathsOf(classProbabilities(outputs, sizes, row * classes, batch * classes), symbols);
    const length = Math.max(1, symbols.length);
    // a symbol that the model does not know has the number of the blank, and probability 0
    const isKnown = symbols.every(symbol => symbol < classes - 1);
    losses[row] = isKnown ? -paths.total.log(0) / length : Number.POSITIVE_INFINITY;
    const scale = weights[row] / length;
    if (!gradient || !Number.isFinite(losses[row])) continue;
    const { probabilities, states } = paths;
    const own = new Float64Array(classes);
    eachOccupancy(paths, (t, occupancy) => {
      for (let k = 0; k < classes; k++) own[k] = probabilities.number(t * classes + k);
      for (let s = 0; s < states.length; s++) own[states[s]] -= occupancy[s];
      const at = (t * batch + row) * classes;
      for (let k = 0; k < classes; k++) gradient[at + k] = scale * own[k];
    });
  }
}
