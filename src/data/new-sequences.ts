/**
 * Sequences that no split holds: those that a trained model is to predict. They are read without
 * labels, one after the other, as the run's own data were, by what the run remembers of these.
 */
import type { Diagnostic } from '../util/errors.js';
import {
  type DataScaling,
  inputWidth,
  type Scaling,
  type SequenceInput,
  type SeriesScaling,
  type Split,
  type Targets,
  type Vocabulary,
} from './dataset.js';
import { packedSplit } from './packed.js';
import { scaledSplit } from './scaling.js';

/** What a run remembers of its data besides their scaling: all that prediction needs to know. */
export interface DataRecord {
  readonly input: SequenceInput;
  /** T: steps of the longest sequence that the run read. */
  readonly sequence_length: number;
  /** Whether its sequences differed in length. */
  readonly variable_length: boolean;
  /** The first step that is asked for an answer; absent: 0. */
  readonly first_answer?: number;
  /** C: outputs of the model. */
  readonly output_size: number;
  /** The label of each class; absent if the data name none. */
  readonly class_names?: readonly string[];
  /** The name of each number of a target; absent if the data name none. */
  readonly target_names?: readonly string[];
  /** Present if the sequences are pictures. */
  readonly picture?: { readonly height: number; readonly width: number };
  /** Present if the data give symbols as text. */
  readonly vocabulary?: Vocabulary;
  /** Present if each series is scaled by itself. */
  readonly series_scaling?: SeriesScaling;
}

/** A sequence in the units of the data: nothing is scaled yet. */
export interface NewSequence {
  /** Steps, 1 or more. */
  readonly length: number;
  /** `[length, F]`, row-major, all finite; or one symbol for each step. */
  readonly values: Float32Array;
  /** What the input calls it; absent if the input names none. */
  readonly id?: string;
  /** The time of each step, as the input writes it; absent if steps have none. */
  readonly times?: readonly string[];
  /**
   * Leads from the values predicted at a step to the units of the data, if each sequence has its
   * own scaling; step 0 if there is one prediction for the sequence.
   */
  readonly targetScaling?: (step: number) => Scaling;
  /** Where it begins, to say what is wrong with the whole of it. */
  readonly place?: Partial<Diagnostic>;
}

/** A sequence that cannot be read, while those after it can. */
export interface RejectedSequence {
  /** What is wrong, at its place; one at least. */
  readonly problems: readonly Diagnostic[];
  readonly id?: string;
}

export type ReadSequence = NewSequence | RejectedSequence;

export function isRejected(sequence: ReadSequence): sequence is RejectedSequence {
  return 'problems' in sequence;
}

/** The bytes of a file, or of a stream that may never end. */
export interface ByteSource {
  /** As the user named it, for messages. */
  readonly name: string;
  /** How many there are; undefined if nobody knows before they are read. */
  readonly size: number | undefined;
  readonly chunks: AsyncIterable<Buffer>;
}

/** Reads sequences as one run's data. */
export interface SequenceReader {
  /** Whether sequences may have an `id`. */
  readonly hasIds: boolean;
  /** Whether steps may have a time. */
  readonly hasTimes: boolean;
  /**
   * The sequences in the order of the input. A list holds those that one piece of the input
   * completes, and may be empty.
   * @throws UserError (exit 5) if nothing after a place can be read
   */
  read(source: ByteSource): AsyncIterable<readonly ReadSequence[]>;
}

interface SplitOptions {
  readonly input: SequenceInput;
  /** T: as many as the longest sequence has, or more. */
  readonly steps: number;
  /** Of the run that predicts; undefined if it scaled nothing. */
  readonly scaling: DataScaling | undefined;
  /** What takes the place of the targets of so many sequences. */
  targets(count: number): Targets;
}

/** The targets, with the scaling of each sequence if it has its own. */
function scaledBack(targets: Targets, sequences: readonly NewSequence[]): Targets {
  if (targets.kind !== 'value' || sequences[0]?.targetScaling === undefined) return targets;
  const predictions = targets.values.length / targets.size / sequences.length;
  return {
    ...targets,
    scaling: at => {
      const { targetScaling } = sequences[Math.floor(at / predictions)];
      return (targetScaling as (step: number) => Scaling)(at % predictions);
    },
  };
}

/** New sequences as a split, scaled as those that the model was trained on. */
export function newSplit(
  sequences: readonly NewSequence[],
  { input, steps, scaling, targets }: SplitOptions,
): Split {
  const inputSize = inputWidth(input);
  const lengths = Int32Array.from(sequences, ({ length }) => length);
  const starts = new Uint32Array(sequences.length);
  for (let i = 1; i < starts.length; i++) starts[i] = starts[i - 1] + lengths[i - 1];
  const features = new Float32Array(inputSize * lengths.reduce((sum, length) => sum + length, 0));
  sequences.forEach(({ values }, i) => void features.set(values, starts[i] * inputSize));
  const packed = {
    features,
    inputSize,
    starts,
    lengths,
    targets: scaledBack(targets(sequences.length), sequences),
  };
  const split = packedSplit(packed, steps);
  return scaling === undefined ? split : scaledSplit(split, { ...scaling, targets: null }, steps);
}
