/** The trivial baseline of sequences: the most frequent target. */
import type { Dataset } from '../../data/core/dataset.js';
import {
  type SequenceTargets,
  symbolsOfTarget,
  type Targets,
  targetsOfKind,
} from '../../data/core/targets.js';
import { taskOf } from '../../math/losses/index.js';
import { accumulators, hasTrivial } from '../../math/metrics/index.js';
import { numbersPerStep } from '../../math/model/spec.js';
import { type BaselineFit, type BaselineSubject, finiteOf, type Scorer } from '../core/baselines.js';
import { inputDigests } from './inputs.js';

const sequencesIn = (targets: Targets) => targetsOfKind('sequence', targets);

export const sequenceBaselines: BaselineFit = (run, dataset) => {
  const guess = mostFrequent(sequencesIn(dataset.train.targets));
  return () => [['majority', guessScorer(run, dataset, guess)]];
};

/** The first of equally frequent ones. */
function mostFrequent(targets: SequenceTargets): Int32Array {
  const counts = new Map<string, { readonly symbols: Int32Array; count: number }>();
  for (let index = 0; index * targets.size < targets.values.length; index++) {
    const symbols = symbolsOfTarget(targets, index);
    const known = counts.get(symbols.join());
    if (known) known.count++;
    else counts.set(symbols.join(), { symbols, count: 1 });
  }
  return [...counts.values()].reduce((a, b) => (b.count > a.count ? b : a)).symbols;
}

/** Scores of `guess` as the prediction for every input. */
function guessScorer(
  { loss, metrics, spec }: BaselineSubject,
  { sequenceLength }: Dataset,
  guess: Int32Array,
): Scorer {
  const task = taskOf(loss);
  const names = metrics.filter(name => hasTrivial(task, name));
  const gathered = accumulators(task, names, spec.outputSize);
  return {
    add(split) {
      const inputOf = inputDigests(split, sequenceLength, numbersPerStep(spec));
      const targets = sequencesIn(split.targets);
      for (let index = 0; index < split.count; index++) {
        const target = symbolsOfTarget(targets, index);
        gathered.add({ outputs: guess, point: guess, target, input: inputOf(index) });
      }
    },
    get scores() {
      return finiteOf(gathered.values);
    },
  };
}
