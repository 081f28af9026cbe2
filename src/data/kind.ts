/**
 * What a kind of dataset is to the rest of the program: one object of its file, which the table
 * lists.
 */
import type { DataScaling, Dataset, IGNORED, SequenceInput, Targets, Vocabulary } from './dataset.js';
import type { DataRecord, SequenceReader } from './new-sequences.js';

export interface DatasetContext {
  /** The experiment's seed, for what is generated or drawn. */
  readonly seed: number;
  /** Whether value targets are labels of 0 and 1, which no scaling changes. */
  readonly hasLabelTargets?: boolean;
  /** A class label that neither trains nor counts, besides {@link IGNORED}. */
  readonly ignoredLabel?: number | undefined;
  /** Rows of a batch, if each continues the row of the batch before it; else 1, the default. */
  readonly streams?: number;
  /** The scaling that a run was trained with, used in place of one fitted anew. */
  readonly scaling?: DataScaling | undefined;
  /** The vocabulary that a run was trained with, likewise. */
  readonly vocabulary?: Vocabulary | undefined;
}

/** What is known of data; absent where it is not known yet. */
export interface DatasetFacts {
  readonly inputKind?: SequenceInput['kind'];
  readonly targetKind?: Targets['kind'];
  /** Whether each step has a target of its own. */
  readonly perStep?: boolean;
  /** Classes that the labels need: the largest label and one. */
  readonly numClasses?: number;
  /** N of the training split. */
  readonly trainCount?: number;
}

export interface DatasetKind<Config> {
  /**
   * Opens the dataset that `config` describes, with all its training sequences: `validation` and
   * `limit` are not the kind's business. Relative paths start at the working directory.
   * @throws UserError (exit 2) if the config asks for what is not there, (exit 5) if data are
   *   damaged.
   */
  open(config: Config, context: DatasetContext): Promise<Dataset>;
  /** What the config alone says, before any data are read; of all training sequences likewise. */
  facts(config: Config): DatasetFacts;
  /**
   * Whether `open` sets validation sequences aside and applies the limit itself, since the data
   * must be divided before they become sequences.
   */
  readonly dividesItself?: boolean;
  /** How many of the digests, the last of them, are of what is tested on. */
  readonly testDigests: number;
  /**
   * What reads sequences to predict as those of a run were read, from its config and what it
   * remembers of its data; the files of its dataset need not be there.
   */
  newSequences(config: Config, data: DataRecord): SequenceReader;
}
