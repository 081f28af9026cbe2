/**
 * Dataset kinds `csv`, `parquet`, `conllu` and `ts`: columns by name; the rows of a group form one
 * sequence.
 */

import { damagedErrors } from '../../util/errors.js';
import { shortestDecimal } from '../../util/numbers.js';
import { counted } from '../../util/words.js';
import { missingTest } from '../core/cells.js';
import { type StepColumns, timeColumn } from '../core/columns.js';
import type {
  Dataset,
  DatasetContext,
  DatasetReaders,
  NewSequencesOptions,
  SequenceReader,
  Split,
} from '../core/dataset.js';
import {
  codedBy,
  columnOf,
  knownCategories,
  numbersOf,
  settingsOf,
  staticNumbers,
} from '../core/feature-columns.js';
import type { Feature } from '../core/features.js';
import { splitColumns } from '../core/held-out.js';
import { type ClassMapping, classesByCode, knownTargets, LabelCodes } from '../core/labels.js';
import { configError } from '../core/problems.js';
import type { DataRecord, TextLevel } from '../core/record.js';
import { openTables, type SequenceTable } from '../core/sequence-table.js';
import { TextCodes } from '../core/store.js';
import { symbolReader, symbolsOf } from '../core/vocabulary.js';
import { BLOCK } from '../formats/archives.js';
import { rowName } from '../formats/table-records.js';
import { readTable } from '../formats/tables.js';
import { beginning, type InputSource } from '../reading/byte-sources.js';
import { type CsvConfig, featuresOf, targetsOf } from './facts.js';
import {
  changingTarget,
  hasTarget,
  MAX_GATHERED_BYTES,
  type RowList,
  type Rows,
  targetsOf as rowTargets,
} from './rows.js';
import { TableReader } from './table.js';
import { readTrainingTable, type TrainingTable } from './training.js';

export const csv: DatasetReaders<CsvConfig> = { open, newSequences: csvSequences, stepColumns };

async function open(config: CsvConfig, context: DatasetContext): Promise<Dataset> {
  const { sequence, input_kind: kind = 'number' } = config;
  if (kind !== 'number' && config.features.length > 1) {
    throw configError({
      code: 'data/symbol-columns',
      keyPath: ['dataset', 'features'],
      message: `${kind === 'text' ? 'texts' : 'symbols'} are read from one column`,
      expected: 'one feature, or `input_kind: number`',
    });
  }
  // codes are shared by all files
  const symbols = kind === 'number' ? undefined : new TextCodes();
  const features = featuresOf(config);
  const categories = features.map(() => new TextCodes());
  const columns = {
    ...columnsOf(config),
    symbol: symbols && ((text: string) => symbols.code(text)),
    category: codedBy(categories),
  };
  const numbers = numbersOf(columns.features);
  const staticCount = staticNumbers(columns.features).length;
  const place = numbers.findIndex(({ column }) => columns.features[column].isSymbol);
  const texts = categories[numbers[place]?.column]?.texts;
  const symbolOf = texts && ((rows: Rows, row: number) => texts[rows.numberAt(row, place)] ?? '');
  const dataset = await openTables(config, context, {
    read: async path => sequencesOf(await readTrainingTable(path, columns), config, symbolOf),
    inputSize: numbers.length,
    targetSize: targetsOf(config).length,
    symbols: symbols?.texts ?? [],
    perStep: sequence?.per_step ?? false,
    longest: steps => `one ${sequence?.per_file ? 'file' : 'group'} has ${steps} rows`,
  });
  return {
    ...dataset,
    ...(staticCount > 0 && { input: { kind: 'number', size: numbers.length, static: staticCount } }),
    columnSettings: index => settingsOf(features, numbers[index], categories),
    columnNames: { features: i => numbers[i].name, targets: i => targetsOf(config)[i] },
    ...(config.target_kind === 'value' && { targetNames: targetsOf(config) }),
  };
}

function csvSequences(
  config: CsvConfig,
  data: DataRecord,
  { targets }: NewSequencesOptions = {},
): SequenceReader {
  const { vocabulary, class_names: classNames = [] } = data;
  const { targets: columnsOfTargets, ...others } = columnsOf(config);
  const evaluation = targets && {
    classNames,
    codes: knownTargets(classNames, config, targets.ignoredLabel),
    perStep: config.sequence?.per_step ?? false,
  };
  const isMarker = missingTest();
  const { features, group, order, id } = others;
  const named = typeof group === 'object' ? group : [];
  const read = [...features, ...named, order, id].flatMap(one =>
    one && 'parts' in one ? (one.parts ?? one.name) : one?.name,
  );
  const unread = config.column_names?.filter(name => !read.includes(name)) ?? [];
  const columns = {
    ...others,
    // with other unread columns, it is not known which one is absent
    ...(!targets && unread.length === 1 && { optionalColumn: unread[0] }),
    category: knownCategories(others.features, data),
    purpose: 'predict' as const,
    targets: targets ? columnsOfTargets : [],
    // a usual marker that was no class in training is none now
    isTargetMissing: (text: string) =>
      others.isTargetMissing(text) ||
      (config.target_kind === 'class' && isMarker(text) && !classNames.includes(text)),
    evaluation,
    splits: [],
    symbol: vocabulary && symbolReader(vocabulary, evaluation !== undefined),
  };
  return {
    hasIds: true,
    hasTimes: columns.order !== undefined,
    columnNames: numbersOf(columns.features).map(({ name }) => name),
    async *read(given) {
      const { isSmall, sources } =
        typeof columns.group === 'object' ? await measured(given) : { isSmall: false, sources: given };
      const reader = new TableReader(columns, sources, isSmall);
      for await (const _ of reader.read(readTable)) yield reader.take();
      reader.end();
      yield reader.take();
    },
  };
}

/**
 * Returns whether `sources` are files of up to {@link MAX_GATHERED_BYTES} in total, and the sources
 * to read instead, whose beginning has been read: only its content tells how large a gzip file is.
 */
async function measured(
  sources: readonly InputSource[],
): Promise<{ readonly isSmall: boolean; readonly sources: readonly InputSource[] }> {
  const opened: InputSource[] = [];
  let room = MAX_GATHERED_BYTES;
  for (const { name, open } of sources) {
    const given = await open();
    const { start, source } = await beginning(given, given.isFile ? room + 1 : 0);
    room -= given.isFile ? start.length : room + 1;
    opened.push({ name, open: async () => source });
    if (room < 0) break;
  }
  return { isSmall: room >= 0, sources: [...opened, ...sources.slice(opened.length)] };
}

function stepColumns(config: CsvConfig): StepColumns {
  const { features, dateFormat } = columnsOf(config);
  return { columns: features, dateFormat };
}

/** True for the vectors of whole words at each step. */
function readsWhole({ embedding, suffix, isStatic }: Feature): boolean {
  return embedding !== undefined && suffix === undefined && !isStatic;
}

function columnsOf(config: CsvConfig) {
  const { kind, level, target_kind, sequence, id, delimiter, date_format, target } = config;
  const features = featuresOf(config);
  const named = (name: string, ...path: (string | number)[]) => ({ name, keyPath: ['dataset', ...path] });
  const { group, order, per_file, blank_lines, per_step, resample } = sequence ?? {};
  const groups = blank_lines ? [BLOCK] : [group ?? []].flat();
  const time = order === undefined ? undefined : timeColumn(order, 'sequence', 'order');
  const partsOf = ({ column }: Feature) => (column === time?.name ? time.parts : undefined);
  // steps of several rows have no text
  const symbol = resample ? -1 : features.findIndex(readsWhole);
  return {
    kind,
    delimiter,
    decimal: config.decimal,
    columnNames: config.column_names,
    dateFormat: date_format,
    features: features.map((feature, i) => ({
      ...columnOf(feature),
      parts: partsOf(feature),
      isSymbol: i === symbol,
    })),
    level,
    targets:
      typeof target === 'string'
        ? [named(target, 'target')]
        : target.map((name, i) => named(name, 'target', i)),
    targetKind: target_kind,
    targetLevel: config.target_level,
    // words such as None and - may be classes, and nan may be a sequence of symbols
    isTargetMissing:
      target_kind === 'sequence'
        ? (text: string) => text === ''
        : missingTest(config.missing?.markers, target_kind === 'class' ? [] : undefined),
    blankLines: blank_lines,
    group: per_file
      ? ('file' as const)
      : groups.length > 0
        ? groups.map(name => named(name, 'sequence', 'group'))
        : undefined,
    order: time,
    resample: resample && {
      ...resample,
      areValues: target_kind === 'value' && per_step === true,
      keyPath: ['dataset', 'sequence', 'resample', 'every'],
    },
    splits: splitColumns(config),
    id: id === undefined ? undefined : named(id, 'id'),
  };
}

/** @param symbolOf the symbol of a row; absent if rows have none */
function sequencesOf(
  table: TrainingTable,
  config: CsvConfig,
  symbolOf: ((rows: Rows, row: number) => string) | undefined,
): SequenceTable {
  const { sources, reader, rows } = table;
  const { level, sequence } = config;
  const size = targetsOf(config).length;
  const lengthOf = ([row, ...others]: RowList): number =>
    level === undefined ? 1 + others.length : rows.starts[row + 1] - rows.starts[row];
  const nonempty = table.lists.filter(list => lengthOf(list) > 0);
  const isLabelled = (list: RowList): boolean => list.some(row => hasTarget(rows, size, row));
  const lists = nonempty.filter(isLabelled);
  const unlabelled = nonempty.find(list => !isLabelled(list));
  const lengths = Int32Array.from(lists, lengthOf);
  const perStep = sequence?.per_step ?? false;
  const count = perStep ? lists.reduce((sum, list) => sum + list.length, 0) : lists.length;
  const targets = new Float64Array(count * size);
  let filled = 0;
  for (const list of lists)
    for (const number of rowTargets(rows, list, size, perStep)) targets[filled++] = number;
  const columns = splitColumns(config).map(({ name }) => name);
  checkSplitColumns({ ...table, lists }, columns);
  const startOf = startsOf({ ...table, lists });
  // folders of recordings often number their files alike, so equal names of files mean nothing
  const idIsPlace = sequence === undefined ? config.id === undefined : sequence.per_file;
  const ofSymbols = config.target_level && symbolTargets(rows.labels, targets, config.target_level);
  return {
    sources,
    unlabelled: nonempty.length - lists.length,
    firstUnlabelled: unlabelled && reader.idOf(rows.groups[unlabelled[0]], unlabelled),
    empty: table.lists.length - nonempty.length,
    features: reader.features(lists),
    lengths,
    targets,
    labels: rows.labels,
    ...ofSymbols,
    id: index => reader.idOf(rows.groups[lists[index][0]], lists[index]),
    ...(idIsPlace && { idIsPlace }),
    ...(symbolOf && { symbols: index => lists[index].map(row => symbolOf(rows, row)) }),
    valueIn: (column, index) =>
      rows.splitValues.texts[rows.splits[lists[index][0] * columns.length + columns.indexOf(column)]],
    ...(startOf && { startOf }),
    check(indices, mapping) {
      if (sequence !== undefined && !sequence.per_step)
        checkConstant({ ...table, lists }, targetsOf(config), indices, mapping);
    },
  };
}

/**
 * Numbers of an order are times if sequences follow each other in them; steps counted anew in each
 * sequence, or seconds since its start, are not: most sequences start before any has ended.
 */
function startsOf({ reader, rows, lists }: TrainingTable): Split['startOf'] {
  if (reader.orderedBy === undefined) return undefined;
  const startOf = (index: number): number => rows.keys[lists[index][0]];
  const [firstEnd] = Float64Array.from(lists, list => rows.keys[list[list.length - 1]]).sort();
  const later = lists.filter((_, index) => startOf(index) > firstEnd).length;
  return reader.orderedBy === 'times' || 2 * later >= lists.length ? startOf : undefined;
}

/** @param codes of the texts of the targets */
function symbolTargets(
  { texts }: LabelCodes,
  codes: Float64Array,
  level: TextLevel,
): Pick<SequenceTable, 'targets' | 'targetLengths' | 'labels'> {
  const labels = new LabelCodes();
  const symbols = texts.map(text => Array.from(symbolsOf(text, level), symbol => labels.code(symbol)));
  const lists = Array.from(codes, code => symbols[code]);
  return { targets: Float64Array.from(lists.flat()), targetLengths: lists.map(list => list.length), labels };
}

/** A sequence is in one split, so a column that divides the data has one value in its rows. */
function checkSplitColumns({ rows, lists, reader }: TrainingTable, columns: readonly string[]): void {
  const { splits, splitValues } = rows;
  const problems = columns.flatMap((columnName, k) => {
    const codeOf = (row: number) => splits[row * columns.length + k];
    const found = lists.flatMap(([first, ...others]) => {
      const row = others.find(other => codeOf(other) !== codeOf(first));
      return row === undefined ? [] : [[first, row] as const];
    });
    if (found.length === 0) return [];
    const [[first, row]] = found;
    const place = rows.place(row);
    const alike = othersAlike(found.length);
    const problem = {
      code: 'data/csv-split-column',
      message: `the rows${reader.ownerOf(rows.groups[first])} have different values, so they are not in one split${alike}`,
      ...place,
      columnName,
      expected: `${splitValues.texts[codeOf(first)]}, as in ${rowName(rows.place(first), place)}`,
      got: splitValues.texts[codeOf(row)],
    };
    return [problem];
  });
  if (problems.length > 0) throw damagedErrors(problems);
}

function checkConstant(
  table: TrainingTable,
  names: readonly string[],
  indices: Uint32Array,
  mapping: ClassMapping | undefined,
): void {
  const { rows, lists, reader } = table;
  const { targets, labels } = rows;
  const classes = mapping && classesByCode(labels, mapping);
  const targetOf = (at: number): number => (classes ? classes[targets[at]] : targets[at]);
  const words = (at: number): string =>
    classes ? labels.texts[targets[at]] : String(shortestDecimal(targets[at]));
  const size = names.length;
  const found = Array.from(indices).flatMap(index => {
    const list = lists[index].filter(row => hasTarget(rows, size, row));
    const owner = reader.ownerOf(rows.groups[list[0]]);
    return changingTarget({ rows, list, owner }, names, targetOf, words) ?? [];
  });
  if (found.length === 0) return;
  const suggestion = classes && { suggestion: 'dataset.sequence.per_step: true' };
  const message = `${found[0].message}${othersAlike(found.length)}`;
  throw damagedErrors([{ ...found[0], ...suggestion, message }]);
}

/** How many more sequences have the same problem, for the end of a message. */
function othersAlike(count: number): string {
  return count === 1 ? '' : ` (as have those of ${counted(count - 1, 'other sequence')})`;
}
