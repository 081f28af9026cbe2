/**
 * Sequences to predict with a trained model. They are read one after another without labels, in the
 * format of the run's data, using the run's data record.
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
import { shortNames } from './reading/short-names.js';
import { scaledSplit } from './scaling.js';

/** Everything about a run's data that prediction needs, except their scaling. */
export interface DataRecord {
  readonly input: SequenceInput;
  /** T, steps of the longest sequence of the run. */
  readonly sequence_length: number;
  /** True if its sequences differ in length. */
  readonly variable_length: boolean;
  /** First step with a prediction; absent: 0. */
  readonly first_answer?: number;
  /** C, outputs of the model. */
  readonly output_size: number;
  /** Label of each class; absent if the data do not name them. */
  readonly class_names?: readonly string[];
  /** Name of each target value; absent if the data do not name them. */
  readonly target_names?: readonly string[];
  /** Present if the sequences are images. */
  readonly image?: { readonly height: number; readonly width: number };
  /** Present if the data give symbols as text. */
  readonly vocabulary?: Vocabulary;
  /** Present if each series is scaled by itself. */
  readonly series_scaling?: SeriesScaling;
}

/** A sequence in the units of the data, not scaled. */
export interface NewSequence {
  /** Steps, 1 or more. */
  readonly length: number;
  /** `[length, F]`, row-major, all finite; or one symbol for each step. */
  readonly values: Float32Array;
  /** Its name in the input; absent if there is none. */
  readonly id?: string;
  /**
   * Time of each step as written in the input, to the last step with a time to answer; absent if
   * steps have no time.
   */
  readonly times?: readonly string[];
  /**
   * Returns the scaling that converts predictions at a step to the units of the data; present if
   * each sequence has its own. `step` is 0 if there is one prediction per sequence.
   */
  readonly targetScaling?: (step: number) => Scaling;
  /** Its start, for problems of the whole sequence. */
  readonly place?: Partial<Diagnostic>;
  /** What makes its prediction doubtful; absent if nothing does. */
  readonly warnings?: readonly Diagnostic[];
  /** Position in the input if others before it are left out; absent: after the one before. */
  readonly position?: number;
  /** True if it is the first of a batch, for rows that continue from batch to batch. */
  readonly startsBatch?: boolean;
}

/** A sequence that cannot be read; later ones can. */
export interface RejectedSequence {
  /** At least one problem, with its position. */
  readonly problems: readonly Diagnostic[];
  readonly id?: string;
}

export type ReadSequence = NewSequence | RejectedSequence;

export function isRejected(sequence: ReadSequence): sequence is RejectedSequence {
  return 'problems' in sequence;
}

/** The bytes of a file, or of a stream that may never end. */
export interface ByteSource {
  /** Name for messages, as given by the user. */
  readonly name: string;
  /** Size in bytes; undefined if not known in advance. */
  readonly size: number | undefined;
  /** True for the content of a gzip file, whose size is unknown but which ends. */
  readonly isDecompressedFile?: boolean;
  /** Path of the file that has exactly these bytes; absent for a stream and for a gzip file. */
  readonly path?: string;
  readonly chunks: AsyncIterable<Buffer>;
}

/** A file or stream of an input, opened when its turn comes. */
export interface InputSource {
  /** As in {@link ByteSource}. */
  readonly name: string;
  /** @throws UserError (exit 2) if it cannot be read */
  open(): Promise<ByteSource>;
}

/**
 * Opens each source once the one before it has been read.
 * @throws UserError (exit 2) if one cannot be read
 */
export async function* inTurn(sources: readonly InputSource[]): AsyncGenerator<ByteSource> {
  for (const source of sources) yield source.open();
}

/** Position of a sequence in an input. */
type Place = Required<Pick<Diagnostic, 'file'>> & Pick<Diagnostic, 'line' | 'row'>;

/**
 * Returns the function from the place of a sequence of an input of `sources` to its name: `line 5`,
 * or `b.csv:5` if there are several sources. Rows of a file without lines are `row 5`.
 */
export function placeNames(sources: readonly InputSource[]): (place: Place) => string {
  const files = sources.map(({ name }) => name);
  const names = shortNames(files);
  const nameOf = new Map(files.map((file, i) => [file, names[i]]));
  return ({ file, line, row }) => {
    if (sources.length > 1) return `${nameOf.get(file)}:${line ?? row}`;
    return line === undefined ? `row ${row}` : `line ${line}`;
  };
}

/** How an input is read, if its format alone does not say so. */
export interface NewSequencesOptions {
  /** Rows of a batch if each continues the row of the previous batch. Default: 1. */
  readonly rows?: number;
  /** True if each line of a text is a sequence of its own. */
  readonly lines?: boolean;
}

/** Reads sequences in the format of a run's data. */
export interface SequenceReader {
  /** True if all sequences are parts of one stream, so that a model may carry its states. */
  readonly continues?: boolean;
  /** True if sequences may have an `id`. */
  readonly hasIds: boolean;
  /** True if steps may have a time. */
  readonly hasTimes: boolean;
  /**
   * Yields the sequences of an input in order, one or more sources, which are read like the files
   * of a split. Each list contains those that one chunk completes, and may be empty.
   * @throws UserError (exit 2) if a source cannot be opened
   * @throws UserError (exit 5) if the rest of the input cannot be read
   */
  read(sources: readonly InputSource[]): AsyncIterable<readonly ReadSequence[]>;
}

interface SplitOptions {
  readonly input: SequenceInput;
  /** T, at least the length of the longest sequence. */
  readonly steps: number;
  /** Scaling of the run; undefined if there is none. */
  readonly scaling: DataScaling | undefined;
  /** Placeholder targets for `count` sequences. */
  targets(count: number): Targets;
}

/** Adds the scaling of each sequence to the targets, if sequences have their own. */
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

/** Builds a split from new sequences, scaled like the training data. */
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
