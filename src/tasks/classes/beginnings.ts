/** What a model predicts of recordings that have not been heard to their ends. */
import type { Split } from '../../data/core/dataset.js';
import { subset } from '../../data/core/store.js';
import { predictsEachStep } from '../../math/model/heads.js';
import type { Predict } from '../core/collector.js';
import type { TaskModel } from '../core/prediction.js';
import { probabilityOf } from '../core/readout.js';
import type { ClassEvaluation, Mistake } from './facts.js';

/** Recordings, the worst first, and parts of each. */
const MAX_RECORDINGS = 8;
const PARTS = 20;
const DIGITS = 4;

interface Beginning {
  readonly index: number;
  readonly steps: number;
}

/** Adds to the mistakes of recordings the probabilities of their classes over time. */
export async function withBeginnings(
  document: ClassEvaluation,
  { spec, sequenceLength, variableLength }: TaskModel,
  split: Split,
  predict: Predict,
): Promise<ClassEvaluation> {
  if (!variableLength || predictsEachStep(spec.head) || spec.carriesState) return document;
  const shown = document.mistakes.filter(({ recording }) => recording).slice(0, MAX_RECORDINGS);
  const beginnings = shown.flatMap(({ index }) => {
    const steps = split.lengths?.[index] ?? sequenceLength;
    return Array.from({ length: PARTS }, (_, i): Beginning => {
      return { index, steps: Math.ceil(((i + 1) * steps) / PARTS) };
    });
  });
  if (beginnings.length === 0) return document;
  const outputs: ArrayLike<number>[] = [];
  await predict(splitOf(split, beginnings, sequenceLength), ({ index, predictions }) => {
    outputs[index] = Float64Array.from(predictions[0].outputs);
  });
  const overTime = ({ label, predicted }: Mistake, first: number): Mistake['over_time'] => {
    const probabilitiesOf = (k: number) =>
      Array.from({ length: PARTS }, (_, i) => Number(probabilityOf(outputs[first + i], k).toFixed(DIGITS)));
    return { label: probabilitiesOf(label), predicted: probabilitiesOf(predicted ?? label) };
  };
  const mistakes = document.mistakes.map(mistake => {
    const at = shown.indexOf(mistake);
    return at < 0 ? mistake : { ...mistake, over_time: overTime(mistake, at * PARTS) };
  });
  return { ...document, mistakes };
}

/** The beginnings of sequences as sequences. */
function splitOf(split: Split, beginnings: readonly Beginning[], sequenceLength: number): Split {
  const chosen = subset(
    split,
    Uint32Array.from(beginnings, ({ index }) => index),
    sequenceLength,
  );
  const lengths = Int32Array.from(beginnings, ({ steps }) => steps);
  const { load } = chosen;
  const loaded = async (indices: Uint32Array, from: NonNullable<Split['load']>): Promise<Split> => ({
    ...(await from(indices)),
    lengths: Int32Array.from(indices, i => lengths[i]),
  });
  return { ...chosen, lengths, ...(load && { load: indices => loaded(indices, load) }) };
}
