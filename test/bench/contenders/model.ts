import { arrayDataset } from '../../../src/data/arrays/dataset.js';
import { imageLayout } from '../../../src/data/arrays/images.js';
import type { Split } from '../../../src/data/core/dataset.js';
import { idxForm } from '../../../src/data/formats/number-arrays.js';
import { memoryBytes } from '../../../src/data/reading/ranged-file.js';
import type { DecodeSettings } from '../../../src/math/decoding/ctc.js';
import { adam } from '../../../src/math/optimizers/adam.js';
import type { ModelRun } from '../../../src/train/shards.js';
import { Trainer } from '../../../src/train/trainer.js';
import { RandomStream } from '../../../src/util/random.js';
import { idx } from '../../support/data-files.js';
import { modelOf } from '../../support/models.js';
import { type BenchCase, MODELS } from '../cases.js';

export const LEARNING_RATE = 0.01;
const ADAM = {
  kind: 'adam',
  learning_rate: 0.01,
  betas: [0.9, 0.999],
  eps: 1e-8,
  amsgrad: false,
  weight_decay: 0,
  weight_decay_on: 'all',
} as const;

/** Images of random bytes: read as MNIST's are, whatever they show. Their targets are random. */
export async function randomSplit(one: BenchCase): Promise<Split> {
  const { sequence_length, input_size, num_classes, target_length: size } = one;
  const sequences = Math.max(one.sequences, one.drawn_from);
  const random = RandomStream.of(0, 'bench/pictures');
  const bytes = (dims: number[], bound: number) => {
    const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.integer(bound));
    return { source: memoryBytes('random', idx(8, dims, Buffer.from(values))) };
  };
  const x = bytes([sequences, sequence_length, input_size], 256);
  const y = bytes([sequences], num_classes);
  const files = {
    parse: idxForm,
    find: (name: string) => ({ x, y })[name],
    scan: async () => {},
    digests: [],
  };
  const names = { x: 'x', y: 'y' };
  const dataset = await arrayDataset(
    files,
    [names, undefined, names],
    {},
    { layoutOf: imageLayout('rows'), seed: 0 },
  );
  if (size === 0) return dataset.train;
  // without the blank or the boundary
  const numClasses = num_classes - 1;
  const values = Int32Array.from({ length: sequences * size }, () => random.integer(numClasses));
  return { ...dataset.train, targets: { kind: 'sequence', numClasses, size, values } };
}

export function modelRun(one: BenchCase, split: Split, threads: number, decode?: DecodeSettings): ModelRun {
  const { layer, from } = MODELS[one.model];
  const { hidden_size, num_layers, num_classes: outputSize, input_size: inputSize } = one;
  const sizes = { hidden_size, num_layers };
  const decoder = { cell: 'lstm', ...sizes, embedding_size: hidden_size, attention: 'general' };
  const writes = one.model === 'decoder';
  return {
    backend: 'webasm',
    threads,
    spec: modelOf(
      { ...layer, ...sizes, head: { from }, ...(writes && { decoder }) },
      { inputSize, outputSize },
    ),
    loss:
      one.model === 'ctc' ? { kind: 'ctc' } : { kind: 'cross_entropy', ...(writes && { ofSymbols: true }) },
    decode,
    metrics: [],
    seed: 0,
    sequenceLength: one.sequence_length,
    targetLength: one.target_length,
    variableLength: split.lengths !== undefined,
  };
}

export async function openTrainer(one: BenchCase, split: Split, run: ModelRun): Promise<Trainer> {
  const trainer = await Trainer.create({ ...run, train: split, batchSize: one.batch_size }, adam, ADAM);
  trainer.layout.initialise(trainer.parameters, RandomStream.of(0, 'bench/parameters'));
  return trainer;
}
