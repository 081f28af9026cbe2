/** What is known of the dataset kind `audio`: recordings, each a sequence of frames. */
import * as key from '../../util/schema.js';
import type { DatasetKind } from '../core/dataset.js';
import * as keys from '../core/settings.js';
import { AUDIO_NAME, MAX_RATE, MIN_RATE } from '../reading/facts.js';
import { MEL_SCALES } from './mel.js';

/** Fields in braces, with text between them. */
const NAME_PATTERN = '^[^{}]*\\{[^{}]+\\}([^{}]+\\{[^{}]+\\})*[^{}]*$';

const frames = {
  window: key.number({
    description: 'Length of a frame, in milliseconds.',
    above: 0,
    max: 10_000,
    default: 25,
    aliases: ['win_length', 'frame_length', 'window_size'],
  }),
  hop: key.number({
    description: 'Time from one frame to the next, in milliseconds: the steps of the sequence.',
    above: 0,
    max: 10_000,
    default: 10,
    aliases: ['hop_length', 'frame_shift', 'stride'],
  }),
};

const bands = {
  ...frames,
  fft_size: key.choice([64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536], {
    description: 'Samples of the FFT; a frame with fewer is padded with zeros.',
    defaultText: 'the next power of two of the samples of a frame',
    runDefault: true,
    examples: [512],
    aliases: ['n_fft', 'nfft'],
  }),
  bands: key.integer({
    description: 'Number of mel bands.',
    min: 1,
    max: 1024,
    default: 40,
    aliases: ['n_mels', 'num_mel_bins', 'mels', 'filters'],
  }),
  min_frequency: key.number({
    description: 'Lowest frequency of the bands, in hertz.',
    min: 0,
    max: 2 ** 19,
    default: 0,
    aliases: ['f_min', 'fmin', 'low_freq'],
  }),
  max_frequency: key.number({
    description: 'Highest frequency of the bands, in hertz.',
    above: 0,
    max: 2 ** 19,
    defaultText: 'half of the sample rate',
    runDefault: true,
    examples: [7600],
    aliases: ['f_max', 'fmax', 'high_freq'],
  }),
  scale: key.choice(Object.keys(MEL_SCALES) as (keyof typeof MEL_SCALES)[], {
    description: "The mel scale: that of HTK, or of Slaney's Auditory Toolbox.",
    default: 'htk',
    aliases: ['mel_scale'],
  }),
  floor: key.number({
    description: 'Powers of a band below this are raised to it before the logarithm.',
    above: 0,
    max: 1e6,
    default: 1e-10,
    aliases: ['amin', 'log_offset', 'eps'],
  }),
};

const deltas = key.integer({
  description:
    'Number of derivatives in time that are features, too: 1 for the slopes of all features, 2 for the slopes of these as well.',
  min: 0,
  max: 2,
  default: 0,
  examples: [2],
  aliases: ['delta', 'derivatives'],
});

const featureSettings = key.union(
  'kind',
  [
    key.section(
      {
        kind: key.tag('log_mel', { description: 'Logarithms of the power in mel bands.' }),
        ...bands,
        deltas,
      },
      { description: 'Logarithms of the power in mel bands.', aliases: ['fbank', 'mel', 'spectrogram'] },
    ),
    key.section(
      {
        kind: key.tag('mfcc', { description: 'Mel frequency cepstral coefficients.' }),
        ...bands,
        coefficients: key.integer({
          description: 'Number of coefficients, from the first (the loudness) on.',
          min: 1,
          max: 1024,
          default: 13,
          aliases: ['n_mfcc', 'num_ceps'],
        }),
        lifter: key.number({
          description:
            'L of the lifter 1 + L/2 sin(pi k / L), by which coefficient k is multiplied; 0: none.',
          min: 0,
          max: 1024,
          default: 0,
          examples: [22],
          aliases: ['cepstral_lifter', 'ceplifter'],
        }),
        deltas,
      },
      { description: 'Mel frequency cepstral coefficients.' },
    ),
    key.section(
      { kind: key.tag('raw', { description: 'The samples of each frame.' }), ...frames },
      { description: 'The samples of each frame.', aliases: ['samples', 'waveform'] },
    ),
  ],
  {
    name: 'audio_features',
    description: 'What the model reads of a recording.',
    examples: [{ kind: 'log_mel', bands: 40 }],
    required: true,
    resume: { never: 'its weights were trained on these features' },
  },
);

export type FeatureConfig = key.TypeOf<typeof featureSettings>;

const masks = (what: string, width: number) => ({
  count: key.integer({ description: 'Number of masks.', min: 1, max: 100, default: 1, aliases: ['number'] }),
  width: key.integer({
    description: `A mask has less than this many ${what}.`,
    min: 2,
    max: 65536,
    examples: [width],
    aliases: ['size', 'param', 'mask_param', 'max_width'],
    required: true,
  }),
});

const augmentSettings = key.section(
  {
    shift: key.number({
      description: 'Moves the samples by up to this many milliseconds; zeros follow.',
      above: 0,
      max: 60_000,
      examples: [50],
      aliases: ['time_shift', 'roll'],
    }),
    noise: key.section(
      {
        path: keys.givenFiles('Recordings of noise', 'noise/*.wav', 'noise'),
        ratio: key.list(key.number({ min: -200, max: 200 }), {
          description:
            'Lowest and highest ratio of the energy of a recording to that of the noise, in decibels.',
          minItems: 2,
          maxItems: 2,
          examples: [[5, 20]],
          aliases: ['snr'],
          required: true,
        }),
      },
      {
        description: 'Adds noise: a random part of a random recording.',
        examples: [{ path: 'noise/*.wav', ratio: [5, 20] }],
        aliases: ['add_noise', 'background'],
      },
    ),
    gain: key.number({
      description: 'Makes recordings louder or softer by up to this many decibels.',
      above: 0,
      max: 200,
      examples: [6],
      aliases: ['volume'],
    }),
    warp: key.number({
      description:
        'Moves the bands up or down by up to this fraction, as in voices with vocal tracts of other lengths.',
      above: 0,
      max: 0.5,
      examples: [0.1],
      aliases: ['vtlp', 'frequency_warp', 'vocal_tract'],
    }),
    time_masks: key.section(
      {
        ...masks('frames', 10),
        fraction: key.number({
          description: 'And less than this fraction of the recording.',
          above: 0,
          max: 1,
          default: 1,
          examples: [0.2],
          aliases: ['p'],
        }),
      },
      {
        description: 'Replaces frames that follow one another by the mean of the recording.',
        examples: [{ count: 2, width: 10 }],
        aliases: ['time_mask', 'time_masking'],
      },
    ),
    frequency_masks: key.section(masks('bands', 8), {
      description: 'Replaces bands that follow one another by the mean of the recording.',
      examples: [{ count: 2, width: 8 }],
      aliases: ['frequency_mask', 'freq_mask', 'frequency_masking'],
    }),
  },
  {
    description:
      'Random changes of the training recordings, others in each epoch. Recordings are evaluated as they are. `shift`, `noise` and `gain` compute features again in each step.',
    examples: [{ time_masks: { count: 2, width: 10 }, frequency_masks: { count: 2, width: 8 } }],
    minKeys: 1,
    aliases: ['augmentation', 'spec_augment', 'specaugment'],
  },
);

export type AugmentConfig = key.TypeOf<typeof augmentSettings>;

const settings = key.section(
  {
    kind: keys.kind('audio', 'Recordings.'),
    path: keys.givenFiles('The recordings, or tables of them', 'recordings/*.wav', 'recordings'),
    path_column: keys.column({
      description:
        'Column with the paths of the recordings, from the folder of the table. `path` is then a table (CSV, Parquet or JSON Lines), and its columns are those of `target`, `validation` and `test`.',
      examples: ['file'],
      aliases: ['file_column', 'filename_column', 'audio'],
    }),
    delimiter: keys.delimiter,
    decimal: keys.decimal,
    start: keys.column({
      description: 'Column of the table with the start of a part of the recording, in seconds.',
      examples: ['start'],
      aliases: ['begin', 'onset', 'from'],
    }),
    end: keys.column({
      description:
        'Column of the table with the end of a part of the recording, in seconds. An end at most a frame after that of the recording is that end.',
      examples: ['end'],
      aliases: ['stop', 'offset', 'to'],
    }),
    ...keys.otherFiles('Recordings', 'split', split => `recordings/${split}`),
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    pattern: key.text({
      description:
        "How the files are named, without their ending: fields in braces with text between them, which no field contains. Fields are columns, for `target`, `validation` and `test`. With `/`, the names of folders belong to the pattern, as in '{word}/{speaker}_{take}'.",
      pattern: NAME_PATTERN,
      form: 'fields in braces with text between them, such as {label}_{speaker}_{take}',
      examples: ['{label}_{speaker}_{take}'],
      aliases: ['filename', 'name_pattern', 'regex'],
    }),
    target: keys.column({
      description: 'Field of the pattern, or column of the table, to predict.',
      examples: ['label'],
      aliases: ['output', 'label', 'labels'],
      required: true,
    }),
    target_kind: keys.targetKind('Whether the target is a class or a number.'),
    target_level: keys.targetLevel(''),
    labels_as_text: keys.labelsAsText,
    features: featureSettings,
    rate: key.integer({
      description:
        'Samples per second; recordings with another rate are converted (`torchaudio.functional.resample`). Without this key, all recordings must have the same rate.',
      min: MIN_RATE,
      max: MAX_RATE,
      examples: [16000],
      aliases: ['sample_rate', 'sampling_rate', 'sr'],
      resume: { never: 'its weights were trained on recordings with this rate' },
    }),
    channel: key.either([key.word(['mix'], {}), key.integer({ min: 0, max: 65535 })], {
      description: 'Channel to read: its number, from 0, or `mix` for the mean of all channels.',
      default: 'mix',
      examples: ['mix', 0],
      aliases: ['channels', 'mono'],
      resume: { never: 'its weights were trained on this channel' },
    }),
    normalize: keys.normalize,
    normalize_per: keys.column({
      description:
        'Scales the features as `normalize` says over all recordings with the same value of this column, such as those of a speaker, so that voices and microphones matter less. `recording`: over the frames of each recording; of a short word, this also removes some of what is said.',
      examples: ['speaker', 'recording'],
      aliases: ['cmvn', 'normalization_scope'],
      resume: { never: 'its weights were trained on data with this scaling' },
    }),
    augment: augmentSettings,
    validation: keys.heldOut.validation,
    seed: keys.splitSeed,
    memory: keys.memory,
    obtain: keys.obtain,
    limit: keys.limit,
  },
  {
    description:
      'Recordings in WAV files: PCM of 8, 16, 24 or 32 bits, floating point, A-law and mu-law, at any rate. The features of a frame are a step of the sequence.',
    rules: {
      allOf: [
        key.when(
          { required: ['target_kind'], properties: { target_kind: { const: 'sequence' } } },
          { required: ['target_level'], properties: { labels_as_text: false } },
          { properties: { target_level: false } },
        ),
        key.when(
          { properties: { path_column: false } },
          { required: ['pattern'], properties: { start: false, end: false } },
        ),
        key.when(
          { required: ['normalize_per'] },
          { required: ['normalize'], properties: { normalize: { enum: ['standard', 'min_max'] } } },
        ),
      ],
    },
  },
);

export type AudioConfig = keys.WithDefaults<key.TypeOf<typeof settings>, 'channel' | 'delimiter'>;

export const audio: DatasetKind<AudioConfig, typeof settings> = {
  settings,
  facts: ({ target_kind, target_level }) => ({
    inputKind: 'number',
    targetKind: target_kind,
    targetLevel: target_level,
    ...(target_kind !== 'sequence' && { perStep: false }),
  }),
  leaks: () => [],
  symbols: null,
  dividesItself: false,
  fileNames: AUDIO_NAME,
  depthOf,
};

/** The pattern says how deep the folders of recordings are. */
export function depthOf({ pattern = '' }: AudioConfig): number {
  return pattern.split('/').length;
}
