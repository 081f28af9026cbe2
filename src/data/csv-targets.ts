/** Converts the target columns of a table to the targets of its sequences. */
import { shortestDecimal } from '../util/decimals.js';
import type { Diagnostic } from '../util/errors.js';
import { IGNORED, type Targets } from './core/dataset.js';
import { type ClassMapping, classesByCode, type LabelTexts } from './core/label-texts.js';
import { Problems } from './core/problems.js';
import type { CsvTable } from './csv-table.js';
import { rowName } from './formats/tables.js';
import { ownerOf, type RowList, rowsName } from './row-order.js';

export function labelTexts(table: CsvTable): LabelTexts {
  const { sources, labels, targets } = table;
  return { file: sources[0].name, labels, placeOf: code => table.place(targets.indexOf(code), 'target') };
}

/**
 * Returns the targets of the sequences `lists`: classes with a `mapping`, else values; one per step
 * with `steps` (T), else one per sequence.
 * @throws UserError (exit 5) if the rows of a sequence differ in a target that is not per step,
 *   with the first such row of each sequence
 */
export function sequenceTargets(
  table: CsvTable,
  lists: readonly RowList[],
  mapping: ClassMapping | undefined,
  steps: number | undefined,
): Targets {
  const classOfCode = mapping && classesByCode(labelTexts(table), mapping);
  if (steps === undefined)
    checkConstant(table, lists, at => (classOfCode ? classOfCode[table.targets[at]] : table.targets[at]));
  if (mapping === undefined && steps !== undefined) {
    const size = table.targetNames.length;
    const values = new Float32Array(lists.length * steps * size).fill(Number.NaN);
    lists.forEach((list, i) => {
      list.forEach((row, step) => {
        for (let k = 0; k < size; k++) values[(i * steps + step) * size + k] = table.targets[row * size + k];
      });
    });
    return { kind: 'value', size, values, perStep: true };
  }
  if (mapping === undefined) {
    const size = table.targetNames.length;
    const values = new Float32Array(lists.length * size);
    lists.forEach(([row], i) => {
      for (let k = 0; k < size; k++) values[i * size + k] = table.targets[row * size + k];
    });
    return { kind: 'value', size, values };
  }
  const numClasses = mapping.labels.length;
  const classOf = (row: number): number => classOfCode?.[table.targets[row]] ?? IGNORED;
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

/** @param targetOf number or class of a cell of the targets */
function checkConstant(table: CsvTable, lists: readonly RowList[], targetOf: (at: number) => number): void {
  const problems = new Problems();
  for (const list of lists) {
    const place = differingTarget(table, list, targetOf);
    if (place === undefined) continue;
    problems.add(differs(table, list[0], place));
    if (problems.full) break;
  }
  problems.throwIfAny();
}

/**
 * Finds the first target of a group that differs from its first row's; undefined if there is none.
 */
function differingTarget(
  { targetNames: { length: size } }: CsvTable,
  [first, ...others]: RowList,
  targetOf: (at: number) => number,
): { readonly row: number; readonly target: number } | undefined {
  for (const row of others) {
    for (let target = 0; target < size; target++) {
      if (targetOf(row * size + target) !== targetOf(first * size + target)) return { row, target };
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
    return isClass ? labels[value] : String(shortestDecimal(value));
  };
  const place = table.place(row, 'target', target);
  return {
    code: 'data/csv-target',
    message: `the rows of ${rowsName(ownerOf(table, row))} have different targets`,
    ...place,
    expected: `${words(first)}, as in ${rowName(table.place(first, 'target', target), place)}`,
    got: words(row),
    suggestion: isClass ? 'dataset.sequence.per_step: true' : undefined,
  };
}
