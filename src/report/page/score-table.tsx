/** The scores of each class or label, or the errors of each target. */
import type { ScoresReport } from '../document.js';
import { Scroll, Section, Value } from './base.js';
import { words } from './format.js';

/** More rows than anyone reads are left to the file. */
const MAX_ROWS = 100;

export function ScoreTable({ scores, place }: { readonly scores: ScoresReport; readonly place: string }) {
  const { of, columns, rows } = scores;
  const more = rows.length > MAX_ROWS ? `; the first ${MAX_ROWS} of ${rows.length}` : '';
  return (
    <Section title={`Each ${of}`} note={`${place}${more}.`}>
      <Scroll label={`Scores of each ${of}, a table`}>
        <table class="numbers" data-scores={of}>
          <thead>
            <tr>
              <th scope="col">{of}</th>
              {columns.map(column => (
                <th key={column} scope="col">
                  {words(column)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, MAX_ROWS).map(({ name, values }, i) => (
              <tr key={`${i} ${name}`}>
                <th scope="row">{name}</th>
                {values.map((value, k) => (
                  <td key={columns[k]}>
                    <Value metric={`score.${columns[k]}`} value={value} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}
