/** Parameters and optimizer state as tensors under PyTorch's names, and back. */
import { type Diagnostic, damagedError, usageError } from '../errors.js';
import { readSafetensors, type Tensor, type Tensors } from '../experiment/safetensors.js';
import { shapeText } from '../graph/shape.js';
import type { ParameterLayout } from '../model/parameters.js';

/** `flat` as one F32 tensor per parameter, in PyTorch's shapes; names begin with `prefix`. */
export function parameterTensors(
  layout: ParameterLayout,
  flat: Float32Array,
  prefix = '',
): Map<string, Tensor> {
  return new Map(
    layout.parameters.map(({ name, shape, offset, size }) => [
      `${prefix}${name}`,
      { dtype: 'F32', shape: [...shape], data: flat.slice(offset, offset + size) },
    ]),
  );
}

/** Everything that a checkpoint holds of a model in training. */
export function trainingTensors(
  layout: ParameterLayout,
  parameters: Float32Array,
  optimizerState: Readonly<Record<string, Float32Array>>,
): Map<string, Tensor> {
  const tensors = parameterTensors(layout, parameters);
  for (const [state, flat] of Object.entries(optimizerState)) {
    for (const [name, tensor] of parameterTensors(layout, flat, `optimizer.${state}.`))
      tensors.set(name, tensor);
  }
  return tensors;
}

/**
 * Fills `flat` with the weights of `file`. Names may all have one prefix (as `model.lstm.weight_ih_l0`); other tensors in the
 * file are left alone. Throws exit 2 where a weight is missing or has another shape, exit 5 where the file is damaged.
 */
export function loadWeights(file: string, layout: ParameterLayout, flat: Float32Array): void {
  const { tensors } = readSafetensors(file);
  const prefix = commonPrefix(tensors, layout);
  const problems: Diagnostic[] = [];
  for (const { name, shape, offset } of layout.parameters) {
    const tensor = tensors.get(`${prefix}${name}`);
    if (!tensor) {
      problems.push({ code: 'weights/missing', file, message: `the weight '${prefix}${name}' is missing` });
    } else if (tensor.shape.join() !== shape.join()) {
      problems.push({
        code: 'weights/shape',
        file,
        message: `the weight '${prefix}${name}' has another shape than the model`,
        expected: shapeText(shape),
        got: shapeText(tensor.shape),
      });
    } else if (tensor.dtype !== 'F32' && tensor.dtype !== 'F64') {
      const got = tensor.dtype;
      problems.push({
        code: 'weights/type',
        file,
        message: `the weight '${prefix}${name}' is not a float`,
        expected: 'F32 or F64',
        got,
      });
    } else {
      const values = Float32Array.from(tensor.data);
      if (!values.every(Number.isFinite)) {
        throw damagedError({
          code: 'weights/not-finite',
          file,
          message: `the weight '${prefix}${name}' has a value that is not finite`,
        });
      }
      flat.set(values, offset);
    }
  }
  if (problems.length > 0) throw usageError(...problems);
}

/** What `tensors` lack of what a checkpoint must hold: each parameter, and for each of `states` the optimizer's buffer of it. */
export function unfitTensors(
  file: string,
  tensors: Tensors,
  layout: ParameterLayout,
  states: readonly string[],
): Diagnostic[] {
  const prefixes = ['', ...states.map(state => `optimizer.${state}.`)];
  return prefixes.flatMap(prefix =>
    layout.parameters.flatMap(({ name, shape }) => {
      const tensor = tensors.get(`${prefix}${name}`);
      if (tensor?.dtype === 'F32' && tensor.shape.join() === shape.join()) return [];
      return {
        code: 'checkpoint/tensor',
        file,
        message: `the tensor '${prefix}${name}' of the checkpoint is not the one that going on needs`,
        expected: `F32 ${shapeText(shape)}`,
        got: describeTensor(tensor),
      };
    }),
  );
}

/**
 * Fills `parameters` and each of `optimizerState` from the tensors of a checkpoint, as `trainingTensors` made them; they must fit
 * (`unfitTensors`).
 */
export function restoreTraining(
  tensors: Tensors,
  layout: ParameterLayout,
  {
    parameters,
    optimizerState,
  }: { parameters: Float32Array; optimizerState: Readonly<Record<string, Float32Array>> },
): void {
  const fill = (flat: Float32Array, prefix: string) => {
    for (const { name, offset } of layout.parameters)
      flat.set(tensors.get(`${prefix}${name}`)?.data as Float32Array, offset);
  };
  fill(parameters, '');
  for (const [state, flat] of Object.entries(optimizerState)) fill(flat, `optimizer.${state}.`);
}

function describeTensor(tensor: Tensor | undefined): string {
  return tensor ? `${tensor.dtype} ${shapeText(tensor.shape)}` : 'nothing';
}

/** The prefix that the first weight has in the file; empty where it is there as it is, or not at all. */
function commonPrefix(tensors: ReadonlyMap<string, unknown>, layout: ParameterLayout): string {
  const [{ name: first }] = layout.parameters;
  if (tensors.has(first)) return '';
  const found = [...tensors.keys()].find(
    name => name.endsWith(`.${first}`) && !name.startsWith('optimizer.'),
  );
  return found ? found.slice(0, -first.length) : '';
}
