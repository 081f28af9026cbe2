/** Interface of a dataset kind: one object per file, listed in the table. */
import type { DataScaling, Dataset, IGNORED, SequenceInput, Targets, Vocabulary } from './dataset.js';
import type { DataRecord, NewSequencesOptions, SequenceReader } from './new-sequences.js';

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

export interface DatasetKind<Config> {
  /**
   * Opens the dataset that `config` describes, with all its training sequences: the caller applies
   * `validation` and `limit`. Relative paths are resolved against the working directory.
   * @throws UserError (exit 2) if the config asks for something that does not exist
   * @throws UserError (exit 5) if data are damaged
   */
  open(config: Config, context: DatasetContext): Promise<Dataset>;
  /**
   * Facts known from the config alone, before data are read; about all training sequences, as in
   * `open`.
   */
  facts(config: Config): DatasetFacts;
  /**
   * True if `open` holds out validation sequences and applies `limit` itself, since the data must
   * be divided before they become sequences.
   */
  readonly dividesItself?: boolean;
  /** True if each path may be a folder or a pattern, which `inputFiles` expands. */
  readonly expandsPaths?: boolean;
  /**
   * Returns a reader of sequences to predict. It needs the run's config and data record only; the
   * files of its dataset need not exist.
   */
  newSequences(config: Config, data: DataRecord, options?: NewSequencesOptions): SequenceReader;
}
