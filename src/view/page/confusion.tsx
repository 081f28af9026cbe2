/** The confusion matrix as a table whose cells are shaded by their share of the row. */
import { useState } from 'preact/hooks';
import { Scroll, Section, Toggle } from './base.js';
import { grouped } from './format.js';

interface Props {
  readonly names: readonly string[];
  /** Rows are true classes. */
  readonly counts: readonly (readonly number[])[];
  /** Predictions without a class, which are in no column. */
  readonly undecided: number;
  readonly place: string;
}

export function Confusion({ names, counts, undecided, place }: Props) {
  const [isShares, setShares] = useState(false);
  const totals = counts.map(sum);
  const predictions = sum(totals) + undecided;
  const right = sum(counts.map((row, i) => row[i]));
  return (
    <Section
      title="Confusion matrix"
      note={`${grouped(right)} of ${grouped(predictions)} right; ${place}. A row is a true class, a column a predicted one.${undecided === 0 ? '' : ` ${grouped(undecided)} without a predicted class are in no column.`}`}
    >
      <div class="toolbar">
        <Toggle isOn={isShares} set={setShares}>
          shares of the row, in percent
        </Toggle>
      </div>
      <Scroll label="Confusion matrix">
        <table class="confusion">
          <caption class="hidden">Counts of predicted classes (columns) by true class (rows)</caption>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">true class</span>
              </th>
              {names.map(name => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
              <th scope="col" class="recall">
                recall
              </th>
            </tr>
          </thead>
          <tbody>
            {counts.map((row, i) => (
              <tr key={names[i]}>
                <th scope="row">{names[i]}</th>
                {row.map((count, j) => (
                  <Cell
                    key={names[j]}
                    count={count}
                    share={totals[i] === 0 ? 0 : count / totals[i]}
                    isRight={i === j}
                    isShares={isShares}
                  />
                ))}
                <td class="recall">
                  {totals[i] === 0 ? '–' : `${((100 * row[i]) / totals[i]).toFixed(1)} %`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

interface CellProps {
  readonly count: number;
  readonly share: number;
  readonly isRight: boolean;
  readonly isShares: boolean;
}

/** Errors of a good model are rare, so their shade grows with the root of the share. */
function Cell({ count, share, isRight, isShares }: CellProps) {
  const depth = isRight ? 0.2 + 0.35 * share : Math.min(0.75, 0.06 + 1.2 * Math.sqrt(share));
  return (
    <td
      class={count === 0 ? 'none' : isRight ? 'right' : 'wrong'}
      style={count === 0 ? {} : { '--depth': `${(100 * depth).toFixed(1)}%` }}
    >
      {isShares ? (100 * share).toFixed(1) : count}
    </td>
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
