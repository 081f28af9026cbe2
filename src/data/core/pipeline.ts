/**
 * The way of data, the same for training, evaluation, the verb `data`, `predict --input`, sessions
 * and the library:
 *
 *     source -> items with their place -> assembler -> sequences -> store -> split
 *
 * A source is a file or stream (`InputSource`: bytes in chunks; `reading/files` for whole files,
 * `RangedFile` for parts of large ones). Items are rows of a table, records, pieces of a text, or
 * elements of arrays. An assembler turns them into sequences: groups, order, windows. A store
 * (`store.ts`) has the sequences in memory, or reads their byte ranges; a `Split` is a store with
 * targets, names and a selection of its sequences.
 *
 * Training fills stores and then learns from them (`learned`: scaling, vocabulary, classes; all in
 * the run's manifest). Prediction is the same without targets: it takes each sequence once it is
 * complete, so an input may be endless. The purpose is the only difference, and decides three
 * things: the wording of problems; whether one of them refuses the sequence or, with all others,
 * the whole file; and whether the rows of a group may be anywhere.
 *
 * A kind of data is a `DatasetKind`: what opens it, what reads sequences to predict, and its facts.
 */
import type { Diagnostic } from '../../util/errors.js';
import type { Shape } from '../../util/schema.js';
import type { InputSource } from '../reading/byte-sources.js';
import type {
  DataScaling,
  Dataset,
  IGNORED,
  Scaling,
  SequenceInput,
  Targets,
  Vocabulary,
} from './dataset.js';
import type { ConfigDiagnostic } from './problems.js';
import type { DataRecord } from './record.js';

export type { DataRecord };

/** What data are read for. */
export type Purpose = 'train' | 'predict';

/** A sequence in the units of the data, not scaled. */
export interface NewSequence {
  /** Steps, 1 or more. */
  readonly length: number;
  /** `[length, F]`, row-major, all finite; or one symbol for each step. */
  readonly values: Float32Array;
  /** Its name in the input; absent if there is none. */
  readonly id?: string;
  /**
   * Time of each step as written in the input, to the last step with a time; absent if
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
   */
  read(sources: readonly InputSource[]): AsyncIterable<readonly ReadSequence[]>;
}

export interface DatasetContext {
  /** The experiment's seed, for generated data and random draws. */
  readonly seed: number;
  /** True if value targets are labels of 0 and 1, which are never scaled. */
  readonly hasLabelTargets?: boolean;
  /** Class label to ignore besides {@link IGNORED}. */
  readonly ignoredLabel?: number | undefined;
  /** Rows of a batch, if each continues the row of the previous batch. Default: 1. */
  readonly streams?: number;
  /** Scaling of a trained run, used instead of fitting one. */
  readonly scaling?: DataScaling | undefined;
  /** Vocabulary of a trained run, used instead of fitting one. */
  readonly vocabulary?: Vocabulary | undefined;
}

/** Known facts about data; absent if not known yet. */
export interface DatasetFacts {
  readonly inputKind?: SequenceInput['kind'];
  readonly targetKind?: Targets['kind'];
  /** True if there is one target per step. */
  readonly perStep?: boolean;
  /** Number of classes: largest label + 1. */
  readonly numClasses?: number;
  /** N of the training split. */
  readonly trainCount?: number;
}

/**
 * A kind of data. Every kind states all facts, so that nothing which the rest of the program does
 * by them can be forgotten.
 */
export interface DatasetKind<Config, Settings extends Shape = Shape> {
  /** Its keys in a config. */
  readonly settings: Settings;
  /**
   * Opens the dataset that `config` describes, with all its training sequences: the caller applies
   * `validation` and `limit`. Relative paths are resolved against the working directory.
   */
  open(config: Config, context: DatasetContext): Promise<Dataset>;
  /**
   * Returns a reader of sequences to predict. It needs the run's config and data record only; the
   * files of its dataset need not exist.
   */
  newSequences(config: Config, data: DataRecord, options?: NewSequencesOptions): SequenceReader;
  /**
   * Facts known from the config alone, before data are read; about all training sequences, as in
   * `open`.
   */
  facts(config: Config): DatasetFacts;
  /** Columns that are both an input and a target, and the like. */
  leaks(config: Config): readonly ConfigDiagnostic[];
  /** How a config asks for symbols, and for numbers instead; null if it cannot choose. */
  readonly symbols: { readonly how: string; readonly orNumbers: string } | null;
  /**
   * True if `open` holds out validation sequences, applies `limit` and scales by `normalize`
   * itself, since the data must be divided before they become sequences.
   */
  readonly dividesItself: boolean;
  /** True if each path may be a folder or a pattern, which `inputFiles` expands. */
  readonly expandsPaths: boolean;
}
