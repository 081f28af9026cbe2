/** The model that is measured, ready to be trained. */
import type { Split } from '../../../src/data/core/dataset.js';
import { imageDataset, imagesInMemory } from '../../../src/data/images.js';
import { adam } from '../../../src/math/optimizers/adam.js';
import { Trainer } from '../../../src/train/trainer.js';
import { RandomStream } from '../../../src/util/random.js';
import { modelOf } from '../../support/models.js';
import { type BenchCase, MODELS } from '../cases.js';

export const LEARNING_RATE = 0.01;
export const ADAM = {
  kind: 'adam',
  learning_rate: 0.01,
  betas: [0.9, 0.999],
  eps: 1e-8,
  amsgrad: false,
  weight_decay: 0,
  weight_decay_on: 'all',
} as const;

/** Images of random bytes: read as MNIST's are, whatever they show. */
export function randomSplit(one: BenchCase): Split {
  const { sequences, sequence_length, input_size, num_classes } = one;
  const random = RandomStream.of(0, 'bench/pictures');
  const array = (dims: readonly number[], bound: number) => ({
    dims,
    values: Uint8Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.integer(bound)),
    dataOffset: 0,
    itemSize: 1,
  });
  const files = {
    images: imagesInMemory(array([sequences, sequence_length, input_size], 256), 'random images'),
    labels: { ...array([sequences], num_classes), file: 'random labels' },
  };
  return imageDataset(
    { train: files, test: files },
    { sequence: 'rows', numClasses: num_classes, digests: [] },
  ).train;
}

/** A trainer of the case's model on `split`, with random parameters. */
export async function openTrainer(one: BenchCase, split: Split, threads: number): Promise<Trainer> {
  const { layer, from } = MODELS[one.model];
  const trainer = await Trainer.create(
    {
      backend: 'webasm',
      threads,
      spec: modelOf(
        { ...layer, hidden_size: one.hidden_size, num_layers: one.num_layers, head: { from } },
        { inputSize: one.input_size, outputSize: one.num_classes },
      ),
      loss: { kind: 'cross_entropy' },
      metrics: [],
      seed: 0,
      sequenceLength: one.sequence_length,
      variableLength: split.lengths !== undefined,
      train: split,
      batchSize: one.batch_size,
    },
    adam,
    ADAM,
  );
  trainer.layout.initialise(trainer.parameters, RandomStream.of(0, 'bench/parameters'));
  return trainer;
}
