/** Fits and scores the trivial baselines of a task. */
import type { Dataset, Split } from '../data/core/dataset.js';
import type { SplitBaselines } from './core/baseline-names.js';
import type { BaselineSubject } from './core/baselines.js';
import { partsOf } from './index.js';

/** Fits the baselines on the training split. Returns the function that scores them on a split. */
export function trivialBaselines(run: BaselineSubject, dataset: Dataset): (split: Split) => SplitBaselines {
  const begin = fitBaselines(run, dataset);
  return split => {
    const scores = begin();
    scores.add(split);
    return scores.all;
  };
}

/** Scores of the baselines over all splits that were added, such as the batches of an input. */
export interface BaselineScores {
  add(split: Split): void;
  readonly all: SplitBaselines;
}

/** Fits the baselines on the training split. Each call of the function starts new scores. */
export function fitBaselines(run: BaselineSubject, dataset: Dataset): () => BaselineScores {
  const begin = partsOf(run.loss).baselines(run, dataset);
  return () => {
    const baselines = begin();
    return {
      add: split => {
        for (const [, scorer] of baselines) scorer.add(split);
      },
      get all() {
        const scored = baselines.map(([name, { scores }]) => [name, scores] as const);
        return Object.fromEntries(scored.filter(([, scores]) => scores !== undefined));
      },
    };
  };
}
