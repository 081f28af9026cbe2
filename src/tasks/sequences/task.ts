/** Collects the evaluation of sequences: edits, the worst sequences, alignments. */
import type { Dataset, Split, SplitName } from '../../data/core/dataset.js';
import {
  type SequenceTargets,
  symbolsOfTarget,
  type Targets,
  targetsOfKind,
} from '../../data/core/targets.js';
import { createHash } from '../../host/index.js';
import { MAX_KEPT_WEIGHTS } from '../../math/decoding/ctc.js';
import { isImpossible, occupancyOf, stepsNeeded } from '../../math/losses/ctc.js';
import { taskOf } from '../../math/losses/index.js';
import { type AlignedPair, alignment, editDistance, isEdit } from '../../math/metrics/edits.js';
import { accumulators, hasTrivial } from '../../math/metrics/index.js';
import { exactFraction, NearestTargets, tokenErrors } from '../../math/metrics/sequences.js';
import { hasAttention, numbersPerStep, stepsRead } from '../../math/model/spec.js';
import { classProbabilities } from '../../util/log-probabilities.js';
import { counted } from '../../util/words.js';
import { type BaselineFit, type BaselineSubject, finiteOf, type Scorer } from '../core/baselines.js';
import { evenlySpaced, inputText, pictureOf, type TaskCollector, Worst } from '../core/collector.js';
import { absentLabels, strayLabels, untrainedLabels } from '../core/label-checks.js';
import type { PredictedSequence, Prediction, TaskModel } from '../core/prediction.js';
import type { CheckedTask, ScorerOf, TaskChecks } from '../core/task.js';
import type { AlignedSequence, MisreadSequence, SequenceEvaluation } from './facts.js';

const MAX_CONFUSIONS = 50;
/** Maximum positions of an alignment. */
const MAX_ALIGNED = 200;
/** Maximum typical and misread sequences with the steps that their symbols were read from. */
const [MAX_TYPICAL, MAX_MISREAD] = [8, 4];

interface Misread {
  readonly index: number;
  readonly id?: string;
  readonly predicted: readonly number[];
  readonly target: readonly number[];
  readonly probability: number;
}

export function sequenceCollector(
  run: TaskModel,
  dataset: Dataset,
  split: SplitName,
): TaskCollector<SequenceEvaluation> {
  const nearest = new NearestTargets<Misread>();
  const spaced = evenlySpaced(dataset[split]?.count ?? 0, MAX_TYPICAL);
  const typical: AlignedSequence[] = [];
  const furthest = new Worst<readonly AlignedSequence[]>();
  const isAligned = run.loss.kind === 'ctc' || hasAttention(run.spec);
  const alignmentOf = (prediction: Prediction, { index, id }: PredictedSequence): AlignedSequence[] => {
    const weights = weightsOf(run, prediction);
    if (weights.length === 0) return [];
    const symbols = dataset[split]?.symbols?.(index);
    return [
      {
        index,
        ...(id !== undefined && { id }),
        steps: weights.length / prediction.point.length,
        ...(symbols && { input: [...symbols] }),
        ...pictureOf(dataset[split], index),
        predicted: Array.from(prediction.point),
        weights: Buffer.from(weights).toString('base64'),
      },
    ];
  };
  return {
    kind: 'sequence',
    add(prediction, sequence) {
      const { index, id } = sequence;
      const { point, target, decoded = [] } = prediction;
      if (isAligned && spaced.has(index)) typical.push(...alignmentOf(prediction, sequence));
      else if (isAligned)
        furthest.offer(editDistance(target, point), () => alignmentOf(prediction, sequence));
      nearest.add(prediction, () => ({
        index,
        ...(id !== undefined && { id }),
        predicted: Array.from(point),
        target: Array.from(target),
        probability: Math.exp(decoded[0]?.logProbability ?? Number.NaN),
      }));
    },
    fields: () => {
      const { all } = nearest;
      const counts = new Map<string, AlignedPair & { count: number }>();
      const edits = { substitutions: 0, insertions: 0, deletions: 0 };
      const worst = new Worst<MisreadSequence>();
      for (const { errors, thing } of all) {
        if (errors === 0) continue;
        const { index, id, probability } = thing;
        const pairs = alignment(thing.target, thing.predicted);
        for (const pair of pairs.filter(isEdit)) {
          edits[kindOfEdit(pair)]++;
          const key = `${pair.target} ${pair.predicted}`;
          const known = counts.get(key);
          if (known) known.count++;
          else counts.set(key, { ...pair, count: 1 });
        }
        worst.offer(errors, () => {
          const input = inputText(dataset, dataset[split], index);
          return {
            index,
            ...(id !== undefined && { id }),
            ...(input !== undefined && { input }),
            ...pictureOf(dataset[split], index),
            errors,
            probability,
            alignment: pairs.slice(0, MAX_ALIGNED),
          };
        });
      }
      // a prediction far from one target may be another one
      const isMisread = ({ index }: AlignedSequence) => worst.items.some(item => item.index === index);
      const misread = furthest.items.flat().filter(isMisread).slice(0, MAX_MISREAD);
      return {
        inputs: all.length,
        token_error_rate: tokenErrors(all),
        sequence_accuracy: exactFraction(all),
        symbols: run.spec.outputSize - 1,
        symbol_names: dataset.classLabels ?? null,
        edits,
        confusions: [...counts.values()].sort((a, b) => b.count - a.count).slice(0, MAX_CONFUSIONS),
        misread: worst.items,
        ...(isAligned && { alignments: [...typical, ...misread] }),
      };
    },
  };
}

/** The weight of each step of the input for each predicted symbol, 255 for 1; empty if unknown. */
function weightsOf({ loss, spec }: TaskModel, { outputs, decoded = [] }: Prediction): Uint8Array {
  const [{ symbols, logProbability, attended = [] }] = decoded;
  if (Number.isNaN(logProbability)) return new Uint8Array();
  if (loss.kind !== 'ctc') return Buffer.concat(attended.map(({ weights }) => weights));
  const classes = spec.outputSize;
  const steps = outputs.length / classes;
  if (symbols.length * steps > MAX_KEPT_WEIGHTS) return new Uint8Array();
  const occupancy = occupancyOf(classProbabilities(outputs, { steps, classes }), symbols);
  return Uint8Array.from(occupancy, probability => Math.round(255 * probability));
}

function kindOfEdit({ target, predicted }: AlignedPair) {
  if (target === null) return 'insertions';
  return predicted === null ? 'deletions' : 'substitutions';
}

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

export const sequenceChecks: TaskChecks = {
  // one output more for the blank, or the end of a sequence
  outputs: (_loss, _targets, classes) => classes + 1,
  *problems(checked) {
    if (checked.loss.kind === 'ctc') yield* impossibleTargets(checked);
  },
  damage: strayLabels,
  *warnings(checked) {
    const { decode, data, places } = checked;
    const { size: longest } = targetsOfKind('sequence', data.train.targets);
    if (decode?.limit !== undefined && decode.limit < longest) {
      const message = `\`decode.limit\` is ${decode.limit}, but the longest target has ${counted(longest, 'symbol')}, so predictions of such targets end too early`;
      const expected = `at least ${longest}`;
      yield places.atValue(['decode', 'limit'], 'data/decode-limit', message, { expected });
    }
    yield* untrainedLabels(checked, ['symbol', 'symbols']);
    yield* absentLabels(checked);
  },
};

/** Targets that have no path of the steps of their input, of each split that has some. */
function* impossibleTargets({ places, splits, model: { steps }, data }: CheckedTask) {
  for (const [name, { count, targets: all, lengths, id }] of Object.entries(splits)) {
    const targets = targetsOfKind('sequence', all);
    const stepsOf = (index: number) => stepsRead(steps, lengths?.[index] ?? data.sequenceLength);
    const indices = Array.from({ length: count }, (_, index) => index);
    const found = indices.filter(index => isImpossible(symbolsOfTarget(targets, index), stepsOf(index)));
    if (found.length === 0) continue;
    const [first] = found;
    const symbols = symbolsOfTarget(targets, first);
    const repeats = stepsNeeded(symbols) - symbols.length;
    const needs = `${counted(symbols.length, 'symbol')} and ${counted(repeats, 'repetition')}`;
    const ratios = found.map(index => stepsNeeded(symbolsOfTarget(targets, index)) / stepsOf(index));
    const repeat = Math.ceil((steps?.repeat ?? 1) * ratios.reduce((a, b) => Math.max(a, b)));
    const more =
      steps?.stack === undefined
        ? `\`model.steps: { repeat: ${repeat} }\` to read each step ${repeat} times`
        : 'a smaller `model.steps.stack`';
    const left = found.length - 1;
    const others = left === 0 ? '' : left === 1 ? '; so does 1 other' : `; so do ${left} others`;
    const message = `${name} sequence ${id ? JSON.stringify(id(first)) : first} has too few steps for its target: ${counted(stepsOf(first), 'step')} for ${needs}${others}`;
    const expected = `a step for each symbol and repetition; ${more}; or \`on_impossible: skip\` to leave such sequences out`;
    yield places.atKey(['loss', 'on_impossible'], 'data/impossible', message, { expected });
  }
}

/**
 * Returns the digest of what a model reads of sequence `index`: equal inputs have equal ones.
 * @param steps length of the sequences if they are equally long
 * @param width numbers per step
 */
function inputDigests(split: Split, steps: number, width: number): (index: number) => string {
  const longest = split.lengths?.reduce((a, b) => Math.max(a, b), steps) ?? steps;
  const row = new Float32Array(longest * width);
  return index => {
    split.read(index, row, 0, width);
    const read = row.subarray(0, (split.lengths?.[index] ?? steps) * width);
    return createHash('sha1').update(read).digest('binary');
  };
}

/** Scores the likeliest symbols of each sequence. */
export const sequenceScorer: ScorerOf =
  ({ spec }) =>
  (split, sequenceLength) => {
    const targets = targetsOfKind('sequence', split.targets);
    const inputOf = inputDigests(split, sequenceLength, numbersPerStep(spec));
    return index => {
      const target = symbolsOfTarget(targets, index);
      const input = inputOf(index);
      return computed => {
        // the model assigns unknown symbols no probability
        const weight = target.includes(targets.numClasses) ? 0 : (computed.losses ?? 1);
        const [{ symbols } = { symbols: [] }] = computed.decoded ?? [];
        return { ...computed, weight, point: Int32Array.from(symbols), target, input };
      };
    };
  };
