/**
 * Runs an exported predictor on the test split of its run, or on the training split of one on all
 * data, and compares the outputs.
 */

import {
  type Dataset,
  dataWidth,
  type Scaling,
  type SequenceTargets,
  type Split,
  staticWidth,
  symbolsOfTarget,
} from '../data/index.js';
import { type OpenedModel, Predictor } from '../predict/predictor.js';
import { damagedError } from '../util/errors.js';
import { formatNumber } from '../util/numbers.js';
import { counted } from '../util/words.js';
import type { Source, Verification } from './predictor.js';

export type InputTensor = { readonly shape: readonly number[] } & (
  | { readonly type: 'float32'; readonly data: Float32Array }
  | { readonly type: 'int64'; readonly data: BigInt64Array }
);

/** By name: `x` or `symbols`, `static`, `lengths`, and `previous`, which a decoder reads. */
export type Inputs = Readonly<Record<string, InputTensor>>;

/** What runs an exported predictor. */
export interface Runtime {
  readonly name: string;
  /**
   * Returns logits or values in the units of the data, [batch, ...].
   * @param continues whether each row continues the one of the batch before
   */
  outputs(inputs: Inputs, continues: boolean): Promise<Float32Array>;
  close(): void;
}

/** For people. @param verified how a predictor was verified, or why it was not */
export function verificationText(verified: Verification | string): string {
  if (typeof verified === 'string') return `Not verified: ${verified}.`;
  const { runtime, sequences, split, difference } = verified;
  return `Verified with ${runtime}: the predictions of ${counted(sequences, split === 'test' ? 'test sequence' : 'training sequence')} ${difference === 0 ? 'are equal' : `agree within ${formatNumber(difference)} of the largest output`}.`;
}

/** How far outputs may be apart: float32 rounds sums in another order differently. */
const TOLERANCE = 1e-5;

/** Sequences that are run at once. */
const BATCH = 64;

/** The training split if there is no test split. */
export function splitToVerify({ test }: Pick<Dataset, 'test'>): Verification['split'] {
  return test.count > 0 ? 'test' : 'train';
}

/**
 * Returns why not, if the predictor cannot be run here.
 * @throws UserError (exit 5) if its outputs are not those of the run
 */
export async function verify(
  { saved, model, spec, outputScaling }: Source,
  start: () => Promise<Runtime | string>,
): Promise<Verification | string> {
  const runtime = await start();
  if (typeof runtime === 'string') return runtime;
  try {
    const { dataset } = model as OpenedModel & { readonly dataset: Dataset };
    const name = splitToVerify(dataset);
    const split = dataset.unprepared?.splits[name] ?? dataset[name];
    let [largest, distance, sequences, worst] = [0, 0, 0, 0];
    let rows = 0;
    for await (const list of new Predictor(model).outputs(dataset[name])) {
      // row b of a batch continues row b of the one before
      const size = spec.carriesState ? list.length : BATCH;
      for (let first = 0; first < list.length; first += size) {
        const batch = list.slice(first, first + size);
        const indices = batch.map(({ position }) => position);
        const previous = spec.decoder && { previous: previousOf(split, indices, spec.outputSize - 1) };
        const inputs = { ...inputsOf({ ...dataset, split }, indices), ...previous };
        const data = await runtime.outputs(inputs, batch.length === rows);
        rows = batch.length;
        const perRow = data.length / batch.length;
        batch.forEach(({ position, outputs }, row) => {
          outputs.forEach((expected, i) => {
            const value = data[row * perRow + i];
            largest = Math.max(largest, Math.abs(expected));
            const apart = outputScaling
              ? scaledDistance(outputScaling, i, expected, value)
              : Math.abs(expected - value);
            if (apart <= distance) return;
            distance = apart;
            worst = position;
          });
        });
        sequences += batch.length;
      }
    }
    const difference = distance / Math.max(largest, Number.MIN_VALUE);
    if (difference <= TOLERANCE) return { runtime: runtime.name, sequences, split: name, difference };
    throw damagedError(
      'export/different',
      'the exported model does not reproduce the test predictions of its run',
      {
        file: saved.path,
        expected: `outputs within ${TOLERANCE} of the largest one`,
        got: `${formatNumber(difference)} in sequence ${worst}`,
      },
    );
  } finally {
    runtime.close();
  }
}

/** The distance of a value from an output before scaling, without the rounding of the value. */
function scaledDistance({ offset, scale }: Scaling, i: number, expected: number, value: number): number {
  const k = i % scale.length;
  const rounding = (Math.abs(value) * 2 ** -24) / Math.abs(scale[k]);
  return Math.max(0, Math.abs(expected - (value - offset[k]) / scale[k]) - rounding);
}

/** The inputs of a predictor for some sequences of a split that is not prepared. */
function inputsOf(
  { split, ...of }: Pick<Dataset, 'input' | 'preparation' | 'sequenceLength'> & { readonly split: Split },
  indices: readonly number[],
): Inputs {
  const { input, sequenceLength: steps } = of;
  const width = dataWidth(of);
  const statics = staticWidth(of);
  const own = width - statics;
  const count = indices.length;
  const row = new Float32Array(steps * width);
  const [x, fixed] = [new Float32Array(count * steps * own), new Float32Array(count * statics)];
  const lengths = indices.map(index => split.lengths?.[index] ?? steps);
  indices.forEach((index, i) => {
    split.read(index, row, 0, width);
    for (let step = 0; step < lengths[i]; step++) {
      x.set(row.subarray(step * width, step * width + own), (i * steps + step) * own);
    }
    fixed.set(row.subarray(own, width), i * statics);
  });
  return {
    ...(input.kind === 'symbol'
      ? { symbols: int64(x, [count, steps]) }
      : { x: { type: 'float32', data: x, shape: [count, steps, own] } }),
    ...(statics > 0 && { static: { type: 'float32', data: fixed, shape: [count, statics] } }),
    lengths: int64(lengths, [count]),
  };
}

/** What a decoder reads that writes the targets: the boundary, then their symbols. */
function previousOf(split: Split, indices: readonly number[], boundary: number): InputTensor {
  const targets = indices.map(index => symbolsOfTarget(split.targets as SequenceTargets, index));
  const longest = targets.reduce((most, { length }) => Math.max(most, length), 0) + 1;
  const rows = targets.flatMap(symbols =>
    Array.from({ length: longest }, (_, s) => symbols[s - 1] ?? boundary),
  );
  return int64(rows, [indices.length, longest]);
}

function int64(values: ArrayLike<number>, shape: readonly number[]): InputTensor {
  return { type: 'int64', data: BigInt64Array.from(Array.from(values, BigInt)), shape };
}
