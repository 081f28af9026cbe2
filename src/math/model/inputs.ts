/** The inputs of a model besides its parameters: declared here, filled in `train/batch.ts`. */
import type { Shape } from '../graph/shape.js';
import { isOfSequences, type Loss } from '../losses/loss.js';
import { heads, predictsEachStep } from './heads.js';
import { encoderSize, type ModelInput, type ModelSpec, outputSizes, type Unit } from './spec.js';

/** The meaning of a value, which determines what writes it. */
export type InputRole =
  /** Features of a step or sequence, or the symbol of a step. */
  | 'features'
  /** 1 within a sequence, 0 after its end. */
  | 'mask'
  /** The weight of a step in the head's pool. */
  | 'pool'
  /** 0 if dropped, else 1 / (1 - p). */
  | 'dropout'
  | 'target'
  /** The symbol before the target's, or the boundary: what a decoder reads. */
  | 'previous'
  /** The weight of a loss in the mean; 0 if it is ignored or pads the batch. */
  | 'weight'
  /** The steps of a sequence. */
  | 'length';

export interface DeclaredInput {
  readonly name: string;
  readonly role: InputRole;
  /**
   * One value for each step of the sequence, each prediction of the head, each symbol of the
   * longest target, or one for the sequence.
   */
  readonly per: 'step' | 'prediction' | 'symbol' | 'sequence';
  /** Numbers for each row, as a separate axis; null: one number without an axis. */
  readonly width: number | null;
  /** Values are integers below this. */
  readonly symbols?: number;
  readonly dropout?: DropoutPlace;
  /** Of features: the place of its first value among the features of the data. */
  readonly first?: number;
}

export interface DropoutPlace {
  /** Probability that a value is dropped. */
  readonly probability: number;
  /** Unique among the inputs. */
  readonly stream: number;
}

export interface InputOptions {
  readonly variableLength: boolean;
  readonly training: boolean;
}

/** The inputs of `spec` with `loss`, in a fixed order. */
export function declaredInputs(
  spec: ModelSpec,
  loss: Loss,
  { variableLength, training }: InputOptions,
): DeclaredInput[] {
  const { head } = spec;
  const inputs = featureInputs(spec);
  if (variableLength && spec.layers.some((_, layer) => keepsStates(spec, layer))) {
    inputs.push({ name: 'mask', role: 'mask', per: 'step', width: null });
  }
  if (poolsByWeight(spec, variableLength)) {
    inputs.push({ name: 'pool', role: 'pool', per: 'step', width: null });
  }
  if (training) {
    for (let layer = 1; layer < spec.layers.length; layer++) {
      const probability = dropoutBelow(spec, layer);
      if (probability === 0) continue;
      const per = isOfDecoder(spec, layer) ? 'prediction' : 'step';
      outputSizes(spec, layer - 1).forEach((width, part) => {
        const dropout = { probability, stream: 2 * layer + part };
        inputs.push({ name: dropoutName(layer, part), role: 'dropout', per, width, dropout });
      });
    }
  }
  if (training && head.dropout > 0) {
    head.hidden_sizes.forEach((width, i) => {
      const dropout = { probability: head.dropout, stream: 2 * spec.layers.length + i };
      inputs.push({ name: headDropoutName(i), role: 'dropout', per: 'prediction', width, dropout });
    });
  }
  if (spec.decoder) {
    const symbols = spec.outputSize;
    inputs.push({ name: 'previous', role: 'previous', per: 'prediction', width: null, symbols });
  }
  const [target, weight] = isOfSequences(loss)
    ? (['symbol', 'sequence'] as const)
    : (['prediction', 'prediction'] as const);
  inputs.push(
    { name: 'target', role: 'target', per: target, width: loss.targetWidth(spec.outputSize) },
    { name: 'weight', role: 'weight', per: weight, width: null },
  );
  if (isOfSequences(loss)) {
    inputs.push({ name: 'length', role: 'length', per: 'sequence', width: null });
  }
  return inputs;
}

/** In the data, the numbers of a step precede those of the sequence, then symbols of both. */
function featureInputs({ inputs, statics }: ModelSpec): DeclaredInput[] {
  const numbersOf = (parts: readonly ModelInput[]) =>
    parts.reduce((sum, { kind, size }) => sum + (kind === 'number' ? size : 0), 0);
  const numbers = numbersOf(inputs);
  let symbol = numbers + numbersOf(statics);
  const declare = (parts: readonly ModelInput[], per: 'step' | 'sequence', first: number) =>
    parts.map((input, part): DeclaredInput => {
      const place = { name: inputName(per, part), role: 'features', per } as const;
      return input.kind === 'symbol'
        ? { ...place, width: null, symbols: input.count, first: symbol++ }
        : { ...place, width: input.size, first };
    });
  return [...declare(inputs, 'step', 0), ...declare(statics, 'sequence', numbers)];
}

export type NamedInput = ModelInput & { readonly name: string };

/** What the lowest layer of the model, or of the decoder, reads: parts and their names. */
export function readInputs(
  { inputs, decoder }: ModelSpec,
  { units, firstLayer }: { readonly units: readonly Unit[]; readonly firstLayer: number },
): readonly NamedInput[] {
  if (units.length === 0) return [];
  if (firstLayer === decoder?.firstLayer) return [{ ...decoder.symbols, name: 'previous' }];
  return firstLayer > 0 ? [] : inputs.map((input, part) => ({ ...input, name: inputName('step', part) }));
}

/** What a block with the head reads of a sequence. */
export function readStatics(
  { statics }: ModelSpec,
  { hasHead }: { readonly hasHead: boolean },
): readonly NamedInput[] {
  return hasHead ? statics.map((input, part) => ({ ...input, name: inputName('sequence', part) })) : [];
}

/** The part `part` of what the lowest layer reads in a step, or the head of a sequence. */
function inputName(per: 'step' | 'sequence', part: number): string {
  const name = per === 'step' ? 'x' : 'static';
  return part === 0 ? name : `${name}.${part}`;
}

export interface BatchLengths {
  readonly steps: number;
  /** Symbols of the longest target; absent if targets are not sequences. */
  readonly targetLength?: number | undefined;
}

/** The values of an input for each row of a batch, along its first axis. */
export function countOf({ per }: DeclaredInput, spec: ModelSpec, lengths: BatchLengths): number {
  const { steps, targetLength = 0 } = lengths;
  if (per === 'step') return steps;
  if (per === 'prediction') return predictionsOf(spec, steps, targetLength);
  return per === 'symbol' ? targetLength : 1;
}

/** The gradient with respect to predictions, where a loss of sequences computes it. */
export const PREDICTION_COTANGENT = 'cotangent.prediction';

/** The weights of the attention at a step of a block. */
export function attentionName(step: number): string {
  return `attention.${step}`;
}

export function constantName(name: string): string {
  return `loss.${name}`;
}

/** The probability that a value which `layer` reads from the layer below is dropped. */
export function dropoutBelow(spec: ModelSpec, layer: number): number {
  if (layer === 0 || layer === spec.decoder?.firstLayer) return 0;
  return isOfDecoder(spec, layer) ? spec.decoder!.dropout : spec.dropout;
}

/** Whether the steps of `layer`, or of the attention or the head, are those of the output. */
export function isOfDecoder(spec: ModelSpec, layer: number): boolean {
  return spec.decoder !== undefined && layer >= spec.decoder.firstLayer;
}

/** The dropout mask of the input of `layer` from part `part` of the layer below. */
export function dropoutName(layer: number, part: number): string {
  return `dropout.${layer}.${part}`;
}

export function headDropoutName(i: number): string {
  return `dropout.head.${i}`;
}

/**
 * Whether the states of `layer` must not change after a sequence's end: a reverse direction starts
 * there, and some models read the final states. Elsewhere steps after the end affect no result.
 */
export function keepsStates(spec: ModelSpec, layer: number): boolean {
  const { layers, head, carriesState, decoder } = spec;
  const readsStates = decoder !== undefined || heads[head.from].reads === 'states';
  const isRead = readsStates && layer === encoderSize(spec) - 1;
  return layers[layer].settings.bidirectional || carriesState || isRead;
}

/** Whether the head's pool takes a weight for each step. */
export function poolsByWeight({ head }: ModelSpec, variableLength: boolean): boolean {
  return heads[head.from].pool !== undefined && (variableLength || head.from === 'mean');
}

/** Numbers for each row and step, or row and prediction. */
export function widthOf({ width }: DeclaredInput): number {
  return width ?? 1;
}

/** Numbers for `count` steps or predictions of a batch of `batch` rows. */
export function inputShape({ width }: DeclaredInput, count: number, batch: number): Shape {
  return width === null ? [count, batch] : [count, batch, width];
}

/** Predictions for each sequence of `steps` steps; of a decoder, for a target of `targetLength`. */
export function predictionsOf({ head, decoder }: ModelSpec, steps: number, targetLength = 0): number {
  if (decoder) return targetLength + 1;
  return predictsEachStep(head) ? steps : 1;
}
