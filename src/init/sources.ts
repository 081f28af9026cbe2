/** Data that a config can be written for: each kind of them is a row of a table. */

import { existsSync, statSync } from 'node:fs';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { escapePath, globSync } from 'tinyglobby';
import { DATE_FORMAT } from '../data/formats/dates.js';
import type { Decimal } from '../data/formats/numbers.js';
import { formatNamed } from '../data/formats/tables.js';
import { AUDIO_NAME, TABLE_NAME } from '../data/reading/facts.js';
import { inputFiles, readContent } from '../data/reading/files.js';
import { type UserError, usageError, usageErrors } from '../util/errors.js';
import { counted, quoted } from '../util/words.js';
import { filesNamedIn, labelsInNames, refuseLabelsApart, refuseNames } from './beside.js';
import { blocksIn } from './blocks.js';
import { type Columns, readColumns } from './columns.js';
import { described, labelled, nextBest, type OtherReading } from './description.js';
import { forecastPlan, type Plan, scalar, sequencePlan, textPlan } from './plan.js';
import { type Choice, readingsOf, withNamedGroup } from './readings.js';
import { listIn, recordingList, recordingListPlan } from './recording-tables.js';
import { recordingsIn, recordingsPlan } from './recordings.js';
import { archivePlan, recordColumns, recordsPlan } from './records.js';

/** What `init` makes of data. */
export interface Made {
  readonly plan: Plan;
  /** What it says of them. */
  readonly lines: readonly string[];
  readonly others?: readonly OtherReading[];
}

/** What is asked for, by option. */
export interface Wish extends Choice {
  readonly dateFormat?: string | undefined;
  readonly decimal?: Decimal | undefined;
}

/** A file or folder. What is read is kept, so that other readings do not read it again. */
export class Source {
  readonly isFolder: boolean;
  readonly #folder: string;
  #content: ReturnType<typeof readContent> | undefined;
  #recordings: ReturnType<typeof recordingsIn> | undefined;
  #columns: Promise<Columns> | undefined;

  /** @param config the file to be written */
  constructor(
    readonly path: string,
    config: string,
  ) {
    this.isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
    this.#folder = dirname(resolve(config));
  }

  /** A file, as the config names it. */
  readonly placeOf = (file: string): string => posix(relative(this.#folder, resolve(file)));

  get place(): string {
    return this.placeOf(this.path);
  }

  async bytes(): Promise<Buffer> {
    this.#content ??= readContent(this.path);
    return (await this.#content).bytes;
  }

  /** Undefined for a folder without any, and for a file. */
  async recordings() {
    if (this.isFolder) this.#recordings ??= recordingsIn(this.path);
    return this.#recordings;
  }

  /** True for a file whose blank lines separate sequences. */
  async hasBlocks(): Promise<boolean> {
    const isCsv = !this.isFolder && existsSync(this.path) && formatNamed(this.path) === 'csv';
    return isCsv && blocksIn(this.path, await this.bytes()) !== undefined;
  }

  get areRecords(): boolean {
    return /\.jsonl(\.gz)?$/i.test(this.path);
  }

  async isTable(): Promise<boolean> {
    return this.isFolder || TABLE_NAME.test(this.path) || (await this.hasBlocks());
  }

  columns(wish: Wish): Promise<Columns> {
    this.#columns ??= this.areRecords
      ? this.bytes().then(bytes => recordColumns(bytes, this.path))
      : this.#readTable(wish);
    return this.#columns;
  }

  async #readTable({ dateFormat, decimal }: Wish): Promise<Columns> {
    if (dateFormat !== undefined && !new RegExp(DATE_FORMAT).test(dateFormat))
      throw usageError('init/date-format', 'this is no format of dates', {
        file: '--date-format',
        expected: 'a year (%Y, %y, or %G with %V) and other codes of strptime, such as %d/%m/%Y %H:%M',
        got: dateFormat,
      });
    const others = this.others.map(({ file }) => file);
    return readColumns(this.path, { dateForm: dateFormat, decimal, others });
  }

  /**
   * The files of the other splits if this one is called `…_TRAIN.ts`, `train.csv`,
   * `en-ud-train.conllu` or the like.
   */
  get others(): OtherSplit[] {
    const [, start, word, end] = /^(.*[-_./]|)(train)((?:\.\w+)+)$/i.exec(this.path) ?? [];
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
    return files.filter(
      ({ file }, i) => existsSync(file) && i === files.findIndex(source => source.file === file),
    );
  }

  /** With the other splits in the config, instead of fractions. */
  withSplits(made: Made, others: readonly OtherSplit[], placeOf = this.placeOf): Made {
    const [validation, test] = (['validation', 'test'] as const).map(split =>
      others.find(other => other.split === split),
    );
    const values: Plan['values'] = {
      ...made.plan.values,
      ...(validation && { validation_path: scalar(placeOf(validation.file)), validation: false }),
      ...(test && { test_path: scalar(placeOf(test.file)), test_fraction: false, test: false }),
    };
    const lines = others.map(({ split, file }) => labelled(split, placeOf(file)));
    return { ...made, plan: { ...made.plan, values }, lines: [...lines, ...made.lines] };
  }
}

type Option = 'target' | 'group' | 'time' | 'as' | 'dateFormat' | 'decimal';
const OF_FILES = ['dateFormat', 'decimal'] as const;
const OF_TABLES = ['group', 'time', ...OF_FILES] as const;

/** A kind of data. */
interface SourceKind {
  /** Options that say nothing about such data. */
  readonly without: readonly Option[];
  /** What reads the data; undefined for those of another kind. */
  reader(source: Source, wish: Wish): Promise<(() => Promise<Made> | Made) | undefined>;
}

/** All kinds of data: the first one that can read them does. */
const KINDS_OF_DATA: readonly SourceKind[] = [
  {
    // an archive of arrays
    without: ['target', ...OF_TABLES],
    reader: async ({ path, place }, wish) =>
      /\.npz$/i.test(path) ? () => archivePlan(path, place, wish) : undefined,
  },
  {
    // a text
    without: ['target', 'as', ...OF_TABLES],
    async reader(source) {
      if (!/\.txt(\.gz)?$/i.test(source.path) || (await source.hasBlocks())) return undefined;
      const { length } = await source.bytes();
      const line = `a text, ${counted(length, 'byte')}: the model predicts its next character`;
      return () => ({ plan: textPlan(source.place, length), lines: [labelled('read as', line)] });
    },
  },
  {
    // a folder of recordings
    without: ['time', 'as', ...OF_FILES],
    async reader(source, wish) {
      const recordings = await source.recordings();
      if (recordings === undefined) return undefined;
      const globOf = (folder: string) =>
        [escapePath(source.placeOf(folder)), recordings.glob].join('/').replace(/^\//, '');
      return async () => {
        const lists = await listIn(source.path);
        const found = await recordingsPlan(recordings, globOf(recordings.folder), wish, lists);
        return source.withSplits(found, recordings.splits, globOf);
      };
    },
  },
  {
    // a table or records that list recordings
    without: ['time', ...OF_FILES],
    async reader(source, wish) {
      const mayList = wish.as === undefined || wish.as === 'pairs';
      if (!mayList || !(source.areRecords || (await source.isTable()))) return undefined;
      const list = recordingList(await source.columns(wish), source.path);
      return (
        list &&
        (async () => source.withSplits(await recordingListPlan(list, source.place, wish), source.others))
      );
    },
  },
  {
    // records
    without: OF_TABLES,
    async reader(source, wish) {
      const { path, place, others } = source;
      if (!source.areRecords) return undefined;
      return async () => {
        const { columns } = await source.columns(wish);
        const beside = others.map(async ({ file }) => ({ file, bytes: (await readContent(file)).bytes }));
        const file = { file: path, place, columns, choice: wish, others: await Promise.all(beside) };
        return source.withSplits(recordsPlan(await source.bytes(), file), others);
      };
    },
  },
  {
    // a table or a folder of tables
    without: [],
    reader: async (source, wish) => ((await source.isTable()) ? () => tablePlan(source, wish) : undefined),
  },
];

/** @throws UserError if no config can be made */
export async function madeOf(source: Source, wish: Wish): Promise<Made> {
  for (const { without, reader } of KINDS_OF_DATA) {
    const read = await reader(source, wish);
    if (read === undefined) continue;
    refuseOptions(source.path, wish, without);
    return read();
  }
  if (AUDIO_NAME.test(source.path)) throw singleRecording(source.path);
  throw usageError(
    'init/format',
    'a config can be written for tables, records, arrays, texts and folders of recordings',
    {
      file: source.path,
      expected:
        'a folder of tables or of recordings (.wav), or a file that ends in .csv, .tsv, .psv, .parquet, .jsonl, .npz, .conllu, .ts or .txt, or one of them and .gz',
    },
  );
}

async function tablePlan(source: Source, wish: Wish): Promise<Made> {
  const { path, place, placeOf, isFolder, others } = source;
  const table = await source.columns(wish);
  const files = { path, table, others: others.map(({ file }) => file) };
  const named = withNamedGroup(table, wish);
  await refuseLabelsApart({ ...files, table: named.table }, named.choice);
  await refuseNames(files, wish);
  const readings = readingsOf(named.table, named.choice, path);
  const [{ kind, target, layout }] = readings;
  const planOf = kind === 'series' ? forecastPlan : sequencePlan;
  const plan = planOf({ ...table, path: place }, readings[0]);
  const unlabelled = target.lackedBy.map(file =>
    labelled('not used', `${placeOf(file)}: it has no ${target.name}`),
  );
  const header = table.columnNames
    ? [labelled('header', `none: the columns are called ${table.columnNames.slice(0, 3).join(', ')}, …`)]
    : [];
  const unnamed = table.columns.filter(column => column !== layout.group);
  const beside = isFolder ? labelsInNames(table, path) : filesNamedIn(unnamed, path)?.message;
  const notes = [beside, doubtfulNumbers(table)].flatMap(text =>
    text === undefined ? [] : [labelled('note', text)],
  );
  const left = await filesLeftOut(path);
  const lines = [...left, ...unlabelled, ...header, ...described(readings[0]), ...notes];
  const splits = others.filter(({ file }) => kind !== 'series' && !target.lackedBy.includes(file));
  return source.withSplits({ plan, lines, others: nextBest(readings, wish) }, splits);
}

/** Says how numbers are read whose mark may be between thousands as well. */
function doubtfulNumbers({ doubtful }: Columns): string | undefined {
  if (doubtful === undefined) return undefined;
  const tail = /^\W?0/.test(doubtful) ? '' : '; with --decimal ., it is between thousands';
  const mark = doubtful.includes('.')
    ? 'a point between thousands; with --decimal ., it is before decimals'
    : `a decimal comma${tail}`;
  return `numbers such as ${doubtful} have ${mark}`;
}

/** Refuses a recording, and names its folder, or that of the folders for each label. */
export function singleRecording(file: string): UserError {
  const [folder, above] = [dirname(file), dirname(dirname(file))];
  const beside = folder === above ? [] : globSync('*/*.wav', { cwd: above, caseSensitiveMatch: false });
  const isLabel = beside.some(path => path.split('/')[0] !== basename(folder));
  const message = 'a config is for a folder of recordings or a table of them, not for single files';
  return usageError('init/format', message, { file, expected: `--from ${quoted(isLabel ? above : folder)}` });
}

/** Names the files of a folder that are no tables. */
async function filesLeftOut(data: string): Promise<string[]> {
  const tables = await inputFiles(data, TABLE_NAME);
  const left = (await inputFiles(data)).filter(file => !tables.includes(file)).map(file => basename(file));
  return left.length === 0 ? [] : [labelled('not used', `${left.join(', ')}: no ending of tables`)];
}

/** @param without options that say nothing about these data */
function refuseOptions(data: string, wish: Wish, without: readonly Option[]): void {
  const given = without.filter(option => wish[option] !== undefined);
  const message = `this option is not for data such as ${data}`;
  if (given.length > 0)
    throw usageErrors(
      given.map(option => ({
        code: 'init/option',
        message,
        file: option === 'dateFormat' ? '--date-format' : `--${option}`,
      })),
    );
}

/** A split in a file of its own. */
interface OtherSplit {
  readonly split: 'validation' | 'test';
  readonly file: string;
}

export function posix(path: string): string {
  return path.split(sep).join('/');
}
