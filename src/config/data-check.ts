/** The last check before training: the config against the data that were read, and the model's completed sizes. */
import type { Diagnostic } from '../errors.js';
import { checkFacts } from './data-facts.js';
import type { LoadedExperiment } from './load.js';

/** What the check needs to know of a split's targets. */
export type TargetShape =
  | { readonly kind: 'class'; readonly numClasses: number; readonly perStep: boolean }
  | { readonly kind: 'value'; readonly size: number };

/** What the check needs to know of a dataset; every `Dataset` is one. */
export interface DataShape {
  readonly inputSize: number;
  readonly sequenceLength: number;
  readonly train: { readonly count: number; readonly targets: TargetShape };
  readonly test: { readonly count: number; readonly targets: TargetShape };
}

/** The sizes that a config leaves to the data. */
export interface ModelSizes {
  /** F, features per step. */
  readonly inputSize: number;
  /** T, steps per sequence. */
  readonly sequenceLength: number;
  /** Outputs of the head: classes, or values of a target. */
  readonly outputSize: number;
}

/** All complaints, and the sizes of the model; the sizes hold only where there is no complaint. */
export function checkAgainstData(
  loaded: LoadedExperiment,
  data: DataShape,
): { readonly diagnostics: readonly Diagnostic[]; readonly sizes: ModelSizes } {
  const { experiment, locator } = loaded;
  const { targets } = data.train;
  const facts =
    targets.kind === 'class'
      ? { targetKind: targets.kind, perStep: targets.perStep, numClasses: classesOf(data) }
      : { targetKind: targets.kind, perStep: false };
  const diagnostics = checkFacts(experiment, { ...facts, trainCount: data.train.count }, locator);
  if (!sameTargets(targets, data.test.targets)) {
    const message = 'the training and the test split have different kinds of targets';
    diagnostics.push(locator.atKey(['dataset'], 'config/split-targets', message));
  }
  const outputSize =
    targets.kind === 'class' ? (experiment.model.num_classes ?? classesOf(data)) : targets.size;
  return {
    diagnostics,
    sizes: { inputSize: data.inputSize, sequenceLength: data.sequenceLength, outputSize },
  };
}

/** A class may occur in one split only. */
function classesOf(data: DataShape): number {
  const count = (targets: TargetShape): number => (targets.kind === 'class' ? targets.numClasses : 0);
  return Math.max(count(data.train.targets), count(data.test.targets));
}

function sameTargets(a: TargetShape, b: TargetShape): boolean {
  if (a.kind === 'class') return b.kind === 'class' && a.perStep === b.perStep;
  return b.kind === 'value' && a.size === b.size;
}
