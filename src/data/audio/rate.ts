/** Conversion of recordings to another sample rate. */

import { damagedError } from '../../util/errors.js';
import { MAX_RATE } from '../reading/facts.js';

/** Zero crossings of the filter on each side. */
const CROSSINGS = 6;
/** Cutoff of the filter, as a fraction of the lower Nyquist frequency. */
const ROLLOFF = 0.99;

/** The weights of consecutive input samples that make one output sample. */
interface Kernel {
  /** The first of them, from the input sample at the time of the period's first output. */
  readonly first: number;
  readonly weights: Float64Array;
}

/**
 * Converts a stream of samples from one rate to another by band-limited interpolation: output n at
 * time u = n * from / to is the sum of x_i h(i - u) with
 *
 *     h(d) = c sinc(c d) cos²(pi c d / (2 * 6)) for |c d| < 6, else 0
 *     c = 0.99 min(from, to) / from
 *
 * as by `torchaudio.functional.resample` (`sinc_interp_hann`; Smith, Digital Audio Resampling Home
 * Page, 2002). Samples before the start and after the end are 0.
 */
export class RateConverter {
  /** The rates without their common divisor: inputs and outputs of a period. */
  private readonly inputs: number;
  private readonly outputs: number;
  private readonly kernels: Kernel[];
  /** The latest samples; the first is that number `start` of the stream. */
  private history = new Float64Array(0);
  private start = 0;
  /** Number of the next output. */
  private next = 0;

  /** Undefined if the rates are equal. @throws UserError (exit 5) if `from` is no rate */
  static between(from: number, to: number): RateConverter | undefined {
    if (from === to) return undefined;
    if (Number.isInteger(from) && from > 0 && from <= MAX_RATE) return new RateConverter(from, to);
    throw damagedError('data/sample-rate', 'the rate of the recording is invalid', {
      expected: `an integer from 1 to ${MAX_RATE}, in samples per second`,
      got: JSON.stringify(from),
    });
  }

  private constructor(from: number, to: number) {
    const divisor = commonDivisor(from, to);
    this.inputs = from / divisor;
    this.outputs = to / divisor;
    this.kernels = new Array(this.outputs);
  }

  /** Returns the outputs that `samples` complete. */
  push(samples: Float64Array): Float64Array {
    const { history } = this;
    this.history = new Float64Array(history.length + samples.length);
    this.history.set(history);
    this.history.set(samples, history.length);
    return this.take(false);
  }

  /** Returns the last outputs. Call after the last samples. */
  end(): Float64Array {
    return this.take(true);
  }

  private take(isLast: boolean): Float64Array {
    const { inputs, outputs, history, start } = this;
    const end = start + history.length;
    const out = new Float64Array(Math.max(0, Math.ceil((end * outputs) / inputs) - this.next));
    let count = 0;
    for (; count < out.length; count++) {
      const { first, weights } = this.kernelOf(this.next % outputs);
      const from = Math.floor(this.next / outputs) * inputs + first - start;
      if (!isLast && from + weights.length > history.length) break;
      const to = Math.min(weights.length, history.length - from);
      let sum = 0;
      for (let i = Math.max(0, -from); i < to; i++) sum += weights[i] * history[from + i];
      out[count] = sum;
      this.next++;
    }
    const kept = Math.floor(this.next / outputs) * inputs + this.kernelOf(this.next % outputs).first;
    this.history = history.slice(Math.max(0, kept - start));
    this.start = end - this.history.length;
    return out.subarray(0, count);
  }

  private kernelOf(phase: number): Kernel {
    const { inputs, outputs, kernels } = this;
    const known = kernels[phase];
    if (known !== undefined) return known;
    const cutoff = (Math.min(inputs, outputs) / inputs) * ROLLOFF;
    const time = (phase * inputs) / outputs;
    const half = CROSSINGS / cutoff;
    const first = Math.ceil(time - half);
    const weights = Float64Array.from({ length: Math.floor(time + half) - first + 1 }, (_, i) => {
      const x = cutoff * (first + i - time);
      const window = Math.cos((Math.PI * x) / (2 * CROSSINGS)) ** 2;
      return cutoff * window * (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
    });
    kernels[phase] = { first, weights };
    return kernels[phase];
  }
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
