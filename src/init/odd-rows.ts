/** Rows of a table that are no measurements: units below the names, totals at the end. */

import { isNumeric, missingTest } from '../data/core/cells.js';
import type { RowPlace } from '../data/formats/table-records.js';
import { damagedError } from '../util/errors.js';

const TOTAL =
  /^(?:(?:grand |sub)?totals?|sum|summe|somme|gesamt(?:summe)?|(?:arithmetic )?mean|mittel(?:wert)?|average|avg|durchschnitt|moyenne|median|std\w*|st[dn]?abw\w*|rsd)(?:[\s.:(].*)?$/i;
/** Words that are units beyond doubt. */
const UNIT = /^[[(].*[\])]$|[°%µ/]|^(?:k?g|mg|[cmk]?m|k?Pa|m?bar|m?s|min|h|m?[VA]|[kM]?Hz|k?W|N|K)$/;
/** Fewer rows tell nothing, and further ones no more. */
const [MIN_ROWS, MAX_LOOKED_AT] = [4, 1000];
const mayBeMissing = missingTest();

/**
 * @param columns their cells
 * @throws UserError (exit 5) that names the line of such a row
 */
export function refuseOddRows(columns: readonly (readonly string[])[], places: readonly RowPlace[]): void {
  if (places.length < MIN_ROWS) return;
  const isWord = (cell: string) => !mayBeMissing(cell) && !isNumeric(cell);
  const start = columns.map(column => column.slice(0, MAX_LOOKED_AT));
  const measured = start.filter(([, ...rest]) => 2 * rest.filter(isNumeric).length > rest.length);
  const words = measured.filter(([first, ...rest]) => isWord(first) && !rest.includes(first));
  const areUnits = words.length > 1 || words.some(([first]) => UNIT.test(first));
  if (areUnits && 2 * words.length >= measured.length && !measured.some(([first]) => isNumeric(first)))
    throw damagedError('init/units', 'the row below the names has words for numbers, such as units', {
      ...places[0],
      expected: 'a row of measurements: remove this one, or write the units in the names',
      got: words.map(([first]) => first).join(', '),
    });
  const isTotal = (row: number) => {
    const filled = columns.filter(column => !mayBeMissing(column[row]));
    const [named, ...others] = filled;
    if (others.length === 0 || !others.every(column => isNumeric(column[row]))) return false;
    const above = named.slice(0, row);
    if (!isWord(named[row]) || above.includes(named[row])) return false;
    const isEmpty = (column: readonly string[]) =>
      mayBeMissing(column[row]) && !column.slice(0, row).some(mayBeMissing);
    // no name like those above it
    const isOther = !/\d/.test(named[row]) && above.every(cell => /\d/.test(cell));
    return TOTAL.test(named[row]) || (isOther && columns.some(isEmpty));
  };
  const last = places.findLastIndex((_, row) => !isTotal(row));
  if (last >= MIN_ROWS - 2 && last < places.length - 1)
    throw damagedError('init/totals', 'this row seems to sum up the rows above it', {
      ...places[last + 1],
      expected: 'rows of measurements alone: remove this one and those below it',
      got: columns.map(column => column[last + 1]).find(cell => !mayBeMissing(cell)),
    });
}
