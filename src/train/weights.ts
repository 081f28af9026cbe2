/** Converts parameters and optimizer state to tensors under PyTorch's names, and back. */

import type { Experiment } from '../config/index.js';
import { shapeText } from '../math/graph/shape.js';
import type { ParameterLayout } from '../math/model/parameters.js';
import { loadCheckpoint, resolveCheckpoint, retried } from '../run/checkpoints.js';
import { refuseForeign } from '../run/integrity.js';
import { INPUT_CHANGED } from '../run/manifest.js';
import type { Run } from '../run/run.js';
import { readSafetensors, type Tensor, type Tensors } from '../run/safetensors.js';
import { type Diagnostic, damagedError, usageError, usageErrors } from '../util/errors.js';

export interface TrainingState {
  /** Flat, in the layout's order, and padded. */
  readonly parameters: Float32Array;
  readonly optimizerState: Readonly<Record<string, Float32Array>>;
  readonly average: Float32Array | undefined;
}

/** The arrays with one value per parameter, by the prefix of their tensors. */
function flatArrays({ parameters, optimizerState, average }: TrainingState): Map<string, Float32Array> {
  const arrays = new Map([['', parameters]]);
  for (const [name, flat] of Object.entries(optimizerState)) arrays.set(`${OPTIMIZER}${name}.`, flat);
  if (average) arrays.set(AVERAGE, average);
  return arrays;
}

/** For a checkpoint. `carried` are the initial states of the next batch. */
export function trainingTensors(
  layout: ParameterLayout,
  state: TrainingState,
  carried: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [prefix, flat] of flatArrays(state)) {
    for (const parameter of layout.parameters) {
      const data = layout.read(parameter, flat);
      tensors.set(`${prefix}${parameter.name}`, { dtype: 'F32', shape: [...parameter.shape], data });
    }
  }
  for (const [name, tensor] of carried) tensors.set(`${CARRIED}${name}`, tensor);
  return tensors;
}

const CARRIED = 'carried.';
const AVERAGE = 'average.';
const OPTIMIZER = 'optimizer.';
const prefixOf = (which: WeightsName) => (which === 'average' ? AVERAGE : '');

/** Only the weights among the `tensors` of a checkpoint, under PyTorch's names. */
export function weightsAlone(tensors: Tensors, which: WeightsName): Map<string, Tensor> {
  const prefix = prefixOf(which);
  const others = [OPTIMIZER, CARRIED, AVERAGE].filter(other => other !== prefix);
  const isChosen = (name: string) => name.startsWith(prefix) && !others.some(other => name.startsWith(other));
  const chosen = [...tensors].filter(([name]) => isChosen(name));
  return new Map(chosen.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** The `tensors` of a checkpoint with other weights of the same names. */
export function withWeights(tensors: Tensors, which: WeightsName, weights: Tensors): Tensors {
  const prefix = prefixOf(which);
  return new Map([
    ...tensors,
    ...[...weights].map(([name, tensor]) => [`${prefix}${name}`, tensor] as const),
  ]);
}

/**
 * The tensors of the last layer, with weights and biases of each output divided by its temperature:
 * so are its logits, wherever the model is computed.
 * @param weights under PyTorch's names
 * @param temperatures one for all outputs, or one for each
 */
export function dividedLogits(weights: Tensors, temperatures: readonly number[]): Map<string, Tensor> {
  const biases = [...weights.keys()].filter(name => /^fc\..*bias$/.test(name));
  const last = biases.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)!;
  const names = [last, last.replace(/bias$/, 'weight')];
  return new Map(
    names.map(name => {
      const { shape, data } = weights.get(name)!;
      const width = data.length / shape[0];
      const divided = Float32Array.from(
        data as Float32Array,
        (value, i) => value / (temperatures[Math.floor(i / width)] ?? temperatures[0]),
      );
      return [name, { dtype: 'F32', shape, data: divided }];
    }),
  );
}

export type WeightsName = 'trained' | 'average';

export type WhichCheckpoint = 'last' | 'best' | number;

/** Which weights of a run to use. */
export interface WhichWeights {
  /** Undefined: the checkpoint with the run's final weights. */
  readonly checkpoint?: WhichCheckpoint | undefined;
  /** Undefined: the average if the run keeps one, else the weights of the last update. */
  readonly weights?: WeightsName | undefined;
}

/** By default, the weights that the run predicts with. */
export function weightsOfRun(run: Run, { training }: Pick<Experiment, 'training'>, which: WhichWeights = {}) {
  const { directory, manifest, summary } = run;
  const chosen = which.checkpoint ?? summary?.restored?.step ?? 'last';
  const saved = retried(() => loadCheckpoint(resolveCheckpoint(directory.files.checkpoints, chosen)));
  if (manifest) refuseForeign([saved], manifest);
  const hasAverage = training.average !== undefined;
  if (which.weights === 'average' && !hasAverage) {
    throw usageError('weights/no-average', 'this run has no averaged weights', {
      file: directory.path,
      expected: '`--weights trained`, or a run with `training.average`',
    });
  }
  const { path: file, step, epoch, tensors } = saved;
  const final: WeightsName = hasAverage ? 'average' : 'trained';
  return { file, step, epoch, tensors, weights: which.weights ?? final, final };
}

/** Fills `flat` with weights of a checkpoint; `which` selects those of one with an average. */
export function loadWeights(
  file: string,
  layout: ParameterLayout,
  flat: Float32Array,
  {
    which = 'trained',
    tensors = readSafetensors(file).tensors,
  }: { readonly which?: WeightsName; readonly tensors?: Tensors } = {},
): void {
  const prefix = prefixOf(which);
  const shapes = layout.parameters.map(({ name, shape }) => [`${prefix}${name}`, shape] as const);
  const problems = misfits(file, tensors, shapes, ['F32', 'F64']);
  if (problems.length > 0) throw usageErrors(problems);
  for (const parameter of layout.parameters) {
    const name = `${prefix}${parameter.name}`;
    layout.write(parameter, finiteValues(file, name, tensors.get(name)), flat);
  }
}

export function finiteValues(file: string, name: string, tensor: Tensor | undefined): Float32Array {
  const values = Float32Array.from(tensor?.data as ArrayLike<number>);
  if (values.every(Number.isFinite)) return values;
  const message = `the weight '${name}' has a value that is not finite`;
  throw damagedError('weights/not-finite', message, { file });
}

/** Tensors that are missing or have another type or shape. */
function misfits(
  file: string,
  tensors: Tensors,
  shapes: readonly (readonly [name: string, shape: readonly number[]])[],
  types: readonly Tensor['dtype'][],
): Diagnostic[] {
  return shapes.flatMap(([name, shape]) => {
    const tensor = tensors.get(name);
    if (tensor && types.includes(tensor.dtype) && tensor.shape.join() === shape.join()) return [];
    return {
      code: 'weights/unfit',
      file,
      message: `the tensor '${name}' does not fit the model`,
      expected: `${types.join(' or ')} ${shapeText(shape)}`,
      got: tensor ? `${tensor.dtype} ${shapeText(tensor.shape)}` : 'nothing',
    };
  });
}

export function weightsChanged(file: string, then: string | undefined, now: string | undefined): Diagnostic {
  return {
    code: 'weights/changed',
    file,
    message: `the initial weights ${INPUT_CHANGED}`,
    expected: `SHA-256 ${then ?? 'of the file that was there'}`,
    got: now ?? 'no file',
  };
}

export interface TrainingShape {
  readonly layout: ParameterLayout;
  readonly optimizerStates: readonly string[];
  readonly hasAverage: boolean;
  readonly carried: ReadonlyMap<string, readonly number[]>;
}

export function unfitTensors(
  file: string,
  tensors: Tensors,
  { layout, optimizerStates, hasAverage, carried }: TrainingShape,
): Diagnostic[] {
  const prefixes = [
    '',
    ...optimizerStates.map(state => `${OPTIMIZER}${state}.`),
    ...(hasAverage ? [AVERAGE] : []),
  ];
  const expected = [
    ...prefixes.flatMap(prefix =>
      layout.parameters.map(({ name, shape }) => [`${prefix}${name}`, shape] as const),
    ),
    ...[...carried].map(([name, shape]) => [`${CARRIED}${name}`, shape] as const),
  ];
  return misfits(file, tensors, expected, ['F32']);
}

/** The tensors must fit (`unfitTensors`). Returns the initial states of the next batch. */
export function restoreTraining(
  tensors: Tensors,
  layout: ParameterLayout,
  state: TrainingState,
): ReadonlyMap<string, Tensor> {
  for (const [prefix, flat] of flatArrays(state)) {
    for (const parameter of layout.parameters) {
      const { data } = tensors.get(`${prefix}${parameter.name}`) as { data: Float32Array };
      layout.write(parameter, data, flat);
    }
  }
  const carried = [...tensors].filter(([name]) => name.startsWith(CARRIED));
  return new Map(carried.map(([name, tensor]) => [name.slice(CARRIED.length), tensor]));
}
