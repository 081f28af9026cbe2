/**
 * Reads the columns of tables that a config names, and makes sequences of their rows: those of a
 * group, sorted by the order column, or each row by itself. Training and prediction differ in
 * `purpose` only: whether all problems are reported together or refuse their sequence, and whether
 * the targets are read.
 */
import { type Diagnostic, damagedErrors, EXIT, UserError } from '../../util/errors.js';
import { shortestDecimal } from '../../util/numbers.js';
import { badDate, badNumber, cellNumber, isMissing, missingCell, orderKey } from '../core/cells.js';
import type { CellProblem, CellReader } from '../core/columns.js';
import type { ReadSequence } from '../core/dataset.js';
import {
  cellReaders,
  dateTexts,
  ElapsedTimes,
  elapsedNumbers,
  hasCategories,
  isHole,
  isNumberCell,
  numbersOf,
  staticNumbers,
  UNKNOWN_CATEGORY,
  UnknownCategories,
} from '../core/feature-columns.js';
import { joinedGroup } from '../core/held-out.js';
import { type TargetWarning, targetArray, UnknownClass } from '../core/labels.js';
import { CellProblems, configError, Problems } from '../core/problems.js';
import { symbolsOf, UnknownSymbol } from '../core/vocabulary.js';
import type { ParquetColumn } from '../formats/parquet.js';
import type { RowPlace, TableHandlers, TableRecord } from '../formats/table-records.js';
import type { ReadTable } from '../formats/tables.js';
import { type ByteSource, type InputSource, placeNames } from '../reading/byte-sources.js';
import { shortNames } from '../reading/files.js';
import {
  ABSENT,
  columnIndices,
  FILLED,
  type FirstOrder,
  groupColumns,
  mixedOrder,
  NO_COLUMNS,
  namedColumns,
  repeatedHeader,
  type TableColumns,
  type TableResampling,
  type TargetReader,
  withTime,
} from './columns.js';
import { emptyStep, Resampler, tooManySteps, wrongInterval } from './resampling.js';
import {
  changingStatic,
  changingTarget,
  comesBack,
  hasTarget,
  MAX_NUMBERS,
  type RowList,
  Rows,
  sameOrder,
  targetsOf,
  tooLong,
} from './rows.js';

/** Maximum number of groups whose return is noticed; their names take about 50 MiB. */
const MAX_ENDED = 2 ** 19;

/** Makes sequences of the rows of an input. */
export class TableReader implements TableHandlers {
  rows: Rows;
  private indices = NO_COLUMNS;
  private parquet: readonly ParquetColumn[] = [];
  private headerRow: RowPlace | undefined;
  private done: ReadSequence[] = [];
  /** Groups of a stream that are complete. */
  private readonly ended = new Set<string>();
  private latest: string | undefined;
  /** Number of the latest row's group. */
  private latestKey: number | undefined;
  /** Problems of the latest rows, if they have no group. */
  private strays = new Problems();
  /** True if the group `latest` is too long to predict. */
  private isOver = false;
  private firstOrder: FirstOrder | undefined;
  /** Returns a date in ISO 8601; undefined if it is in another format. */
  private readonly isoDate: (text: string) => string | undefined;
  /** Invalid cells, before training. */
  private readonly badCells = new CellProblems();
  private readonly unknowns = new UnknownCategories();
  /** Group of all rows of the file; undefined if a column has it. */
  private recording: string | undefined;
  private readonly readers: readonly (CellReader | undefined)[];
  /** The numbers of a step that are times, until their sequence is known. */
  private readonly times: readonly number[];
  /** The numbers of a step that a sequence has once. */
  private readonly statics: readonly number[];
  private readonly resampler: Resampler | undefined;
  private readonly nameOf: (place: RowPlace) => string;
  private readonly recordings: ReadonlyMap<string, string>;
  private readonly isTraining: boolean;

  /**
   * @param sources all files
   * @param isGathered true if the rows of a group may be anywhere
   */
  constructor(
    private readonly columns: TableColumns,
    private readonly sources: readonly InputSource[],
    private readonly isGathered: boolean,
  ) {
    const files = sources.map(({ name }) => name);
    this.nameOf = placeNames(files);
    this.recordings = shortNames(files);
    this.isTraining = columns.purpose === 'train';
    this.readers = cellReaders(columns.features, columns);
    this.times = elapsedNumbers(columns.features);
    this.statics = staticNumbers(columns.features);
    const { resample, features, targets, order } = columns;
    const { areValues = false } = resample ?? {};
    const resampled = { features, targets: targets.length, areValues, order: order?.name ?? '' };
    this.resampler = resample && new Resampler(resample, resampled);
    this.rows = this.noRows();
    if (columns.group === 'table') this.recording = '';
    this.isoDate = dateTexts(columns.dateFormat);
  }

  /**
   * Reads all files. Yields when sequences may be complete.
   * @param readTable given, since exported modules have no files
   */
  async *read(readTable: ReadTable): AsyncGenerator<void> {
    for (const source of this.sources) yield* this.readFile(await source.open(), readTable);
  }

  /** A damaged file is a problem of its own if there are others to report or to predict. */
  private async *readFile(source: ByteSource, readTable: ReadTable): AsyncGenerator<void> {
    const { group } = this.columns;
    this.recording = group === 'file' ? this.recordings.get(source.name) : group === 'table' ? '' : undefined;
    const firstRow = this.rows.count;
    const key = this.recording === undefined ? 0 : this.rows.groupNames.code(this.recording);
    const isAlone = this.isTraining || group === 'file';
    try {
      yield* readTable(source, this, this.columns);
      if (isAlone && this.rows.count === firstRow && !this.rows.problems.has(key))
        this.complain(key, () => {
          return { code: 'data/csv-empty', message: 'the file has a header but no rows', file: source.name };
        });
    } catch (error) {
      const isDamage = error instanceof UserError && error.exitCode === EXIT.damaged;
      if (!isAlone || !isDamage) {
        // sequences before the error are predicted, however the input is split
        yield;
        throw error;
      }
      for (const problem of error.diagnostics) this.complain(key, () => problem);
    }
    if (group === 'file' && !this.isTraining) this.emit();
  }

  get wanted(): readonly string[] {
    return [...namedColumns(this.columns).map(({ name }) => name), ...(this.columns.order?.parts ?? [])];
  }

  header(record: TableRecord, columns: readonly ParquetColumn[] = []): void {
    this.headerRow = record.row;
    this.parquet = columns;
    this.indices = columnIndices(record, this.columns);
  }

  add(given: TableRecord): void {
    // spreadsheets end in such rows; in the order of the file, one is a step without values
    const hasPlace = typeof this.columns.group !== 'string' || this.columns.order !== undefined;
    if (hasPlace && given.fields.every(field => field.trim() === '')) return;
    const record = withTime(given, this.indices.parts);
    const { fields } = record;
    const { features, targets, group, order, splits, id } = this.indices;
    const nameless = group.find(column => isMissing(fields[column].trim()));
    if (nameless !== undefined) {
      this.stray(missingCell(fields[nameless].trim(), record.place(nameless)));
      return;
    }
    const name = this.groupOf(fields);
    const key = this.keyOf(name, () => record.place(group[0]));
    if (this.isOver) return;
    const { rows } = this;
    // a cell may be read several times, as a time and as features of it
    const told = new Set<number>();
    const check = (column: number, problem: CellProblem | undefined): void => {
      if (problem && this.isTraining)
        this.badCells.add(this.indices.names[column], rows.count, problem({}), () =>
          problem(record.place(column)),
        );
      else if (problem && !told.has(column)) this.complain(key, () => problem(record.place(column)));
      if (problem) told.add(column);
    };
    for (let i = 0; i < features.length; i++) {
      const text = fields[features[i]].trim();
      const problem = this.addFeature(text, i);
      if (problem && text === this.columns.features[i].name && this.columns.symbol === undefined) {
        rows.features.truncate(rows.starts[rows.count]);
        this.ragged(record, repeatedHeader(record.place(0), this.headerRow));
        return;
      }
      check(features[i], problem);
      const column = this.columns.features[i];
      const at = rows.features.size - 1;
      if (this.isTraining || !hasCategories(column) || rows.features.at(at) !== UNKNOWN_CATEGORY) continue;
      // another row may have the value of the sequence
      if (column.isStatic && isHole(column, text)) rows.features.set(at, Number.NaN);
      else
        rows.warn(
          key,
          this.unknowns.warning(column, text, () => record.place(features[i])),
        );
    }
    for (const column of targets) check(column, this.addTarget(fields[column].trim(), column, record));
    if (order !== ABSENT) check(order, this.addOrder(fields[order].trim(), record));
    for (const column of splits) check(column, this.addSplit(fields[column].trim(), column));
    if (id !== ABSENT) rows.ids.push(fields[id].trim());
    if (name !== undefined) rows.groups.push(key);
    rows.end(record.row);
    if (this.isTraining || this.columns.isPartlyRead || rows.features.size <= MAX_NUMBERS) return;
    this.complain(key, () => tooLong(this.ownerOf(key), record.row));
    this.isOver = true;
  }

  /** Reports a row with the wrong number of fields: its sequence lacks a step. */
  ragged({ fields }: TableRecord, problem: Diagnostic): void {
    const name = this.groupOf(fields);
    const isNameless = this.indices.group.some(column => isMissing(fields[column]?.trim() ?? ''));
    if (name === undefined || isNameless) this.stray(problem);
    else {
      const key = this.keyOf(name, () => problem);
      this.complain(key, () => problem);
    }
  }

  /** Returns the sequences completed since the last call. */
  take(): readonly ReadSequence[] {
    if (this.columns.group === undefined) this.emit();
    const { done } = this;
    this.done = [];
    return done;
  }

  end(): void {
    const { strays, latestKey } = this;
    if (latestKey === undefined && strays.all.length > 0) this.done.push({ problems: strays.all });
    this.emit();
  }

  /** The rows of each sequence, in the order of their groups. */
  lists(): RowList[] {
    const { rows } = this;
    if (this.columns.group === undefined) return Array.from({ length: rows.count }, (_, row) => [row]);
    const lists = rows.groupNames.texts.map((): number[] => []);
    rows.groups.forEach((group, row) => {
      lists[group].push(row);
    });
    for (const [key, list] of lists.entries()) {
      this.sort(key, list);
      this.unify(key, list);
      if (this.resampler) lists[key] = this.resampled(key, list, this.resampler);
    }
    return lists;
  }

  /** The rows of the steps at regular times that the rows of a sequence become. */
  private resampled(key: number, list: number[], resampler: Resampler): number[] {
    const { rows, firstOrder, isTraining } = this;
    if (firstOrder === undefined || rows.problems.has(isTraining ? 0 : key)) return list;
    const { every, keyPath } = this.columns.resample as TableResampling;
    const isWrong = firstOrder.numeric !== (typeof every === 'number');
    if (isWrong && isTraining) throw configError({ ...wrongInterval(every), keyPath });
    if (isWrong || resampler.isTooLong(rows, list)) {
      const problem = isWrong ? wrongInterval(every) : tooManySteps(this.ownerOf(key));
      this.complain(key, () => ({ ...problem, ...rows.place(list[0]) }));
      return list;
    }
    const steps = resampler.steps(rows, list);
    for (const row of steps) this.checkStep(key, row);
    return steps;
  }

  /** Reports the features that no row of a step has. */
  private checkStep(key: number, row: number): void {
    const { features, isPartlyRead } = this.columns;
    const { rows } = this;
    for (const [i, { column, isFirst }] of numbersOf(features).entries()) {
      const { name, isFilled, encode } = features[column];
      const at = rows.starts[row] + i;
      if (isFilled || hasCategories({ encode }) || !isFirst || !Number.isNaN(rows.features.at(at))) continue;
      const problem = (place: Partial<Diagnostic>) =>
        emptyStep(rows.order[row], { ...place, columnName: name });
      // the last steps of series to forecast may lack their values
      if (isPartlyRead) rows.texts.set(at, '');
      else if (this.isTraining) this.badCells.add(name, row, problem({}), () => problem(rows.place(row)));
      else this.complain(key, () => problem(rows.place(row)));
    }
  }

  /** Sorts the rows of a sequence by the order column, if there is one. */
  private sort(key: number, list: number[]): void {
    const { rows, firstOrder, resampler } = this;
    const equal = rows.sort(list, firstOrder?.numeric === true);
    if (equal === undefined || resampler) return;
    const places = () => [rows.place(equal[0]), rows.place(equal[1])] as const;
    const column = this.columns.order?.name ?? '';
    this.complain(key, () => sameOrder(this.ownerOf(key), column, rows.order[equal[1]], places()));
  }

  /** Repeats the static values of a sequence in all its rows. */
  private unify(key: number, list: RowList): void {
    const { rows } = this;
    const { features, category } = this.columns;
    for (const number of this.statics) {
      const index = numbersOf(features)[number].column;
      const column = features[index];
      const places = rows.unify(list, number)?.map(row => rows.place(row));
      if (places) this.complain(key, () => changingStatic(this.ownerOf(key), column.name, places));
      const isMissing = Number.isNaN(rows.numberAt(list[0], number));
      if (!isMissing || !hasCategories(column) || category?.(index, '') !== UNKNOWN_CATEGORY) continue;
      const place = () => ({ ...rows.place(list[0]), columnName: column.name });
      rows.warn(key, this.unknowns.warning(column, '', place));
    }
  }

  /** What steps are ordered by; undefined if by their places in the file. */
  get orderedBy(): 'times' | 'numbers' | undefined {
    return this.firstOrder && (this.firstOrder.numeric ? 'numbers' : 'times');
  }

  /** The numbers of the steps of sequences, one after another. */
  features(lists: readonly RowList[]): Float32Array {
    const { times } = this;
    const values = this.rows.values(lists.flat());
    if (values instanceof Float32Array) return values;
    const elapsed = new ElapsedTimes(times);
    const width = values.length / lists.reduce((sum, { length }) => sum + length, 0);
    let at = 0;
    for (const list of lists) {
      elapsed.restart();
      for (let i = 0; i < list.length; i++, at += width) elapsed.step(values, at);
    }
    return Float32Array.from(values);
  }

  idOf(key: number, [row]: RowList): string {
    const { rows } = this;
    if (this.columns.group !== undefined) return rows.groupNames.texts[key];
    return rows.ids[row] || this.nameOf(rows.place(row));
  }

  /** ` of group "a"`; empty if the table is one sequence. */
  ownerOf(key: number): string {
    const { group, groupWord = group === 'file' ? 'file' : 'group' } = this.columns;
    return group === 'table' ? '' : ` of ${groupWord} ${JSON.stringify(this.rows.groupNames.texts[key])}`;
  }

  private groupOf(fields: readonly string[]): string | undefined {
    const { group } = this.indices;
    if (group.length === 0) return this.recording;
    return joinedGroup(group.map(column => fields[column]?.trim() ?? ''));
  }

  /** Number of the sequence that a row of group `name` belongs to. */
  private keyOf(name: string | undefined, place: () => Partial<Diagnostic>): number {
    if (name === undefined) return this.rows.count;
    const isStreamed = this.indices.group.length > 0 && !this.isGathered;
    if (isStreamed && name !== this.latest) {
      this.emit();
      // no problem of this sequence alone: an earlier prediction is wrong
      if (this.ended.has(name)) throw damagedErrors([comesBack(name, place())]);
      if (this.ended.size < MAX_ENDED) this.ended.add(name);
      this.latest = name;
    }
    const key = this.rows.groupNames.code(name);
    for (const problem of this.strays.all) if (key !== this.latestKey) this.complain(key, () => problem);
    if (this.strays.all.length > 0) this.strays = new Problems();
    this.latestKey = key;
    return key;
  }

  /** Appends the number or symbols of a cell; returns its problem if it is invalid. */
  private addFeature(text: string, index: number): CellProblem | undefined {
    const { symbol, level, isPartlyRead } = this.columns;
    const { features, texts } = this.rows;
    const column = this.columns.features[index];
    const reader = this.readers[index];
    if (reader) {
      const cell = text === '' ? text : this.textOf(text, this.indices.features[index]);
      if (column.isSymbol && !this.isTraining) texts.set(features.size, cell);
      return reader.read(cell, value => features.push(value));
    }
    if (symbol === undefined) {
      const isHole = column.isMissing?.(text) ?? false;
      const value = isHole ? undefined : cellNumber(text);
      const isValid = value !== undefined || (isHole && (column.isFilled || this.resampler !== undefined));
      // rows of the future may lack values, in training as well
      const isLater = !isValid && isPartlyRead && (isHole || !(this.isTraining || this.resampler));
      if (isLater) texts.set(features.size, text);
      features.push(value ?? Number.NaN);
      if (isValid || isLater) return undefined;
      const expected = this.isTraining ? FILLED : undefined;
      return place => (isHole ? missingCell(text, place, expected) : badNumber(text, place));
    }
    // a text without symbols has no steps, so it is neither trained on nor counted
    const isLeftOut = level !== undefined && (this.isTraining || this.columns.evaluation !== undefined);
    if (text === '') return isLeftOut ? undefined : place => missingCell(text, place);
    try {
      for (const one of level ? symbolsOf(text, level) : [text]) {
        if (!this.isTraining) texts.set(features.size, one);
        features.push(symbol(one));
      }
    } catch (error) {
      if (!(error instanceof UnknownSymbol)) throw error;
      return place => ({ ...error.problem, ...place });
    }
    return undefined;
  }

  private addTarget(text: string, column: number, record: TableRecord): CellProblem | undefined {
    const { targets, labels } = this.rows;
    const { evaluation, isTargetMissing = isMissing, targetKind } = this.columns;
    // a place for each target, also of a sequence that is refused
    const at = targets.push(Number.NaN) - 1;
    if (isTargetMissing(text)) return undefined;
    if (targetKind === 'value') {
      const value = cellNumber(text);
      if (value === undefined)
        return place => badNumber(text, place, 'a finite number, or `target_kind: class`');
      targets[at] = value;
      return undefined;
    }
    // symbols are numbered with their sequence
    const codes = targetKind === 'class' && evaluation ? evaluation.codes : labels;
    try {
      targets[at] = codes.classOf(this.textOf(text, column), () => record.place(column));
    } catch (error) {
      if (!(error instanceof UnknownClass)) throw error;
      return place => ({ ...error.problem, ...place });
    }
    return undefined;
  }

  private addSplit(text: string, column: number): CellProblem | undefined {
    this.rows.splits.push(this.rows.splitValues.code(this.textOf(text, column)));
    const isText = this.columns.level !== undefined;
    return (isText ? text === '' : isMissing(text)) ? place => missingCell(text, place) : undefined;
  }

  /** The text of a cell as CSV has it. */
  private textOf(text: string, column: number): string {
    return this.parquet[column]?.isBoolean ? String(text === '1') : text;
  }

  private addOrder(cell: string, { row }: TableRecord): CellProblem | undefined {
    const { dateFormat } = this.columns;
    const isNumber = isNumberCell(cell, dateFormat);
    const text = isNumber ? cell : this.isoDate(cell);
    const first = this.firstOrder ?? { numeric: isNumber, place: row };
    const key = text === undefined ? Number.NaN : orderKey(first.numeric)(text);
    this.rows.order.push(text ?? cell);
    this.rows.keys.push(key);
    if (isMissing(cell)) return place => missingCell(cell, place);
    if (text === undefined) return place => badDate(cell, place, dateFormat);
    if (!Number.isFinite(key)) return place => mixedOrder(text, place, first);
    this.firstOrder = first;
    return undefined;
  }

  /** @throws UserError (exit 5) if the table to train on has problems */
  throwIfAny(): void {
    const problems = new Problems();
    problems.add(...(this.rows.problems.get(0)?.all ?? []), ...this.badCells.summary(this.rows.count));
    problems.throwIfAny();
  }

  private complain(key: number, problem: () => Diagnostic): void {
    const { problems } = this.rows;
    const place = this.isTraining ? 0 : key;
    const told = problems.get(place) ?? new Problems();
    problems.set(place, told);
    if (!told.full) told.add(problem());
    else if (this.isTraining) told.throwIfAny();
  }

  /** Reports a row without a group: that before it or that after it lacks a step. */
  private stray(problem: Diagnostic): void {
    if (this.isTraining) this.complain(0, () => problem);
    else if (this.columns.isPartlyRead) this.done.push({ problems: [problem] });
    else if (groupColumns(this.columns).length === 0) {
      this.emit();
      this.done.push({ problems: [problem] });
    } else {
      this.strays.add(problem);
      if (this.latestKey !== undefined) this.complain(this.latestKey, () => problem);
    }
  }

  /** The problem of a sequence that has several targets instead of one. */
  private changingTarget(key: number, rowsOfSequence: RowList): readonly Diagnostic[] {
    const { rows } = this;
    const { evaluation, targets } = this.columns;
    if (evaluation === undefined || evaluation.perStep) return [];
    const { classNames } = evaluation;
    const list = rowsOfSequence.filter(row => hasTarget(rows, targets.length, row));
    const targetAt = (at: number) => rows.targets[at];
    const words = (at: number) => classNames[targetAt(at)] ?? String(shortestDecimal(targetAt(at)));
    const names = targets.map(({ name }) => name);
    const problem = changingTarget({ rows, list, owner: this.ownerOf(key) }, names, targetAt, words);
    return problem ? [problem] : [];
  }

  /** The symbols of the target of a row; undefined if it is missing. */
  private symbolsOf(key: number, [row]: RowList, { codes }: TargetReader): readonly number[] | undefined {
    const { rows, columns } = this;
    const text = rows.labels.texts[rows.targets[row]];
    if (columns.targetLevel === undefined || text === undefined) return undefined;
    const warn = (warning: TargetWarning) => rows.warn(key, { ...warning, ...rows.place(row) });
    return Array.from(symbolsOf(text, columns.targetLevel), symbol => codes.symbolOf(symbol, warn));
  }

  private noRows(): Rows {
    return new Rows(
      this.columns.keepsFloat64 === true || this.times.length > 0 || this.resampler !== undefined,
    );
  }

  private emit(): void {
    const lists = this.lists();
    const { columns, rows } = this;
    const hasSymbols = columns.symbol !== undefined || columns.features.some(({ isSymbol }) => isSymbol);
    for (const [key, list] of lists.entries()) {
      const id = this.idOf(key, list);
      const problems = rows.problems.get(key)?.all ?? this.changingTarget(key, list);
      if (problems.length > 0) {
        this.done.push({ problems, id });
        continue;
      }
      const values = this.features([list]);
      const reader = columns.evaluation;
      if (values.length === 0) {
        if (reader) this.done.push({ length: 0, values });
        continue;
      }
      const isSequence = columns.targetKind === 'sequence';
      const targets =
        reader &&
        (isSequence
          ? this.symbolsOf(key, list, reader)
          : targetsOf(rows, list, columns.targets.length, reader.perStep));
      const warnings = rows.warnings.get(key);
      this.done.push({
        length: columns.level === undefined ? list.length : values.length,
        values,
        id,
        ...(targets && { targets: targetArray(columns.targetKind, targets) }),
        ...(columns.order && { times: list.map(row => rows.order[row]) }),
        ...(hasSymbols && { symbols: rows.textsOf(list) }),
        ...(warnings && { warnings }),
        place: rows.place(list[0]),
      });
    }
    this.rows = this.noRows();
    this.isOver = false;
    this.latestKey = undefined;
  }
}
