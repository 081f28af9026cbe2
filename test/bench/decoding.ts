/** What decoding with a beam costs, over decoding greedily. */
import { benchCase, CTC_SIZES, DECODER_SIZES } from './cases.js';
import { modelRun, openTrainer, randomSplit } from './contenders/model.js';
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
