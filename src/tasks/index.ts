/** The tasks, as training and evaluation use them; `facts.ts` is what is known without data. */
import { adaptationOf } from '../math/confidence/adaptive.js';
import { type LossSettings, lossOf, taskOf } from '../math/losses/index.js';
import { addConfidence } from '../math/metrics/calibration.js';
import { APPLIES, decidedClass, secondProbability, type Task } from '../math/metrics/metric.js';
import { classBaselines } from './classes/baselines.js';
import { classCollector } from './classes/evaluation.js';
import { classCalibration, labelCalibration, symbolCalibration } from './core/calibrations.js';
import { rangeSpread, sequenceSpread } from './core/spread.js';
import type { ScorerOf, TaskParts } from './core/task.js';
import type { SplitEvaluation } from './facts.js';
import { labelBaselines } from './labels/baselines.js';
import { labelCollector } from './labels/evaluation.js';
import { Readouts } from './readouts.js';
import { sequenceBaselines } from './sequences/baselines.js';
import { sequenceCollector } from './sequences/evaluation.js';
import { sequenceScorer } from './sequences/inputs.js';
import { valueBaselines } from './values/baselines.js';
import { valueCollector } from './values/evaluation.js';

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
    collector: classCollector,
    spread: () => rangeSpread(prediction => [decidedClass(prediction)]),
    calibration: classCalibration,
    positives: ({ outputs, target }) => [[secondProbability(outputs), target[0] === 1]],
    addReliability: addConfidence,
  },
  labels: {
    scorer: readoutScorer,
    baselines: labelBaselines,
    collector: labelCollector,
    spread: () => rangeSpread(({ point }) => point),
    calibration: labelCalibration,
    positives: ({ point, target }) => Array.from(point, (p, i) => [p, target[i] >= APPLIES] as const),
    addReliability: (bins, { point, target }) => point.forEach((p, i) => void bins.add(p, target[i])),
  },
  values: {
    scorer: readoutScorer,
    baselines: valueBaselines,
    collector: valueCollector,
    spread: () => rangeSpread(({ point }) => point),
  },
  sequences: {
    scorer: sequenceScorer,
    baselines: sequenceBaselines,
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
