/**
 * Models with random settings, over every kind of data and prediction that all exports have, and
 * new sequences for them: of 1 step to as many as the longest one, with missing values, and words
 * and symbols that training has not seen.
 */
import type { SequenceValues } from '../../src/index.js';
import { RandomStream } from '../../src/util/random.js';
import type { Workplace } from './cli.js';
import { onceIn, pick } from './mutations.js';

export interface ExportCase {
  readonly name: string;
  readonly config: object;
  readonly sequences: readonly SequenceValues[];
}

/** Of a dataset, with what the model and the loss must have for it. */
interface Kind {
  dataset(random: RandomStream): object;
  readonly losses: readonly object[];
  /** Settings of the model, which replace random ones. */
  readonly model?: (random: RandomStream) => object;
  readonly isEach?: boolean;
  readonly training?: object;
  readonly sequences: readonly SequenceValues[];
}

const LONGEST = 8;

/** Visits of 1 to 8 steps at uneven times, with missing cells, words and facts. */
function visits(random: RandomStream, from: number, count: number, drugs: readonly string[]) {
  return Array.from({ length: count }, (_, i) => {
    const ofVisit = {
      visit: `v${from + i}`,
      ward: pick(random, ['north', 'south']),
      age: onceIn(random, 4) ? null : 20 + random.integer(50),
      outcome: pick(random, ['well', 'ill', 'unclear']),
      stay: 300 + 40 * random.normal(),
      cost: random.uniform(),
      is_late: random.integer(2),
      is_long: random.integer(2),
    };
    let hour = random.integer(3);
    return Array.from({ length: 1 + (i % LONGEST) }, () => {
      hour += 1 + random.integer(3);
      return {
        ...ofVisit,
        hour,
        pulse: onceIn(random, 5) ? null : 1000 + random.normal(),
        level: onceIn(random, 4) ? null : random.normal(),
        drug: pick(random, drugs),
        posture: pick(random, ['sits', 'lies', null]),
        dose: 300 + 40 * random.normal(),
        state: pick(random, ['calm', 'tense']),
      };
    });
  });
}

function texts(random: RandomStream, count: number, letters: string) {
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: 1 + (i % LONGEST) }, () => pick(random, [...letters])).join(''),
  );
}

/** Two for each letter. */
function numbersOf(text: string): number[][] {
  return [...text].map(one => [one.charCodeAt(0) - 95, one < 'd' ? 0 : 2]);
}

const crossEntropy = { kind: 'cross_entropy' };
const VALUES = ['mse', 'mae', 'huber'].map(kind => ({ kind }));
const quantiles = { kind: 'quantile', quantiles: [0.2, 0.5, 0.7] };
const every = { head: { from: 'every' } };
const embedding = { embedding: { size: 5 } };

const DATA = RandomStream.of(1, 'exports/data');

function kindsOf(work: Workplace): Readonly<Record<string, Kind>> {
  const rows = visits(DATA, 0, 64, ['a', 'b', 'c']).flat();
  const columns = Object.keys(rows[0]) as (keyof (typeof rows)[number])[];
  const lines = rows.map(row => columns.map(name => row[name] ?? '').join());
  const table = { kind: 'csv', path: work.file('visits.csv', `${[columns.join(), ...lines].join('\n')}\n`) };
  const fresh = visits(DATA, 100, 2 * LONGEST, ['a', 'b', 'c', 'new']);
  const sequence = { group: 'visit', order: 'hour' };
  const numbers = (random: RandomStream) => ({
    ...table,
    sequence,
    features: ['pulse', 'level'],
    normalize: pick(random, ['standard', 'min_max']),
    missing: {
      fill: pick(random, ['forward', 'mean', 'zero']),
      indicator: random.integer(2) > 0,
      elapsed: random.integer(2) > 0,
    },
    test: { fraction: 0.3 },
  });
  const word = (random: RandomStream) =>
    pick(random, [{ encode: 'one_hot' }, { encode: 'embedding', size: 3 }]);
  const mixed = (random: RandomStream) => ({
    ...numbers(random),
    features: [
      'pulse',
      { column: 'drug', ...word(random) },
      'level',
      { column: 'posture', encode: 'one_hot' },
      { column: 'hour', encode: 'elapsed' },
    ],
    static_features: ['age', { column: 'ward', ...word(random) }],
  });
  const written = texts(DATA, 64, 'abcdeabcdeabcdef');
  const path = work.file(
    'texts.jsonl',
    written
      .map((text, i) =>
        JSON.stringify({
          text,
          kind: text.includes('a') ? 'yes' : 'no',
          marks: [...text].map(one => (one < 'c' ? 'low' : 'high')),
          sounds: `${text.replaceAll('a', '')}${i % 3 ? '' : 'x'}`,
          numbers: numbersOf(text),
          fact: text.length % 3,
        }),
      )
      .map(line => `${line}\n`)
      .join(''),
  );
  const records = { kind: 'jsonl', path, test: { fraction: 0.3 } };
  // its rare letters are unknown ones
  const text = { ...records, input: 'text', input_kind: 'text', level: 'character', min_count: 20 };
  const sounds = { ...text, target: 'sounds', target_kind: 'sequence', target_level: 'character' };
  const newTexts = texts(DATA, 2 * LONGEST, 'abcdef?');
  const stacked = (random: RandomStream) =>
    onceIn(random, 3) ? { steps: { stack: 2 + random.integer(2) } } : {};
  const decoder = (random: RandomStream) => {
    const attention = pick(random, ['none', 'dot', 'general', 'additive']);
    const layers = { hidden_size: 5, num_layers: 1 + random.integer(2), embedding_size: 3 };
    return {
      ...(attention === 'dot' && { hidden_size: 5, bidirectional: false, projection_size: undefined }),
      decoder: { cell: pick(random, ['lstm', 'gru', 'rnn']), ...layers, attention },
    };
  };
  const ofTable = { sequences: fresh };
  const ofTexts = { sequences: newTexts };
  return {
    'classes of numbers': {
      dataset: random => ({ ...numbers(random), target: 'outcome', target_kind: 'class' }),
      ...{ losses: [crossEntropy], model: stacked, ...ofTable },
    },
    'classes of words and facts': {
      dataset: random => ({ ...mixed(random), target: 'outcome', target_kind: 'class' }),
      ...{ losses: [crossEntropy, { ...crossEntropy, label_smoothing: 0.1 }], ...ofTable },
    },
    'classes of steps': {
      dataset: random => ({
        ...{ ...mixed(random), target: 'state', target_kind: 'class' },
        sequence: { ...sequence, per_step: true },
      }),
      ...{ losses: [crossEntropy], isEach: true, ...ofTable },
    },
    values: {
      dataset: random => ({
        ...mixed(random),
        target: pick(random, ['stay', ['stay', 'cost']]),
        target_kind: 'value',
      }),
      ...{ losses: [...VALUES, quantiles], ...ofTable },
    },
    'values of steps': {
      dataset: random => ({
        ...{ ...numbers(random), target: 'dose', target_kind: 'value' },
        sequence: { ...sequence, per_step: true },
      }),
      ...{ losses: [quantiles, ...VALUES.toReversed()], isEach: true, ...ofTable },
    },
    labels: {
      dataset: random => ({ ...numbers(random), target: ['is_late', 'is_long'], target_kind: 'value' }),
      ...{ losses: [{ kind: 'binary_cross_entropy' }], model: stacked, ...ofTable },
    },
    'classes of texts': {
      dataset: () => ({ ...text, target: 'kind', target_kind: 'class' }),
      ...{ losses: [crossEntropy], model: () => embedding, ...ofTexts },
    },
    tags: {
      dataset: () => ({ ...text, target: 'marks', target_kind: 'class', per_step: true }),
      ...{ losses: [crossEntropy], model: () => embedding, isEach: true, ...ofTexts },
    },
    'the loss ctc': {
      dataset: () => sounds,
      losses: [{ kind: 'ctc', on_impossible: 'skip' }],
      model: random => ({ ...embedding, ...(onceIn(random, 2) && { steps: { repeat: 2 } }) }),
      ...{ isEach: true, training: { num_epochs: 12 }, ...ofTexts },
    },
    'a decoder': {
      dataset: () => sounds,
      losses: [crossEntropy],
      model: random => ({ ...embedding, ...decoder(random), head: undefined }),
      ...{ training: { num_epochs: 12 }, ...ofTexts },
    },
    'a decoder that reads numbers': {
      dataset: random => ({
        ...{ ...records, input: 'numbers', input_kind: 'number', static_features: ['fact'] },
        normalize: pick(random, ['none', 'standard']),
        ...{ target: 'sounds', target_kind: 'sequence', target_level: 'character' },
      }),
      losses: [crossEntropy],
      model: random => ({ ...decoder(random), head: undefined }),
      training: { num_epochs: 12 },
      sequences: newTexts.map(text => numbersOf(text).map(step => [...step, text.length % 3])),
    },
  };
}

function layerOf(random: RandomStream): object {
  const cell = pick(random, ['lstm', 'lstm', 'gru', 'rnn', 'min_lstm', 'min_gru']);
  return {
    ...{ cell, hidden_size: 3 + random.integer(5), bidirectional: random.integer(2) > 0 },
    ...(cell === 'rnn' && { nonlinearity: pick(random, ['tanh', 'relu']) }),
    ...(cell === 'lstm' && pick(random, [{}, { layer_norm: true }, { projection_size: 2 }])),
  };
}

function modelOf(random: RandomStream, { model, isEach }: Kind): object {
  const fitting = model?.(random) ?? {};
  const isFixed = 'decoder' in fitting && 'hidden_size' in fitting;
  const layers = Array.from({ length: 1 + random.integer(2) }, () => layerOf(random));
  const head = {
    ...(isEach ? every.head : { from: pick(random, ['last', 'final', 'mean', 'max']) }),
    ...(onceIn(random, 3) && { hidden_sizes: [4, 3], activation: pick(random, ['relu', 'tanh']) }),
  };
  const recurrent =
    onceIn(random, 2) || isFixed ? { ...layers[0], num_layers: 1 + random.integer(2) } : { layers };
  return { ...recurrent, head, ...fitting };
}

/** Kinds take turns, and so do the losses of each. */
export function exportCases(work: Workplace, seed: number): (number: number) => ExportCase {
  const kinds = Object.entries(kindsOf(work));
  return number => {
    const random = RandomStream.of(seed, `exports/${number}`);
    const [name, kind] = kinds[number % kinds.length];
    const config = {
      ...{ version: 1, name: 'exported', seed: number, dataset: kind.dataset(random) },
      model: modelOf(random, kind),
      loss: kind.losses[Math.floor(number / kinds.length) % kind.losses.length],
      optimizer: { kind: 'adam', learning_rate: 0.02 },
      training: { num_epochs: 2, batch_size: 8, ...kind.training },
    };
    return { name: `${number}, ${name}: ${JSON.stringify(config.model)}`, config, sequences: kind.sequences };
  };
}
