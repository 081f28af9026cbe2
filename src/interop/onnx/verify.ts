/** Runs an ONNX file with onnxruntime-node, an optional package, and compares its predictions. */
import { pathToFileURL } from 'node:url';
import { type Dataset, dataWidth, type Scaling, type Split, staticWidth } from '../../data/index.js';
import type { OpenedModel } from '../../predict/open.js';
import { Predictor } from '../../predict/predictor.js';
import { damagedError } from '../../util/errors.js';
import { formatNumber } from '../../util/numbers.js';
import { optionalFile } from '../../util/root.js';
import type { ValueInfo } from './writer.js';

interface Tensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

interface Runtime {
  readonly InferenceSession: {
    create(file: Uint8Array): Promise<{
      run(inputs: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, Tensor>>>;
    }>;
  };
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => unknown;
}

async function runtime(): Promise<Runtime | undefined> {
  const found = optionalFile('onnxruntime-node');
  if (found === undefined) return undefined;
  const { default: module } = (await import(pathToFileURL(found).href)) as { default: Runtime };
  return module;
}

export interface ExportedFile {
  readonly content: Uint8Array;
  /** Of the values that the file returns. */
  readonly scaling: Scaling | null | undefined;
  /** Inputs for the states that one batch carries to the next, which is an output `next_NAME`. */
  readonly states: readonly ValueInfo[];
}

export interface Verification {
  readonly sequences: number;
  /** The largest difference of an output, relative to the largest output. */
  readonly difference: number;
}

/** How far outputs may be apart: float32 rounds sums in another order differently. */
const TOLERANCE = 1e-5;

/** Sequences that are run at once. */
const BATCH = 64;

/**
 * Runs a file on the test split of its run. Returns why not, if it cannot be run here.
 * @throws UserError (exit 5) if its outputs are not those of the run
 */
export async function verify(
  { path, ...model }: OpenedModel & { readonly dataset: Dataset; readonly path: string },
  { content, scaling, states }: ExportedFile,
): Promise<Verification | string> {
  const ort = await runtime();
  if (!ort) return "the optional package 'onnxruntime-node' is not installed (npm install onnxruntime-node)";
  const session = await ort.InferenceSession.create(content);
  const { dataset } = model;
  const split = dataset.unprepared?.splits.test ?? dataset.test;
  let [largest, distance, sequences, worst] = [0, 0, 0, 0];
  let carried: Record<string, unknown> = {};
  let rows = 0;
  for await (const list of new Predictor(model).outputs(dataset.test)) {
    // row b of a batch continues row b of the one before
    const size = states.length > 0 ? list.length : BATCH;
    for (let first = 0; first < list.length; first += size) {
      const batch = list.slice(first, first + size);
      if (batch.length !== rows) carried = zeros(ort, states, batch.length);
      rows = batch.length;
      const indices = batch.map(({ position }) => position);
      const results = await session.run({ ...inputsOf(ort, { ...dataset, split }, indices), ...carried });
      carried = Object.fromEntries(states.map(({ name }) => [name, results[`next_${name}`]]));
      const { data } = results.logits ?? results.values;
      const perRow = data.length / batch.length;
      batch.forEach(({ position, outputs }, row) => {
        outputs.forEach((expected, i) => {
          const value = data[row * perRow + i];
          largest = Math.max(largest, Math.abs(expected));
          const apart = scaling ? scaledDistance(scaling, i, expected, value) : Math.abs(expected - value);
          if (apart <= distance) return;
          distance = apart;
          worst = position;
        });
      });
      sequences += batch.length;
    }
  }
  const difference = distance / Math.max(largest, Number.MIN_VALUE);
  if (difference <= TOLERANCE) return { sequences, difference };
  throw damagedError(
    'export/different',
    'the exported model does not reproduce the test predictions of its run',
    {
      file: path,
      expected: `outputs within ${TOLERANCE} of the largest one`,
      got: `${formatNumber(difference)} in sequence ${worst}`,
    },
  );
}

/** The distance of a value from an output before scaling, without the rounding of the value. */
function scaledDistance({ offset, scale }: Scaling, i: number, expected: number, value: number): number {
  const k = i % scale.length;
  const rounding = (Math.abs(value) * 2 ** -24) / Math.abs(scale[k]);
  return Math.max(0, Math.abs(expected - (value - offset[k]) / scale[k]) - rounding);
}

function zeros(ort: Runtime, states: readonly ValueInfo[], rows: number): Record<string, unknown> {
  const zero = ({ name, shape: [directions, , size] }: ValueInfo) => {
    const count = Number(directions) * rows * Number(size);
    return [
      name,
      new ort.Tensor('float32', new Float32Array(count), [Number(directions), rows, Number(size)]),
    ];
  };
  return Object.fromEntries(states.map(zero));
}

/** The inputs of a file for some sequences of a split that is not prepared. */
function inputsOf(
  ort: Runtime,
  { split, ...of }: Pick<Dataset, 'input' | 'preparation' | 'sequenceLength'> & { readonly split: Split },
  indices: readonly number[],
): Record<string, unknown> {
  const { input, sequenceLength: steps } = of;
  const width = dataWidth(of);
  const statics = staticWidth(of);
  const own = width - statics;
  const row = new Float32Array(steps * width);
  const [x, fixed] = [
    new Float32Array(indices.length * steps * own),
    new Float32Array(indices.length * statics),
  ];
  const lengths = indices.map(index => split.lengths?.[index] ?? steps);
  indices.forEach((index, i) => {
    split.read(index, row, 0, width);
    for (let step = 0; step < lengths[i]; step++) {
      x.set(row.subarray(step * width, step * width + own), (i * steps + step) * own);
    }
    fixed.set(row.subarray(own, width), i * statics);
  });
  const int64 = (values: ArrayLike<number>, shape: readonly number[]) =>
    new ort.Tensor('int64', BigInt64Array.from(Array.from(values, BigInt)), shape);
  return {
    ...(input.kind === 'symbol'
      ? { symbols: int64(x, [indices.length, steps]) }
      : { x: new ort.Tensor('float32', x, [indices.length, steps, own]) }),
    ...(statics > 0 && { static: new ort.Tensor('float32', fixed, [indices.length, statics]) }),
    lengths: int64(lengths, [indices.length]),
  };
}
