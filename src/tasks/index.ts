/** The tasks, as training and evaluation use them; `facts.ts` is what is known without data. */
import { adaptationOf } from '../math/confidence/adaptive.js';
import { type LossSettings, lossOf, taskOf } from '../math/losses/index.js';
import { addConfidence, Reliability } from '../math/metrics/calibration.js';
import { APPLIES, decidedClass, secondProbability, type Task } from '../math/metrics/metric.js';
import { classBaselines } from './classes/baselines.js';
import { classCollector, classChecks } from './classes/task.js';
import { classCalibration, labelCalibration, symbolCalibration } from './core/calibrations.js';
import { rangeSpread, sequenceSpread, type Predict } from './core/collector.js';
import type { ScorerOf, TaskParts, TaskChecks } from './core/task.js';
import type { SplitEvaluation, ClassEvaluation } from './facts.js';
import { labelBaselines, labelCollector, labelChecks } from './labels/task.js';
import { Readouts } from './readouts.js';
import { sequenceBaselines, sequenceCollector, sequenceScorer, sequenceChecks } from './sequences/task.js';
import { valueBaselines, valueCollector, valueChecks } from './values/task.js';
import type { Dataset, Split, SplitName } from '../data/core/dataset.js';
import type { SplitBaselines } from './core/facts.js';
import type { BaselineSubject } from './core/baselines.js';
import { exampleText } from '../data/example.js';
import { GroupCoverage } from '../math/metrics/intervals.js';
import type { PredictedSequence, Prediction, TaskModel } from './core/prediction.js';

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

/** An evaluation, and the training steps before it. */
interface Outcome {
  readonly epoch: number;
  readonly step: number;
  readonly count: number;
  readonly loss: number;
}

export function evaluationCollector(run: TaskModel, dataset: Dataset, split: SplitName) {
  const task = partsOf(run.loss);
  const collector = task.collector(run, dataset, split);
  const spread = task.spread();
  const confidence = confidenceCollector(run, dataset);
  return {
    add(sequence: PredictedSequence): void {
      collector.addSequence?.(sequence);
      for (const prediction of sequence.predictions) {
        if (!prediction.counts) continue;
        collector.add(prediction, sequence);
        spread.add(prediction);
        confidence.add(prediction);
      }
    },
    document({ epoch, step, count: predictions, loss }: Outcome): SplitEvaluation {
      const common = { version: 1, kind: collector.kind, split, epoch, step, predictions, loss } as const;
      const fields = { ...collector.fields(), ...confidence.fields, constant: spread.isConstant };
      const example = exampleText(dataset, split);
      return { ...common, ...fields, ...(example !== undefined && { example }) } as SplitEvaluation;
    },
    /** Adds what further predictions show, of the test split at the end of a run. */
    complete: async (document: SplitEvaluation, predict: Predict): Promise<SplitEvaluation> =>
      (await collector.complete?.(document, predict)) ?? document,
  };
}

/** Maximum groups with their coverage. */
const MAX_GROUPS = 100;

/** How sure predictions are, and how often they are right; empty if nothing measures it. */
function confidenceCollector(
  { metrics, decisions, loss }: TaskModel,
  { classLabels }: Pick<Dataset, 'classLabels'>,
) {
  const { addReliability } = partsOf(loss);
  const reliability = metrics.includes('calibration_error') ? new Reliability() : undefined;
  const groups = decisions?.intervals && new GroupCoverage();
  return {
    add(prediction: Prediction): void {
      if (reliability) addReliability?.(reliability, prediction);
      groups?.add(prediction);
    },
    get fields(): Pick<ClassEvaluation, 'reliability' | 'coverage'> {
      const named = (group: string) => (groups?.ofClasses ? (classLabels?.[Number(group)] ?? group) : group);
      const lowest = groups?.all.toSorted((a, b) => a.coverage - b.coverage).slice(0, MAX_GROUPS) ?? [];
      const coverage = lowest.map(({ group, ...measured }) => ({ group: named(group), ...measured }));
      const { bins } = reliability ?? {};
      return { ...(bins && { reliability: bins }), ...(coverage.length > 0 && { coverage }) };
    },
  };
}

export const taskChecks: Readonly<Record<Task, TaskChecks>> = {
  classes: classChecks,
  labels: labelChecks,
  values: valueChecks,
  sequences: sequenceChecks,
};
