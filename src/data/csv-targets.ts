/** From the target column of a table to the targets of its sequences. */
import { groupOf, type RowList } from './csv-order.js';
import type { CsvTable } from './csv-table.js';
import { IGNORED, type Targets } from './dataset.js';
import { type ClassMapping, classesByCode, type LabelTexts } from './label-texts.js';
import { Problems } from './problems.js';

export function labelTexts(table: CsvTable): LabelTexts {
  const { source, labels, targets } = table;
  return { file: source.name, labels, placeOf: code => table.place(targets.indexOf(code), 'target') };
}

/**
 * The targets of the sequences `lists`: classes with a `mapping`, else numbers; one per step with `steps` (T), else
 * one per sequence.
 * @throws UserError exit 5 at the first row of each sequence whose target differs from the others.
 */
export function sequenceTargets(
  table: CsvTable,
  lists: readonly RowList[],
  mapping: ClassMapping | undefined,
  steps: number | undefined,
): Targets {
  if (steps === undefined) checkConstant(table, lists);
  if (mapping === undefined && steps !== undefined) {
    const values = new Float32Array(lists.length * steps).fill(Number.NaN);
    lists.forEach(
      (list, i) =>
        void values.set(
          list.map(row => table.targets[row]),
          i * steps,
        ),
    );
    return { kind: 'value', size: 1, values, perStep: true };
  }
  if (mapping === undefined) {
    return { kind: 'value', size: 1, values: Float32Array.from(lists, list => table.targets[list[0]]) };
  }
  const numClasses = mapping.labels.length;
  const classOfCode = classesByCode(labelTexts(table), mapping);
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
  const isClass = table.labels.length > 0;
  const words = (row: number): string =>
    isClass ? table.labels[table.targets[row]] : String(table.targets[row]);
  for (const list of lists) {
    const differs = list.find(row => table.targets[row] !== table.targets[list[0]]);
    if (differs === undefined) continue;
    problems.add({
      code: 'data/csv-target',
      message: `the rows of group ${JSON.stringify(groupOf(table, differs))} have different targets`,
      ...table.place(differs, 'target'),
      expected: `${words(list[0])}, as in line ${table.place(list[0], 'target').line}`,
      got: words(differs),
      suggestion: isClass ? 'dataset.sequence.per_step: true' : undefined,
    });
    if (problems.full) break;
  }
  problems.throwIfAny();
}
