/** The description of a model for given data: layers over an input, and a head. */
import type { SequenceInput } from '../../data/index.js';
import type { Cell } from '../cells/cell.js';
import { cells, type LayerConfig } from '../cells/index.js';
import {
  type AttentionName,
  type DecoderConfig,
  layersOf,
  type ModelConfig,
  type ModelSteps,
} from './settings.js';

/** A part of what the lowest layer reads in each step, or of what the head reads of a sequence. */
export type ModelInput =
  | { readonly kind: 'number'; readonly size: number }
  /** One of `count` symbols, which an embedding of `size` numbers represents. */
  | {
      readonly kind: 'symbol';
      readonly count: number;
      readonly size: number;
      /** The embedding in weight names. */
      readonly module: string;
      /** True if the vector of symbol 0 is zero at first: no value of a column has learned it. */
      readonly startsAtZero: boolean;
    };

export interface LayerSpec {
  readonly settings: LayerConfig;
  /** The parts of its input: one for each direction of the layer below, or those of the model's. */
  readonly inputSizes: readonly number[];
  /** The module in weight names, such as `lstm` or `layers.0`. */
  readonly module: string;
  /** The layer's number in its module: 1 in `lstm.weight_ih_l1`. */
  readonly number: number;
}

/**
 * The layers from `firstLayer` on write the output symbol by symbol; those below are the encoder.
 * The attention, if there is one, is a layer above them, and the head reads it.
 */
export interface DecoderSpec {
  readonly firstLayer: number;
  /** The input of its lowest layer: the previous symbol, or the boundary (the last symbol). */
  readonly symbols: SymbolInput;
  readonly attention: AttentionName | 'none';
  /** Probability that an output of a layer below another one is dropped. */
  readonly dropout: number;
}

export interface ModelSpec {
  /** How the steps of the data become those of the model; absent: one for one. */
  readonly steps?: ModelSteps;
  readonly inputs: readonly ModelInput[];
  /** What the head reads of a sequence, beside the outputs of the top layer. */
  readonly statics: readonly ModelInput[];
  /** Bottom first; those of a decoder after those of the encoder. */
  readonly layers: readonly LayerSpec[];
  readonly decoder?: DecoderSpec;
  /** Probability that an output of a layer below another one is dropped. */
  readonly dropout: number;
  readonly head: ModelConfig['head'];
  /** C: classes, target values, or symbols and the boundary. */
  readonly outputSize: number;
  /** Whether a batch starts with the states that the batch before it ended with. */
  readonly carriesState: boolean;
  /** Whether so does the head's pool; not in training. */
  readonly carriesPool?: boolean;
}

/** Number of steps of the model for a sequence of `steps` steps of the data. */
export function stepsRead({ stack = 1, repeat = 1 }: ModelSteps = {}, steps: number): number {
  return Math.ceil(steps / stack) * repeat;
}

/** The first step of the data that the model reads at `step`. */
export function stepInData({ stack = 1, repeat = 1 }: ModelSteps = {}, step: number): number {
  return Math.floor(step / repeat) * stack;
}

/** One direction of one layer. */
export interface Unit {
  readonly layer: number;
  readonly reverse: boolean;
}

export function cellOf({ settings }: LayerSpec): Cell<LayerConfig> {
  return cells[settings.cell] as Cell<LayerConfig>;
}

export function unitsOf({ layers }: ModelSpec, layer: number): Unit[] {
  const forward = { layer, reverse: false };
  return layers[layer].settings.bidirectional ? [forward, { layer, reverse: true }] : [forward];
}

/** The recurrent layers that read the input. */
export function encoderSize({ layers, decoder }: ModelSpec): number {
  return decoder?.firstLayer ?? layers.length;
}

export function hasAttention({ decoder }: ModelSpec): boolean {
  return decoder !== undefined && decoder.attention !== 'none';
}

/** The layer whose output the head reads. */
export function topLayer(spec: ModelSpec): number {
  return hasAttention(spec) ? spec.layers.length : spec.layers.length - 1;
}

/** Sizes of a layer's output: one part for each direction. */
export function outputSizes(spec: ModelSpec, layer: number): number[] {
  if (layer === spec.layers.length) return outputSizes(spec, layer - 1); // the attention
  const layerSpec = spec.layers[layer];
  return unitsOf(spec, layer).map(() => cellOf(layerSpec).states(layerSpec.settings)[0].size);
}

/** Sizes of the parts that the head reads: the outputs of the top layer, then static features. */
export function headSizes(spec: ModelSpec): number[] {
  return [...outputSizes(spec, topLayer(spec)), ...spec.statics.map(({ size }) => size)];
}

/** Numbers that the data have for each step: one for a symbol. */
export function numbersPerStep({ inputs, statics, steps }: ModelSpec): number {
  const ofModel = [...inputs, ...statics].reduce(
    (sum, input) => sum + (input.kind === 'symbol' ? 1 : input.size),
    0,
  );
  return ofModel / (steps?.stack ?? 1);
}

export function unitName({ layer, reverse }: Unit): string {
  return `${layer}${reverse ? '_reverse' : ''}`;
}

/** What the data and training add to a config. */
export interface ModelContext extends Pick<ModelSpec, 'outputSize' | 'carriesState'> {
  readonly input: SequenceInput;
}

export function describeModel(model: ModelConfig, { input: data, ...context }: ModelContext): ModelSpec {
  const { dropout, steps, head, decoder } = model;
  const { inputs, statics } = describeInputs(model, data);
  const layers = stackLayers(
    model,
    inputs.map(({ size }) => size),
  );
  const common = { inputs, statics, layers, dropout, head, ...(steps && { steps }), ...context };
  if (!decoder) return common;
  return {
    ...common,
    layers: [...layers, ...decoderLayers(decoder)],
    decoder: {
      firstLayer: layers.length,
      symbols: {
        kind: 'symbol',
        count: context.outputSize,
        size: decoder.embedding_size,
        module: 'decoder.embedding',
        startsAtZero: false,
      },
      attention: decoder.attention,
      dropout: decoder.dropout,
    },
    head: { ...head, from: 'every' },
  };
}

function decoderLayers({ cell, hidden_size, num_layers, embedding_size }: DecoderConfig): LayerSpec[] {
  const settings = {
    cell,
    hidden_size,
    bidirectional: false,
    ...(cell === 'rnn' && { nonlinearity: 'tanh' }),
  };
  return Array.from({ length: num_layers }, (_, number) => ({
    settings: settings as LayerConfig,
    inputSizes: [number === 0 ? embedding_size : hidden_size],
    module: `decoder.${cell}`,
    number,
  }));
}

function describeInputs(
  { embedding, steps }: ModelConfig,
  data: SequenceInput,
): Pick<ModelSpec, 'inputs' | 'statics'> {
  if (data.kind === 'number') {
    if (steps?.stack) return { inputs: [{ kind: 'number', size: data.size * steps.stack }], statics: [] };
    const { size, static: ofSequence = 0, embedded = [] } = data;
    const partsOf = (numbers: number, ofStatics: boolean): ModelInput[] => [
      ...(numbers > 0 ? [{ kind: 'number', size: numbers } as const] : []),
      ...embedded.flatMap(({ static: isStatic = false, ...columnFacts }, i): ModelInput[] => {
        const column = {
          kind: 'symbol',
          ...columnFacts,
          module: `embeddings.${i}`,
          startsAtZero: true,
        } as const;
        return isStatic === ofStatics ? [column] : [];
      }),
    ];
    return {
      inputs: partsOf(size - ofSequence - embedded.length, false),
      statics: partsOf(ofSequence, true),
    };
  }
  if (!embedding) throw new Error('symbols need an embedding: the config was not checked against its data');
  const count = embedding.num_symbols ?? data.count;
  const input = {
    kind: 'symbol',
    count,
    size: embedding.size,
    module: 'embedding',
    startsAtZero: false,
  } as const;
  return { inputs: [input], statics: [] };
}

export type SymbolInput = Extract<ModelInput, { readonly kind: 'symbol' }>;

/** The inputs that are symbols, those of steps first. */
export function symbolInputs({ inputs, statics }: ModelSpec): SymbolInput[] {
  return [...inputs, ...statics].filter(input => input.kind === 'symbol');
}

/**
 * Each layer reads the output of the one below; weights are named as in torch's module, or in a
 * ModuleList of layers.
 */
function stackLayers(model: ModelConfig, ofInput: readonly number[]): LayerSpec[] {
  const isList = 'layers' in model;
  let inputSizes = ofInput;
  return layersOf(model).map((settings, layer) => {
    const cell = cells[settings.cell] as Cell<LayerConfig>;
    const place = isList
      ? { module: `layers.${layer}`, number: 0 }
      : { module: settings.cell, number: layer };
    const spec = { settings, inputSizes, ...place };
    const [{ size }] = cell.states(settings);
    inputSizes = settings.bidirectional ? [size, size] : [size];
    return spec;
  });
}
