/**
 * Sequences that no split holds: those that a trained model is to predict. They are read without
 * labels, one after the other, as the run's own data were, by what the run remembers of these.
 */
import type { Diagnostic } from '../errors.js';
import type { SequenceInput } from './dataset.js';
import type { Vocabulary } from './vocabulary.js';

/** What a run remembers of its data besides their scaling: all that prediction needs to know. */
export interface DataRecord {
  readonly input: SequenceInput;
  /** T: steps of the longest sequence that the run read. */
  readonly sequence_length: number;
  /** Whether its sequences differed in length. */
  readonly variable_length: boolean;
  /** C: outputs of the model. */
  readonly output_size: number;
  /** The label of each class; absent if the data name none. */
  readonly class_names?: readonly string[];
  /** Present if the sequences are pictures. */
  readonly picture?: { readonly height: number; readonly width: number };
  /** Present if the data give symbols as text. */
  readonly vocabulary?: Vocabulary;
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
  /**
   * The sequences in the order of the input. A list holds those that one piece of the input
   * completes, and may be empty.
   * @throws UserError exit 5 if nothing after a place can be read
   */
  read(source: ByteSource): AsyncIterable<readonly ReadSequence[]>;
}
