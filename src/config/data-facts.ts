/** Rules about data, as the kind of dataset implies them and, once read, as they are. */

import type { DatasetFacts } from '../data/core/dataset.js';
import type { PlacedLabel } from '../data/core/labels.js';
import { kindOf } from '../data/index.js';
import { taskOf } from '../math/losses/index.js';
import { TASKS } from '../math/metrics/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { Experiment, PartialExperiment, ScheduleConfig } from './experiment.js';
import type { Locator } from './yaml/tree.js';

export interface DataFacts extends DatasetFacts {
  /** Required size of the vocabulary: the largest symbol + 1. */
  readonly numSymbols?: number;
  readonly largestSymbol?: PlacedLabel;
  readonly largestLabel?: PlacedLabel;
}

export function* checkFacts(
  { dataset, model, loss, training, optimizer }: PartialExperiment,
  facts: DataFacts,
  locator: Locator,
): Iterable<Diagnostic> {
  const { targetKind, perStep, inputKind, numSymbols = 0, numClasses = 0, trainCount } = facts;
  const needed = loss && TASKS[taskOf(loss)].target;
  if (loss && targetKind !== undefined && targetKind !== needed) {
    const suggestion = targetKind === 'class' ? 'cross_entropy' : 'mse';
    const message = `loss ${loss.kind} needs ${needed} targets, but the dataset has ${targetKind} targets`;
    yield locator.atValue(['loss', 'kind'], 'config/loss-target', message, { suggestion });
  }
  if (model && perStep !== undefined && predictsEachStep(model.head) !== perStep) {
    const message = `the head has one output per ${perStep ? 'sequence' : 'step'}, but the dataset has one target per ${perStep ? 'step' : 'sequence'}`;
    const expected = `from: ${perStep ? 'every' : 'last | final | mean | max'}`;
    yield locator.atValue(['model', 'head', 'from'], 'config/head-target', message, { expected });
  }
  const path = ['model', 'embedding'];
  if (model && inputKind !== undefined && (inputKind === 'symbol') !== (model.embedding !== undefined)) {
    const symbols = dataset && kindOf(dataset).symbols;
    const [message, expected] =
      inputKind === 'number'
        ? [
            '`embedding` needs symbols, but the steps of the dataset are vectors of numbers',
            `no \`embedding\`, or ${symbols?.how ?? 'a dataset of symbols'}`,
          ]
        : [
            'the steps of the dataset are symbols, but the model has no `embedding`',
            `\`embedding: { size: … }\`${symbols ? `, or ${symbols.orNumbers}` : ''}`,
          ];
    yield locator.atKey(path, 'config/embedding', message, { expected });
  }
  const { num_symbols = numSymbols } = model?.embedding ?? {};
  if (num_symbols < numSymbols) {
    const message = `the data contain symbols outside the vocabulary${reasonOf(facts.largestSymbol)}`;
    const more = { expected: `at least ${numSymbols}`, got: String(num_symbols) };
    yield locator.atValue([...path, 'num_symbols'], 'config/num-symbols', message, more);
  }
  const { num_classes = numClasses } = model ?? {};
  const classes = ['model', 'num_classes'];
  if (model?.num_classes !== undefined && loss && needed !== 'class') {
    const message = `\`num_classes\` cannot be combined with loss ${loss.kind}`;
    yield locator.atKey(classes, 'config/num-classes', message);
  } else if (loss && num_classes < numClasses) {
    const message = `the labels need ${numClasses} classes${reasonOf(facts.largestLabel)}`;
    const more = { expected: `at least ${numClasses}`, got: String(num_classes) };
    yield locator.atValue(classes, 'config/num-classes', message, more);
  }
  if (training === undefined) return;
  const { last_batch, batch_size, num_epochs } = training;
  if (trainCount !== undefined && last_batch === 'drop' && batch_size > trainCount) {
    const message = '`batch_size` exceeds the data, so `last_batch: drop` leaves no batch';
    const more = {
      expected: `at most ${trainCount}, the number of training sequences`,
      got: String(batch_size),
    };
    yield locator.atValue(['training', 'batch_size'], 'config/batch-size', message, more);
  }
  const { steps = 0, epochs = 0 } = warmupOf(optimizer?.schedule) ?? {};
  const total = num_epochs * batchesPerEpoch(training, trainCount ?? Number.POSITIVE_INFINITY);
  const [key, unit, got, length] =
    steps > 0 ? ['steps', 'update', steps, total] : ['epochs', 'epoch', epochs, num_epochs];
  if (length < 1 || got < length) return;
  const message = `the warm-up must be shorter than training (${counted(length, unit)})`;
  const at = ['optimizer', 'schedule', 'warmup', key];
  yield locator.atValue(at, 'config/schedule', message, { got: counted(got, unit) });
}

/** `: y[3] in a.npz is 7` */
function reasonOf(largest: PlacedLabel | undefined): string {
  return largest === undefined ? '' : `: ${largest.name} in ${largest.place.file} is ${largest.value}`;
}

export function batchesPerEpoch(
  { batch_size, last_batch }: Pick<Experiment['training'], 'batch_size' | 'last_batch'>,
  trainCount: number,
): number {
  const batches = trainCount / batch_size;
  return last_batch === 'drop' ? Math.floor(batches) : Math.ceil(batches);
}

export function warmupOf(schedule: ScheduleConfig | undefined) {
  return schedule !== undefined && 'warmup' in schedule ? schedule.warmup : undefined;
}
