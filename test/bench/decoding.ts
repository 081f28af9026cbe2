/** What decoding with a beam costs, over decoding greedily; and the loss of CTC, over a step. */
import { lossOf } from '../../src/math/losses/index.js';
import { isOfSequences } from '../../src/math/losses/loss.js';
import { RandomStream } from '../../src/util/random.js';
import { benchCase, CTC_SIZES, DECODER_SIZES } from './cases.js';
import { LEARNING_RATE, modelRun, openTrainer, randomSplit } from './contenders/model.js';
import { type Figure, ratioOf, spreadOf } from './results.js';

const SEQUENCES = 1000;
const BEAM = 8;

/** An evaluation of 1,000 sequences, which includes the model's outputs for their targets. */
export async function measureBeam(
  model: 'ctc' | 'decoder',
  threads: number,
  rounds: number,
): Promise<Figure> {
  const sizes = model === 'ctc' ? CTC_SIZES : DECODER_SIZES;
  const one = { ...benchCase('evaluate', { ...sizes, threads }, model), sequences: SEQUENCES };
  const split = await randomSplit(one);
  const limit = model === 'decoder' ? { limit: one.target_length } : {};
  const trainers = await Promise.all(
    [BEAM, 1].map(beam => openTrainer(one, split, modelRun(one, split, threads, { beam, ...limit }))),
  );
  try {
    const evaluators = trainers.map(trainer => trainer.evaluator(one.batch_size));
    for (const evaluator of evaluators) await evaluator.warmUp();
    const [beam, greedy]: number[][] = [[], []];
    for (let round = 0; round < rounds; round++) {
      for (const [i, times] of [beam, greedy].entries()) {
        const began = performance.now();
        await evaluators[i].evaluate(split);
        times.push((performance.now() - began) / 1000);
      }
    }
    return {
      id: `whole/beam-${model}`,
      what: `${SEQUENCES} sequences of ${model === 'ctc' ? 'a CTC model' : 'a decoder'} with a beam of ${BEAM}`,
      unit: 's',
      ours: spreadOf(beam),
      other: { name: 'greedy', value: spreadOf(greedy) },
      ratio: ratioOf(beam, greedy),
    };
  } finally {
    for (const trainer of trainers) await trainer.close();
  }
}

/** The loss and its gradient alone, over a whole training step; both in one thread. */
export async function measureCtc(rounds: number): Promise<Figure> {
  const one = benchCase('train_step', { ...CTC_SIZES, threads: 1 }, 'ctc');
  const { batch_size: batch, num_classes: classes, sequence_length: steps, target_length: size } = one;
  const split = await randomSplit(one);
  const trainer = await openTrainer(one, split, modelRun(one, split, 1));
  const loss = lossOf({ kind: 'ctc' });
  if (!isOfSequences(loss)) throw new Error('no loss of sequences');
  const random = RandomStream.of(0, 'bench/ctc');
  const floats = Float32Array.from({ length: steps * batch * classes }, () => random.normal());
  const given = {
    ...{ batch, classes, outputs: floats, lengths: new Float32Array(batch).fill(steps) },
    targets: Float32Array.from({ length: size * batch }, () => random.integer(classes - 1)),
    weights: new Float32Array(batch).fill(1 / batch),
  };
  const [losses, gradient] = [new Float32Array(batch), new Float32Array(floats.length)];
  const indices = Uint32Array.from({ length: batch }, (_, i) => i);
  const [alone, whole]: number[][] = [[], []];
  try {
    // the first times warm up
    for (let round = -2, step = 1; round < rounds; round++, step++) {
      const prepared = await trainer.prepare(indices, step, step === 1);
      const times: number[] = [];
      for (const work of [
        () => loss.compute(given, losses, gradient),
        () => trainer.step(prepared, step, LEARNING_RATE),
      ]) {
        const began = performance.now();
        await work();
        times.push(performance.now() - began);
      }
      if (round < 0) continue;
      alone.push(times[0]);
      whole.push(times[1]);
    }
    return {
      id: 'whole/ctc',
      what: `the loss of CTC alone, ${batch} sequences of ${steps} steps and ${size} symbols`,
      unit: 'ms',
      ours: spreadOf(alone),
      other: { name: 'a training step', value: spreadOf(whole) },
      ratio: ratioOf(alone, whole),
    };
  } finally {
    await trainer.close();
  }
}
