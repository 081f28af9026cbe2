import * as s from '../../util/schema.js';
import { type LayerConfig, layerConfig } from '../cells/index.js';
import { type HeadName, heads } from './heads.js';

const embedding = s.section(
  {
    size: s.integer({
      description: 'Size of the vector of each symbol.',
      min: 1,
      max: 16384,
      examples: [32],
      aliases: ['dim', 'embedding_dim', 'embedding_size', 'embed_dim', 'width'],
      required: true,
    }),
    num_symbols: s.integer({
      description:
        'Size of the vocabulary; symbols are 0 to num_symbols - 1. Default: one more than the largest symbol of all splits.',
      min: 1,
      max: 2 ** 20,
      examples: [128],
      aliases: ['num_embeddings', 'vocab_size', 'vocabulary_size', 'vocabulary', 'vocab', 'num_tokens'],
    }),
  },
  {
    name: 'embedding',
    description:
      'Maps each symbol to a learned vector, a row of `embedding.weight`. Required for data whose steps are symbols.',
    examples: [{ size: 32 }, { size: 32, num_symbols: 128 }],
    aliases: ['embed', 'embeddings', 'embedding_dim', 'embedding_size'],
  },
);

const dropout = (description: string, example: number) =>
  s.number({
    description,
    min: 0,
    below: 1,
    default: 0,
    examples: [example],
    aliases: ['dropout_p', 'dropout_rate', 'dropout_prob', 'drop', 'p'],
  });

const numLayers = (description: string) =>
  s.integer({
    description,
    min: 1,
    max: 64,
    default: 1,
    examples: [2],
    aliases: ['layers', 'depth', 'n_layers'],
  });

const head = s.section(
  {
    from: s.choice(Object.keys(heads) as HeadName[], {
      description:
        "What the head reads. For one output per sequence: the top layer's output at the last step (last), the final output of each direction (final), or the mean or maximum over all steps (mean, max). For one output per step: every.",
      default: 'last',
      aliases: ['pool', 'pooling', 'reduce', 'reduction'],
    }),
    hidden_sizes: s.list(s.integer({ min: 1, max: 65536 }), {
      description: 'Sizes of the hidden dense layers, each followed by the activation.',
      maxItems: 16,
      default: [],
      examples: [[64]],
      aliases: ['hidden', 'hidden_size', 'layers', 'sizes', 'units', 'hidden_layers'],
    }),
    activation: s.choice(['relu', 'tanh'], {
      description: 'Activation function of the hidden dense layers.',
      default: 'relu',
      aliases: ['nonlinearity', 'act'],
    }),
    dropout: dropout(
      'Probability of zeroing an output of the hidden dense layers in training. The others are divided by one minus this.',
      0.5,
    ),
  },
  {
    name: 'head',
    description: "The dense layers (`fc`) from the top recurrent layer's outputs to the model's outputs.",
    default: {},
    examples: [{ from: 'last' }, { from: 'mean', hidden_sizes: [64] }],
  },
);

const steps = s.section(
  {
    stack: s.integer({
      description:
        'Number of consecutive steps that the model reads as one, with the numbers of all of them: for long inputs. Zeros fill up the last.',
      min: 1,
      max: 65536,
      examples: [3],
      aliases: ['stride', 'stacking', 'subsampling', 'downsample', 'group'],
    }),
    repeat: s.integer({
      description:
        'Number of times that the model reads each step: for `ctc` with targets that have more symbols than the input has steps.',
      min: 1,
      max: 65536,
      examples: [2],
      aliases: ['repetitions', 'upsample', 'times'],
    }),
  },
  {
    name: 'model_steps',
    description: 'How the steps of the data become the steps of the model. Default: one for one.',
    minKeys: 1,
    maxKeys: 1,
    examples: [{ stack: 3 }, { repeat: 2 }],
    aliases: ['input_steps', 'input_stride', 'frames', 'frame_stacking'],
  },
);

export type ModelSteps = s.TypeOf<typeof steps>;

const attentions = ['dot', 'general', 'additive'] as const;

export type AttentionName = (typeof attentions)[number];

const decoder = s.section(
  {
    cell: s.choice(['lstm', 'gru', 'rnn'], {
      description: 'Cell of the decoder.',
      default: 'lstm',
      aliases: ['kind', 'type'],
    }),
    hidden_size: s.integer({
      description: 'Hidden units per layer of the decoder.',
      min: 1,
      max: 16384,
      examples: [128],
      aliases: ['hidden', 'units', 'hidden_dim', 'num_units', 'hidden_units'],
      required: true,
    }),
    num_layers: numLayers('Number of stacked layers of the decoder.'),
    embedding_size: s.integer({
      description: 'Size of the vector of each output symbol, which the decoder reads at its next step.',
      min: 1,
      max: 16384,
      examples: [32],
      aliases: ['embedding', 'embedding_dim', 'embed_dim'],
      required: true,
    }),
    attention: s.choice([...attentions, 'none'], {
      description:
        "What each step of the decoder reads of the encoder's outputs: their sum, weighted by a score of each output e and the decoder's own output h. dot: h e; general: h W e (Luong et al., 2015); additive: v tanh(W h + U e) (Bahdanau et al., 2015). none: nothing; the decoder starts from the encoder's final output alone.",
      default: 'general',
      aliases: ['attention_type', 'score'],
    }),
    dropout: dropout(
      "Probability of zeroing an output between the decoder's layers in training. The others are divided by one minus this.",
      0.2,
    ),
  },
  {
    name: 'decoder',
    description:
      'Layers that write a sequence of symbols of any length, symbol by symbol, from what the other recurrent layers, the encoder, have read (Sutskever et al., 2014).',
    examples: [{ cell: 'lstm', hidden_size: 128, embedding_size: 32, attention: 'general' }],
  },
);

export type DecoderConfig = s.TypeOf<typeof decoder>;

const numClasses = s.integer({
  name: 'num_classes',
  description:
    'Number of classes, or of symbols of targets. Default: one more than the largest training label. It is then an error if a test label is larger, or if more classes below the largest label are unused than used.',
  min: 2,
  max: 1e6,
  examples: [10],
  aliases: ['classes', 'output_size', 'n_classes'],
});

const INITIALISATION = {
  effects: ['initialisation'],
  resume: { never: 'initial weights are read only at the start of a run' },
} as const satisfies s.KeyFacts;

const weightsPath = {
  minLength: 1,
  maxLength: 4096,
  path: true,
  ...INITIALISATION,
} as const;

export const patterns = { minItems: 1, maxItems: 256, unique: true } as const;

/** A name of parameters, or a pattern for several. */
export const pattern = s.text({ minLength: 1, maxLength: 256, examples: ['lstm.*'] });

const initFrom = s.either(
  [
    s.text({ examples: ['weights.safetensors'], ...weightsPath }),
    s.section(
      {
        path: s.text({
          description:
            'A safetensors file, or a run, which stands for the weights that it predicts with: those of its best checkpoint, or averaged ones.',
          examples: ['experiments/names/20260102T030405Z-0123abcd'],
          required: true,
          ...weightsPath,
        }),
        rename: s.list(
          s.section(
            {
              from: s.text({
                description: 'Name of tensors in the file; `*` matches any text.',
                minLength: 1,
                maxLength: 256,
                examples: ['encoder.rnn.*'],
                required: true,
                ...INITIALISATION,
              }),
              to: s.text({
                description:
                  'The name of the parameter. Each `*` is replaced with the text that it matched in `from`.',
                minLength: 1,
                maxLength: 256,
                examples: ['lstm.*'],
                required: true,
                ...INITIALISATION,
              }),
            },
            { description: 'One rule.' },
          ),
          {
            description:
              'How the tensors of the file are named in this model. The first rule that matches applies.',
            minItems: 1,
            maxItems: 256,
            examples: [[{ from: 'encoder.rnn.*', to: 'lstm.*' }]],
            ...INITIALISATION,
          },
        ),
        only: s.list(pattern, {
          description: 'Parameters to load; the others are random. By default all.',
          examples: [['embedding.*', 'lstm.*']],
          ...patterns,
          ...INITIALISATION,
        }),
        skip: s.list(pattern, {
          description: 'Parameters not to load, which are random, such as those of a new head.',
          examples: [['fc.*']],
          ...patterns,
          ...INITIALISATION,
        }),
        vocabulary: s.word(['keep', 'extend'], {
          description:
            "What becomes of the run's vocabulary. keep: it is used, and other symbols of the data are unknown. extend: other symbols of the training split are added to it, with random vectors. By default, a vocabulary is fitted on the training split; it must be that of the run if `embedding.weight` is loaded.",
          examples: ['extend'],
          ...INITIALISATION,
        }),
        scaling: s.word(['keep'], {
          description:
            'keep: values are filled and scaled as in the run. By default, this is fitted on the training split.',
          examples: ['keep'],
          ...INITIALISATION,
        }),
      },
      { description: 'Which weights of a file or a run, and what else of the run.' },
    ),
  ],
  {
    name: 'init_from',
    description:
      'Initial weights, instead of random ones: a safetensors file, which must have all weights of the model and no others, or a mapping.',
    examples: ['weights.safetensors', { path: 'weights.safetensors', skip: ['fc.*'] }],
    aliases: ['weights', 'pretrained', 'checkpoint'],
  },
);

const listedLayers = s.section(
  {
    layers: s.list(s.named('layer', layerConfig), {
      description:
        'The recurrent layers, bottom first. Replaces `cell`, `hidden_size` and the other keys of a layer.',
      minItems: 1,
      maxItems: 64,
      examples: [
        [
          { cell: 'lstm', hidden_size: 64, bidirectional: true },
          { cell: 'gru', hidden_size: 32 },
        ],
      ],
      required: true,
    }),
  },
  { description: 'Layers that may differ from each other.' },
);

const equalLayers = s.extended(
  layerConfig,
  {
    num_layers: numLayers('Number of stacked recurrent layers.'),
  },
  { description: 'Identical layers.' },
);

export const modelConfig = s.extended(
  s.either([listedLayers, equalLayers], {}),
  {
    dropout: dropout(
      'Probability of zeroing an output between recurrent layers in training. The others are divided by one minus this.',
      0.2,
    ),
    steps,
    embedding,
    decoder,
    head,
    num_classes: numClasses,
    init_from: initFrom,
  },
  {
    name: 'model',
    description:
      'The recurrent network: identical layers or a list of layers, an optional embedding before them, an optional decoder, and the head after them.',
    examples: [{ cell: 'lstm', hidden_size: 128, num_layers: 2 }],
    aliases: ['network', 'net'],
    required: true,
    effects: ['numerics'],
    resume: { never: 'its checkpoints belong to this model' },
  },
);

export type ModelConfig = s.TypeOf<typeof modelConfig>;

/** The initial weights, if they are not random. */
export function initialWeightsOf({ init_from: from }: Pick<ModelConfig, 'init_from'>) {
  return typeof from === 'string' ? { path: from } : from;
}

/** The recurrent layers, bottom first. */
export function layersOf(model: ModelConfig): readonly LayerConfig[] {
  if ('layers' in model) return model.layers;
  const { num_layers, dropout, steps, embedding, decoder, head, num_classes, init_from, ...layer } = model;
  return Array.from({ length: num_layers }, () => layer);
}
