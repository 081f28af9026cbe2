/** Collects the evaluation of sequences: edits, the worst sequences, alignments. */
import type { Dataset, SplitName } from '../../data/core/dataset.js';
import { MAX_KEPT_WEIGHTS } from '../../math/decoding/ctc.js';
import { occupancyOf } from '../../math/losses/ctc.js';
import { type AlignedPair, alignment, editDistance, isEdit } from '../../math/metrics/edits.js';
import { exactFraction, NearestTargets, tokenErrors } from '../../math/metrics/sequences.js';
import { hasAttention } from '../../math/model/spec.js';
import { classProbabilities } from '../../util/log-probabilities.js';
import { evenlySpaced, inputText, pictureOf, type TaskCollector } from '../core/collector.js';
import type { PredictedSequence, Prediction, TaskModel } from '../core/prediction.js';
import { Worst } from '../core/worst.js';
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
      const isMisread = ({ index }: AlignedSequence) => worst.items.some(one => one.index === index);
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
