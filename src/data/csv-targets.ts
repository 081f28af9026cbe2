/** From the target column of a table to the targets of its sequences. */
import { type Diagnostic, damagedError } from '../errors.js';
import { groupOf, type RowList } from './csv-order.js';
import { type CsvTable, NUMBER } from './csv-table.js';
import { IGNORED, type Targets } from './dataset.js';
import type { LabelFacts, PlacedLabel } from './labels.js';
import { MAX_CLASSES } from './limits.js';
import { Problems } from './problems.js';

export interface ClassMapping {
  /** Label text of each class. */
  readonly labels: readonly string[];
  /** Class of a label text. */
  readonly classes: ReadonlyMap<string, number>;
}

/**
 * Classes of all labels but those `ignored` of the tables, in sorted order: by value where all are
 * numbers, else by UTF-16 code units.
 * @throws UserError exit 5 where no label is left or there are too many.
 */
export function classMapping(tables: readonly CsvTable[], ignored: ReadonlySet<string>): ClassMapping {
  const all = new Set(tables.flatMap(table => table.labels));
  const labels = [...all].filter(label => !ignored.has(label)).sort();
  if (labels.every(label => NUMBER.test(label))) labels.sort((a, b) => Number(a) - Number(b));
  if (labels.length === 0 || labels.length > MAX_CLASSES) {
    throw damagedError({
      code: 'data/label-range',
      message:
        labels.length === 0 ? 'the target column has ignored labels only' : 'there are too many classes',
      file: tables[0].source.name,
      expected: `1 to ${MAX_CLASSES} different labels`,
      got: String(labels.length),
      suggestion: labels.length === 0 ? undefined : 'dataset.target_kind: value',
    });
  }
  return {
    labels,
    classes: new Map(labels.map((label, i) => [label, i])),
  };
}

/**
 * Labels are texts, so there is no gap between them; only another table may have one that the
 * training table has not.
 */
export function csvLabelFacts(
  [train, ...others]: readonly CsvTable[],
  ignored: ReadonlySet<string>,
): LabelFacts {
  const known = new Set([...train.labels, ...ignored]);
  const trainClasses = train.labels.filter(label => !ignored.has(label)).length;
  const foreign = others.map(table => foreignLabel(table, known)).find(label => label !== undefined);
  return { trainClasses, ...(foreign && { foreign }) };
}

function foreignLabel(table: CsvTable, known: ReadonlySet<string>): PlacedLabel | undefined {
  const code = table.labels.findIndex(label => !known.has(label));
  if (code < 0) return undefined;
  const place = table.place(table.targets.indexOf(code), 'target');
  return { name: 'the label', value: JSON.stringify(table.labels[code]), place };
}

/**
 * The targets of the sequences `lists`: classes with a `mapping`, else numbers; one per step with
 * `steps` (T), else one per sequence.
 * @throws UserError exit 5 at the first row of each sequence whose target differs from the others.
 */
export function sequenceTargets(
  table: CsvTable,
  lists: readonly RowList[],
  mapping: ClassMapping | undefined,
  steps: number | undefined,
): Targets {
  if (steps === undefined) checkConstant(table, lists);
  if (mapping === undefined) {
    const size = table.targetNames.length;
    const values = new Float32Array(lists.length * size);
    lists.forEach(([row], i) => {
      for (let k = 0; k < size; k++) values[i * size + k] = table.targets[row * size + k];
    });
    return { kind: 'value', size, values };
  }
  const numClasses = mapping.labels.length;
  const classOfCode = table.labels.map(label => mapping.classes.get(label) ?? IGNORED);
  const classOf = (row: number): number => classOfCode[table.targets[row]];
  if (steps === undefined) {
    return {
      kind: 'class',
      numClasses,
      values: Int32Array.from(lists, list => classOf(list[0])),
      perStep: false,
    };
  }
  const values = new Int32Array(lists.length * steps).fill(IGNORED);
  lists.forEach((list, i) => {
    list.forEach((row, step) => {
      values[i * steps + step] = classOf(row);
    });
  });
  return { kind: 'class', numClasses, values, perStep: true };
}

function checkConstant(table: CsvTable, lists: readonly RowList[]): void {
  const problems = new Problems();
  for (const list of lists) {
    const place = differingTarget(table, list);
    if (place === undefined) continue;
    problems.add(differs(table, list[0], place));
    if (problems.full) break;
  }
  problems.throwIfAny();
}

/** The first target of a group that is not that of the group's first row. */
function differingTarget(
  { targets, targetNames: { length: size } }: CsvTable,
  [first, ...others]: RowList,
): { readonly row: number; readonly target: number } | undefined {
  for (const row of others) {
    for (let target = 0; target < size; target++) {
      if (targets[row * size + target] !== targets[first * size + target]) return { row, target };
    }
  }
  return undefined;
}

function differs(
  table: CsvTable,
  first: number,
  { row, target }: { readonly row: number; readonly target: number },
): Diagnostic {
  const { targets, targetNames, labels } = table;
  const isClass = labels.length > 0;
  const words = (at: number): string => {
    const value = targets[at * targetNames.length + target];
    return isClass ? labels[value] : String(value);
  };
  return {
    code: 'data/csv-target',
    message: `the rows of group ${JSON.stringify(groupOf(table, row))} have different targets`,
    ...table.place(row, 'target', target),
    expected: `${words(first)}, as in line ${table.place(first, 'target', target).line}`,
    got: words(row),
    suggestion: isClass ? 'dataset.sequence.per_step: true' : undefined,
  };
}
