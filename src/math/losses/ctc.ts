/**
 * Connectionist temporal classification (Graves et al., 2006). A path has a symbol or the blank for
 * each step; without repetitions and then without blanks it is a labelling. The probability of a
 * labelling is the sum over all of its paths. Computed in logarithms, so that nothing underflows.
 */
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
export function isImpossible(symbols: ArrayLike<number>, steps: number): boolean {
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
export function statesOf(symbols: ArrayLike<number>, { classes }: ClassProbabilities): Int32Array {
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

/** The log probabilities of ending in each state after each step, `[T, PADDING + states]`. */
function forward({ steps, classes, logs }: ClassProbabilities, states: Int32Array): Float64Array {
  const width = PADDING + states.length;
  const alpha = new Float64Array(steps * width).fill(NEVER);
  for (let t = 0; t < steps; t++) {
    const at = t * width + PADDING;
    const [first, last] = reachedAt(t, steps, states);
    for (let s = first; s <= last; s++) {
      const before = at - width + s;
      const skipped = canSkip(states, s) ? alpha[before - 2] : NEVER;
      const reached = t === 0 ? 0 : logSum(alpha[before], alpha[before - 1], skipped);
      alpha[at + s] = reached + logs[t * classes + states[s]];
    }
  }
  return alpha;
}

/** A path ends with the last symbol or the blank after it. */
function endOf(alpha: Float64Array): number {
  return logSum(alpha[alpha.length - 1], alpha[alpha.length - 2]);
}

export function logProbability(of: ClassProbabilities, symbols: ArrayLike<number>): number {
  return endOf(forward(of, statesOf(symbols, of)));
}

/**
 * Calls `visit` at each step, the last first, with the probability that a path of the labelling is
 * in each state there.
 */
function eachOccupancy(
  { steps, classes, logs }: ClassProbabilities,
  states: Int32Array,
  alpha: Float64Array,
  visit: (t: number, occupancy: Float64Array) => void,
): void {
  const total = endOf(alpha);
  const width = PADDING + states.length;
  // log probabilities of the rest of a path from the next step on, by the state at that step
  const ahead = new Float64Array(states.length + PADDING).fill(NEVER);
  const occupancy = new Float64Array(states.length);
  for (let t = steps - 1; t >= 0; t--) {
    const at = t * width + PADDING;
    occupancy.fill(0);
    const [first, last] = reachedAt(t, steps, states);
    for (let s = first; s <= last; s++) {
      const skipped = canSkip(states, s + 2) ? ahead[s + 2] : NEVER;
      const rest = t === steps - 1 ? 0 : logSum(ahead[s], ahead[s + 1], skipped);
      occupancy[s] = Math.exp(alpha[at + s] + rest - total);
      ahead[s] = rest + logs[t * classes + states[s]];
    }
    visit(t, occupancy);
  }
}

/** The probability of each symbol of a labelling at each step, `[S, T]`, given the labelling. */
export function occupancyOf(of: ClassProbabilities, symbols: ArrayLike<number>): Float64Array {
  const states = statesOf(symbols, of);
  const all = new Float64Array(symbols.length * of.steps);
  eachOccupancy(of, states, forward(of, states), (t, occupancy) => {
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
    const probabilities = classProbabilities(outputs, sizes, row * classes, batch * classes);
    const states = statesOf(symbols, probabilities);
    const alpha = forward(probabilities, states);
    const length = Math.max(1, symbols.length);
    // a symbol that the model does not know has the number of the blank, and probability 0
    const isKnown = symbols.every(symbol => symbol < classes - 1);
    losses[row] = isKnown ? -endOf(alpha) / length : Number.POSITIVE_INFINITY;
    const scale = weights[row] / length;
    if (!gradient || !Number.isFinite(losses[row])) continue;
    const { logs } = probabilities;
    const own = new Float64Array(classes);
    eachOccupancy(probabilities, states, alpha, (t, occupancy) => {
      for (let k = 0; k < classes; k++) own[k] = Math.exp(logs[t * classes + k]);
      for (let s = 0; s < states.length; s++) own[states[s]] -= occupancy[s];
      const at = (t * batch + row) * classes;
      for (let k = 0; k < classes; k++) gradient[at + k] = scale * own[k];
    });
  }
}
