/** Decoding of a model with a decoder: the likeliest outputs, symbol by symbol. */
import { classProbabilities } from '../../util/log-probabilities.js';
import type { Loss } from '../losses/loss.js';
import { predictedClass } from '../metrics/metric.js';
import { type BatchLengths, type DeclaredInput, declaredInputs, widthOf } from '../model/inputs.js';
import type { WalkShape } from '../model/runs.js';
import { hasAttention, type ModelSpec } from '../model/spec.js';
import { type Machine, type Numbers, ScheduleWalk } from '../model/walk.js';
import type { Attended, Decoded, DecodeSettings } from './ctc.js';

export interface DecoderSettings extends DecodeSettings {
  readonly limit: number;
  /** True to keep the attention's weights, besides the strongest. */
  readonly keepsWeights: boolean;
}

/** An output so far. */
interface Prefix extends Decoded {
  readonly symbols: readonly number[];
  /** Of the symbols and of the boundary after them, if it has ended. */
  readonly logProbability: number;
  readonly attended: readonly Attended[];
  readonly hasEnded: boolean;
}

/** A prefix with another symbol. */
interface Extension {
  /** Index of the prefix. */
  readonly from: number;
  readonly symbol: number;
  readonly logProbability: number;
}

/** Batches that are one step of all outputs that are kept of a batch of `shape`. */
export function decodingShape(shape: WalkShape, { beam }: DecodeSettings): WalkShape {
  return { ...shape, batch: shape.batch * beam, targetLength: 0, training: false, decodes: true };
}

/**
 * Beam search (Sutskever et al., 2014, section 3.2) of all rows of a batch at once, with outputs
 * ranked by the mean log probability of their symbols.
 */
export class DecoderSearch<A extends Numbers> {
  private readonly walk: ScheduleWalk<A>;
  private readonly inputs: Readonly<Record<string, A>>;
  /** What the head reads of a sequence. */
  private readonly statics: readonly DeclaredInput[];
  private readonly result: { readonly rows: A; readonly predictions: A; readonly attention?: A };
  /** By name, before and after a step. */
  private readonly states = new Map<string, { readonly before: A; readonly after: A }>();

  constructor(
    private readonly spec: ModelSpec,
    loss: Loss,
    private readonly shape: WalkShape,
    private readonly machine: Machine<A>,
    private readonly settings: DecoderSettings,
  ) {
    const walkShape = decodingShape(shape, settings);
    const numbers = (width: number) => machine.allocate(walkShape.batch * width);
    this.walk = new ScheduleWalk(spec, loss, walkShape, machine);
    const isStatic = ({ role, per }: DeclaredInput) => role === 'features' && per === 'sequence';
    this.statics = declaredInputs(spec, loss, walkShape).filter(isStatic);
    this.inputs = {
      ...Object.fromEntries(this.statics.map(input => [input.name, numbers(widthOf(input))])),
      previous: numbers(1),
      mask: numbers(shape.sequenceLength),
      target: numbers(1),
      weight: numbers(1),
    };
    this.result = {
      rows: numbers(1),
      predictions: numbers(spec.outputSize),
      ...(hasAttention(spec) && { attention: numbers(shape.sequenceLength) }),
    };
  }

  /**
   * Returns the best outputs of each row with a weight, at most `beam`, the best first. `encoder`
   * has evaluated the batch.
   */
  async search(
    parameters: A,
    encoder: ScheduleWalk<A>,
    { inputs, ...size }: BatchLengths & { readonly inputs: Readonly<Record<string, A>> },
  ): Promise<readonly (readonly Decoded[])[]> {
    const { limit } = this.settings;
    await this.start(encoder, size, inputs);
    const first: Prefix = { symbols: [], logProbability: 0, attended: [], hasEnded: false };
    const live = Array.from({ length: this.shape.batch }, (_, row) =>
      inputs.weight[row] === 0 ? [] : [first],
    );
    const ended = live.map((): Prefix[] => []);
    for (let step = 0; step < limit && live.some(({ length }) => length > 0); step++) {
      live.forEach((prefixes, row) => void this.read(prefixes, row));
      await this.step(parameters, size.steps);
      live.forEach((prefixes, row) => {
        const grown = this.grow(prefixes, row, size.steps);
        live[row] = grown.filter(({ hasEnded }) => !hasEnded);
        ended[row].push(...grown.filter(({ hasEnded }) => hasEnded));
      });
    }
    return live.map((prefixes, row) =>
      [...ended[row], ...prefixes]
        .sort((a, b) => meanLogProbability(b, limit) - meanLogProbability(a, limit))
        .slice(0, this.settings.beam),
    );
  }

  /**
   * Copies what the encoder passes on, and the inputs of sequences, for each output that is kept of
   * a row.
   */
  private async start(
    encoder: ScheduleWalk<A>,
    { steps, targetLength }: BatchLengths,
    inputs: Readonly<Record<string, A>>,
  ): Promise<void> {
    const { arrays } = this.machine;
    const { batch } = this.shape;
    const { beam } = this.settings;
    const states = encoder.firstStates({ steps, targetLength });
    const memory = encoder.memory({ steps, targetLength });
    const mirrors = this.walk.memory(stepOf(steps));
    await arrays.read(...Object.values(states), ...memory);
    for (const [name, values] of Object.entries(states)) {
      const allocate = () => this.machine.allocate(values.length * beam);
      const pair = this.states.get(name) ?? { before: allocate(), after: allocate() };
      this.states.set(name, pair);
      repeatRows(values, pair.before, values.length / batch, beam);
    }
    memory.forEach((values, part) => {
      repeatRows(values, mirrors[part], values.length / (steps * batch), beam);
    });
    arrays.write(...mirrors);
    if (inputs.mask) repeatRows(inputs.mask.subarray(0, steps * batch), this.inputs.mask, 1, beam);
    for (const input of this.statics)
      repeatRows(inputs[input.name], this.inputs[input.name], widthOf(input), beam);
    arrays.write(...Object.values(this.inputs));
  }

  /** Writes the last symbols of `prefixes` to the decoder's input. */
  private read(prefixes: readonly Prefix[], row: number): void {
    const boundary = this.spec.outputSize - 1;
    prefixes.forEach(({ symbols }, i) => {
      this.inputs.previous[row * this.settings.beam + i] = symbols.at(-1) ?? boundary;
    });
  }

  private async step(parameters: A, steps: number): Promise<void> {
    const { arrays } = this.machine;
    const arraysOf = (when: 'before' | 'after') =>
      Object.fromEntries([...this.states].map(([name, state]) => [name, state[when]]));
    const batch = { ...stepOf(steps), inputs: this.inputs, states: arraysOf('before') };
    const { predictions, attention } = this.result;
    const after = arraysOf('after');
    arrays.write(this.inputs.previous, ...Object.values(batch.states));
    await this.walk.evaluate(parameters, batch, { ...this.result, states: after });
    await arrays.read(predictions, ...(attention ? [attention] : []), ...Object.values(after));
  }

  /** Returns the best extensions of `prefixes`, and passes on the states of unfinished ones. */
  private grow(prefixes: readonly Prefix[], row: number, steps: number): Prefix[] {
    const { beam } = this.settings;
    const width = this.spec.outputSize;
    const extensions = new Best(beam);
    prefixes.forEach(({ logProbability }, from) => {
      const at = (row * beam + from) * width;
      const { logs } = classProbabilities(this.result.predictions, { steps: 1, classes: width }, at);
      logs.forEach((log, symbol) => void extensions.add(from, symbol, logProbability + log));
    });
    let next = row * beam;
    return extensions.all.map(({ from, symbol, logProbability }) => {
      const { symbols, attended } = prefixes[from];
      if (symbol === width - 1) return { symbols, logProbability, attended, hasEnded: true };
      this.passOn(row * beam + from, next++);
      return {
        symbols: [...symbols, symbol],
        logProbability,
        attended: [...attended, ...this.attendedBy(row * beam + from, steps)],
        hasEnded: false,
      };
    });
  }

  /** Empty without attention. */
  private attendedBy(row: number, steps: number): Attended[] {
    const weights = this.result.attention?.subarray(row * steps, (row + 1) * steps);
    if (!weights) return [];
    const kept = this.settings.keepsWeights ? weights : weights.subarray(0, 0);
    return [
      { step: predictedClass(weights), weights: Uint8Array.from(kept, weight => Math.round(255 * weight)) },
    ];
  }

  private passOn(from: number, to: number): void {
    for (const { before, after } of this.states.values()) {
      const width = after.length / (this.shape.batch * this.settings.beam);
      before.set(after.subarray(from * width, (from + 1) * width), to * width);
    }
  }
}

/** A batch that is one step of the decoder. */
export function stepOf(steps: number): BatchLengths {
  return { steps, targetLength: 0 };
}

/** Each row of `width` numbers `count` times. */
function repeatRows(values: Numbers, into: Numbers, width: number, count: number): void {
  for (let from = 0; from < values.length; from += width) {
    const row = values.subarray(from, from + width);
    for (let i = 0; i < count; i++) into.set(row, from * count + i * width);
  }
}

/** The most probable extensions; of equally probable ones those that were added first. */
class Best {
  readonly all: Extension[] = [];

  constructor(private readonly most: number) {}

  add(from: number, symbol: number, logProbability: number): void {
    const { all, most } = this;
    let at = all.length;
    while (at > 0 && all[at - 1].logProbability < logProbability) at--;
    if (at === most) return;
    all.splice(at, 0, { from, symbol, logProbability });
    if (all.length > most) all.pop();
  }
}

/** Mean over the symbols and the boundary, which an output at the limit does not have. */
export function meanLogProbability({ symbols, logProbability }: Decoded, limit: number): number {
  return logProbability / Math.min(symbols.length + 1, limit);
}
