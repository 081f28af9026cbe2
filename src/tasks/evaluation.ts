/** Collects the content of `evaluation.json` while an evaluation runs over a split. */
import type { Dataset, SplitName } from '../data/core/dataset.js';
import { exampleText } from '../data/example.js';
import { Reliability } from '../math/metrics/calibration.js';
import { GroupCoverage } from '../math/metrics/intervals.js';
import type { Predict } from './core/collector.js';
import type { PredictedSequence, Prediction, TaskModel } from './core/prediction.js';
import type { ClassEvaluation, SplitEvaluation } from './facts.js';
import { partsOf } from './index.js';

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
