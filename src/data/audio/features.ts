/**
 * Features of recordings, computed from a stream of samples, so that those of a live stream equal
 * those of the file. Frame i has the samples from i * hop to i * hop + window; nothing is padded,
 * except that a recording shorter than a window becomes one frame.
 *
 *     window    w_n = 1/2 - 1/2 cos(2 pi n / N), the periodic Hann window
 *     power     |FFT(w x)|², of the frame padded with zeros to the size of the FFT
 *     log_mel   ln(max(floor, M power)), M as by torchaudio (see `mel.ts`)
 *     mfcc      DCT-II of log_mel, perhaps liftered
 *     raw       the samples of the frame
 *     deltas    sum_n n (x_(t+n) - x_(t-n)) / (2 sum_n n²) for n = 1, 2, as in HTK; the first and
 *               last frames are repeated
 */

import type { SampleReader, SampleStream } from '../core/dataset.js';
import { configError } from '../core/problems.js';
import type { FeatureConfig } from './facts.js';
import { cepstralRows, melBands } from './mel.js';
import { RateConverter } from './rate.js';
import { BandPowers } from './spectrum.js';

/** Computes the features of frames. */
interface Frames {
  readonly size: number;
  nameOf(feature: number): string;
  /** Reads the samples of each frame at an element of `starts`, and writes to one of `rows`. */
  compute(samples: Float64Array, starts: readonly number[], rows: readonly Float32Array[]): void;
}

/** Before the name of a feature, by the order of the derivative. */
const DELTAS = ['', 'delta of ', 'delta-delta of '];

/** How samples become features at a sample rate. */
export class FeatureForm implements SampleReader {
  /** In samples. */
  readonly window: number;
  readonly hop: number;
  readonly frames: Frames;
  readonly deltas: number;

  /** @throws UserError (exit 2) if the settings do not fit the rate */
  constructor(
    readonly config: FeatureConfig,
    readonly rate: number,
  ) {
    this.window = this.samplesOf('window');
    this.hop = this.samplesOf('hop');
    this.deltas = config.kind === 'raw' ? 0 : config.deltas;
    this.frames = config.kind === 'raw' ? rawFrames(this.window) : this.melFrames(config);
  }

  /** Features of a step. */
  get size(): number {
    return this.frames.size * (1 + this.deltas);
  }

  /** The names of these, for messages. */
  get names(): string[] {
    const { size, nameOf } = this.frames;
    return Array.from({ length: this.size }, (_, i) => DELTAS[Math.floor(i / size)] + nameOf(i % size));
  }

  /** Steps of a recording of `length` samples. */
  stepsOf(length: number): number {
    return Math.max(1, 1 + Math.floor((length - this.window) / this.hop));
  }

  endOf(index: number): number {
    return (index * this.hop + this.window) / this.rate;
  }

  listen(emit: (row: Float32Array) => void, rate = this.rate): SampleStream {
    return new FeatureStream(this, emit, rate);
  }

  private samplesOf(name: 'window' | 'hop'): number {
    const samples = Math.round((this.config[name] * this.rate) / 1000);
    if (samples > 0) return samples;
    throw this.unfit(name, `at ${this.rate} Hz, this is less than a sample`);
  }

  private melFrames(config: Exclude<FeatureConfig, { readonly kind: 'raw' }>): Frames {
    const { rate, window } = this;
    const fftSize = config.fft_size ?? 2 ** Math.max(2, Math.ceil(Math.log2(window)));
    if (fftSize < window)
      throw this.unfit('fft_size', `at ${rate} Hz, a frame has more samples`, `at least ${window}`);
    const { min_frequency: from, max_frequency: to = rate / 2, floor } = config;
    if (to > rate / 2)
      throw this.unfit(
        'max_frequency',
        `recordings at ${rate} Hz have no such frequency`,
        `at most ${rate / 2}`,
      );
    if (from >= to) throw this.unfit('min_frequency', 'the bands have no frequencies', `below ${to}`);
    const mel = melBands({ rate, fftSize, bands: config.bands, from, to, scale: config.scale });
    const empty = mel.findIndex(({ weights }) => weights.length === 0);
    if (empty >= 0) {
      const message = `band ${empty} of ${config.bands} is narrower than a bin of the FFT (${rate / fftSize} Hz)`;
      throw this.unfit('bands', message, 'fewer bands, or a larger `fft_size`');
    }
    const hann = hannWindow(window);
    const power = new BandPowers(fftSize, mel);
    const { frames, sums } = power;
    const rows =
      config.kind === 'mfcc' ? cepstralRows(config.coefficients, config.bands, config.lifter) : undefined;
    const logs = new Float64Array(config.bands);
    return {
      size: rows?.length ?? config.bands,
      nameOf: k => (rows ? `coefficient ${k}` : `band ${k} (${Math.round(mel[k].centre)} Hz)`),
      compute(samples, starts, outs) {
        for (let i = 0; i < outs.length; i += 2) {
          const first = starts[i];
          const second = starts[i + 1] ?? first;
          for (let n = 0; n < window; n++) {
            frames[2 * n] = hann[n] * samples[first + n];
            frames[2 * n + 1] = hann[n] * samples[second + n];
          }
          power.compute();
          for (const [lane, out] of outs.slice(i, i + 2).entries()) {
            const values = rows ? logs : out;
            for (let band = 0; band < values.length; band++)
              values[band] = Math.log(Math.max(floor, sums[2 * band + lane]));
            if (rows) multiply(rows, logs, out);
          }
        }
      },
    };
  }

  private unfit(name: string, message: string, expected?: string) {
    const keyPath = ['dataset', 'features', name];
    return configError({ code: 'data/features', keyPath, message, expected });
  }
}

function multiply(rows: readonly Float64Array[], values: Float64Array, out: Float32Array): void {
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k];
    let sum = 0;
    for (let n = 0; n < row.length; n++) sum += row[n] * values[n];
    out[k] = sum;
  }
}

function rawFrames(window: number): Frames {
  return {
    size: window,
    nameOf: n => `sample ${n}`,
    compute(samples, starts, rows) {
      for (const [i, at] of starts.entries()) rows[i].set(samples.subarray(at, at + window));
    },
  };
}

function hannWindow(length: number): Float64Array {
  return Float64Array.from({ length }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / length));
}

/** Computes the features of one recording from its samples, in pieces. */
class FeatureStream implements SampleStream {
  /** The samples that later frames need. */
  private pending = new Float64Array(0);
  /** Samples to leave out before the next frame, if frames do not touch. */
  private skipped = 0;
  private isEmpty = true;
  private readonly emit: (row: Float32Array) => void;
  private readonly derivatives: readonly Derivatives[];
  private readonly converter: RateConverter | undefined;

  constructor(
    private readonly form: FeatureForm,
    emit: (row: Float32Array) => void,
    rate: number,
  ) {
    this.converter = RateConverter.between(rate, form.rate);
    const { size } = form.frames;
    const stages: Derivatives[] = [];
    for (let order = 0; order < form.deltas; order++) {
      const next = stages[0];
      stages.unshift(new Derivatives(size, next ? row => next.push(row) : emit));
    }
    this.derivatives = stages;
    this.emit = stages.length > 0 ? row => stages[0].push(row) : emit;
  }

  push(samples: Float64Array): void {
    this.add(this.converter?.push(samples) ?? samples);
  }

  private add(samples: Float64Array): void {
    const { window, hop } = this.form;
    const { pending } = this;
    const all = new Float64Array(pending.length + samples.length);
    all.set(pending);
    all.set(samples, pending.length);
    const count = Math.max(0, 1 + Math.floor((all.length - this.skipped - window) / hop));
    this.compute(all, this.skipped, count);
    const at = this.skipped + count * hop;
    this.pending = all.slice(at);
    this.skipped = Math.max(0, at - all.length);
  }

  end(): void {
    if (this.converter) this.add(this.converter.end());
    if (this.isEmpty && this.pending.length > 0) {
      const padded = new Float64Array(this.form.window);
      padded.set(this.pending);
      this.compute(padded, 0, 1);
    }
    for (const stage of this.derivatives) stage.end();
  }

  /** Computes `count` frames, the first of them at `from` of `samples`. */
  private compute(samples: Float64Array, from: number, count: number): void {
    const { frames, hop } = this.form;
    // an allocation for each frame would take as long as its mel bands
    const values = new Float32Array(count * frames.size);
    const rows = Array.from({ length: count }, (_, i) =>
      values.subarray(i * frames.size, (i + 1) * frames.size),
    );
    const starts = rows.map((_, i) => from + i * hop);
    frames.compute(samples, starts, rows);
    if (count > 0) this.isEmpty = false;
    for (const row of rows) this.emit(row);
  }
}

/** Frames before and after a frame that its slopes are computed from. */
const REACH = 2;
/** 2 (1² + 2²). */
const SLOPE_NORM = 10;

/** Appends the slopes of the last `size` features of each row. */
class Derivatives {
  /** The row to complete next, those before it that it needs, and all after it. */
  private readonly rows: Float32Array[] = [];
  private next = 0;

  constructor(
    private readonly size: number,
    private readonly emit: (row: Float32Array) => void,
  ) {}

  push(row: Float32Array): void {
    this.rows.push(row);
    if (this.rows.length - this.next > REACH) this.complete();
  }

  end(): void {
    while (this.next < this.rows.length) this.complete();
  }

  private complete(): void {
    const { rows, next, size } = this;
    const row = rows[next];
    const out = new Float32Array(row.length + size);
    out.set(row);
    const before = row.length - size;
    const at = (distance: number) => rows[Math.min(rows.length - 1, Math.max(0, next + distance))];
    for (let f = 0; f < size; f++) {
      let sum = 0;
      for (let n = 1; n <= REACH; n++) sum += n * (at(n)[before + f] - at(-n)[before + f]);
      out[row.length + f] = sum / SLOPE_NORM;
    }
    this.emit(out);
    if (next < REACH) this.next++;
    else rows.shift();
  }
}
