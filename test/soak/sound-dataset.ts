/** What a dataset promises, held against one that was opened from damaged files. */
import {
  type Dataset,
  type DatasetConfig,
  inputWidth,
  openDataset,
  type Split,
} from '../../src/data/index.js';
import { ensure } from './fuzz-target.js';

const SEED = 7;

/** What was opened keeps what its types promise. */
export async function openSoundly(config: DatasetConfig): Promise<void> {
  const data = await openDataset(config, { seed: SEED });
  ensure(inputWidth(data.input) >= 1 && data.sequenceLength >= 1, 'sizes are positive');
  checkSplit(data, data.train);
  checkSplit(data, data.test);
}

function checkSplit(data: Dataset, { count, lengths, targets, read }: Split): void {
  const { sequenceLength } = data;
  const inputSize = inputWidth(data.input);
  ensure(Number.isSafeInteger(count) && count >= 1, 'a split has sequences');
  ensure(lengths?.length === undefined || lengths.length === count, 'each sequence has a length');
  ensure(lengths?.every(length => length >= 1 && length <= sequenceLength) ?? true, 'lengths are in range');
  if (targets.kind === 'class') {
    ensure(targets.values.length === count * (targets.perStep ? sequenceLength : 1), 'each has its class');
    const isClass = (value: number) => value === -100 || (value >= 0 && value < targets.numClasses);
    ensure([...targets.values].every(isClass), 'classes are in range');
  } else {
    const { size, values, perStep = false } = targets;
    ensure(values.length === count * size * (perStep ? sequenceLength : 1), 'each has its targets');
    const isStep = (at: number) =>
      values.subarray(at - (at % size), at - (at % size) + size).every(Number.isNaN);
    ensure(
      values.every((value, at) => Number.isFinite(value) || (perStep && isStep(at))),
      'targets are finite, or those of a step are ignored',
    );
  }
  const out = new Float32Array(sequenceLength * inputSize);
  for (let i = 0; i < Math.min(count, 50); i++) {
    read(i, out, 0, inputSize);
    ensure(out.every(Number.isFinite), 'features are finite');
  }
}
