/** The tasks, as training and evaluation use them; `facts.ts` is what is known without data. */

import type { Dataset, Split } from '../data/core/dataset.js';
import { adaptationOf } from '../math/confidence/adaptive.js';
import { type LossSettings, lossOf, taskOf } from '../math/losses/index.js';
import { addConfidence } from '../math/metrics/calibration.js';
import { APPLIES, decidedClass, secondProbability, type Task } from '../math/metrics/metric.js';
import { classBaselines } from './classes/baselines.js';
import { classChecks, classCollector } from './classes/task.js';
import type { BaselineSubject } from './core/baselines.js';
import { classCalibration, labelCalibration, symbolCalibration } from './core/calibrations.js';
import { rangeSpread, sequenceSpread } from './core/collector.js';
import type { SplitBaselines } from './core/facts.js';
import type { ScorerOf, TaskParts } from './core/task.js';
import type { SplitEvaluation } from './facts.js';
import { labelBaselines, labelChecks, labelCollector } from './labels/task.js';
import { Readouts } from './readouts.js';
import { sequenceBaselines, sequenceChecks, sequenceCollector, sequenceScorer } from './sequences/task.js';
import { valueBaselines, valueChecks, valueCollector } from './values/task.js';

/** Scores numbers with the readout of their targets. */
const readoutScorer: ScorerOf = (run, conformity) => {
  const readouts = new Readouts(run, adaptationOf(run.decisions?.intervals));
  const loss = lossOf(run.loss);
  return split =>
    (_, { window, ...facts }) => {
      const readout = readouts.of(split, window);
      return computed => {
        const { outputs, at, step, counts } = computed;
        const scored = readout.scored(outputs, at, step);
        const weight = loss.weight(run.spec.outputSize, scored.target[0]);
        const scores = conformity && counts && readout.conformityScores(outputs, at, conformity);
        return { ...scored, ...computed, weight, ...facts, ...(scores && { scores }) };
      };
    };
};

const tasks = {
  classes: {
    scorer: readoutScorer,
    baselines: classBaselines,
    checks: classChecks,
    collector: classCollector,
    spread: () => rangeSpread(prediction => [decidedClass(prediction)]),
    calibration: classCalibration,
    positives: ({ outputs, target }) => [[secondProbability(outputs), target[0] === 1]],
    addReliability: addConfidence,
  },
  labels: {
    scorer: readoutScorer,
    baselines: labelBaselines,
    checks: labelChecks,
    collector: labelCollector,
    spread: () => rangeSpread(({ point }) => point),
    calibration: labelCalibration,
    positives: ({ point, target }) => Array.from(point, (p, i) => [p, target[i] >= APPLIES] as const),
    addReliability: (bins, { point, target }) => point.forEach((p, i) => void bins.add(p, target[i])),
  },
  values: {
    scorer: readoutScorer,
    baselines: valueBaselines,
    checks: valueChecks,
    collector: valueCollector,
    spread: () => rangeSpread(({ point }) => point),
  },
  sequences: {
    scorer: sequenceScorer,
    baselines: sequenceBaselines,
    checks: sequenceChecks,
    collector: sequenceCollector,
    spread: sequenceSpread,
    calibration: symbolCalibration,
  },
} satisfies { readonly [T in Task]: TaskParts<EvaluationOf[T]> };

/** The evaluation of each task. */
interface EvaluationOf {
  readonly classes: Extract<SplitEvaluation, { kind: 'class' }>;
  readonly labels: Extract<SplitEvaluation, { kind: 'label' }>;
  readonly values: Extract<SplitEvaluation, { kind: 'value' }>;
  readonly sequences: Extract<SplitEvaluation, { kind: 'sequence' }>;
}

/** The task of models with `loss`. */
export function partsOf(loss: Pick<LossSettings, 'kind' | 'ofSymbols'>): TaskParts<SplitEvaluation> {
  return tasks[taskOf(loss)];
}

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
