/** Predictions of single sequences: scores, confusion matrix, worst mistakes. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { formatMetric, grouped, words } from '../../util/numbers.js';
import type { Measured, RunReport } from '../run-report.js';
import { type Column, Section, Table, TableSection, Toggle, Value } from './components.js';
import { Plot } from './plot.js';
import { measuredScale } from './scales.js';

type EvaluationReport = NonNullable<RunReport['evaluation']>;
type ClassesReport = NonNullable<EvaluationReport['classes']>;
type ValuesReport = NonNullable<EvaluationReport['values']>;
type Mistake = ClassesReport['mistakes'][number];

export function EvaluationView({ evaluation }: { readonly evaluation: EvaluationReport }) {
  const { split, epoch, step, classes, values, scores } = evaluation;
  const where = [`${split} split`, epoch !== null && `epoch ${epoch}`, step !== null && `step ${step}`];
  const place = where.filter(Boolean).join(', ');
  return (
    <>
      {classes !== null && <Confusion classes={classes} place={place} />}
      {classes !== null && <Mistakes classes={classes} place={place} />}
      {values !== null && <TrueAndPredicted values={values} place={place} />}
      {scores !== null && (
        <MeasuredTable
          title={`Each ${scores.of}`}
          note={`${place}.`}
          of={scores.of}
          columns={scores.columns}
          format="test."
          rows={scores.rows}
        />
      )}
    </>
  );
}

interface MeasuredTableProps {
  readonly title: string;
  readonly note: string;
  readonly of: string;
  readonly columns: readonly string[];
  readonly format?: string;
  readonly rows: readonly { readonly name: string; readonly values: readonly Measured[] }[];
}

export function MeasuredTable({ title, note, of, columns, format = '', rows }: MeasuredTableProps) {
  return (
    <TableSection
      title={title}
      note={note}
      columns={[
        { name: of, isText: true, show: row => row.name },
        ...columns.map(
          (column, k): Column<MeasuredTableProps['rows'][number]> => ({
            name: column,
            title: words(column),
            show: ({ values }) => <Value metric={format + column} value={values[k]} />,
          }),
        ),
      ]}
      rows={rows}
      most={100}
    />
  );
}

interface OfClasses {
  readonly classes: ClassesReport;
  readonly place: string;
}

function Confusion({ classes: { names, undecided, confusion: counts }, place }: OfClasses) {
  const [isShares, setShares] = useState(false);
  if (counts === null) return null;
  const totals = counts.map(sum);
  const predictions = sum(totals) + undecided;
  const right = sum(counts.map((row, i) => row[i]));
  const shareOf = (row: number, k: number) => (totals[row] === 0 ? 0 : counts[row][k] / totals[row]);
  const cell = (row: number, k: number) => {
    const [count, share] = [counts[row][k], shareOf(row, k)];
    if (count === 0) return <span class="none">{isShares ? '0.0' : 0}</span>;
    // errors of a good model are rare: their shade grows with the root
    const depth = row === k ? 0.2 + 0.35 * share : Math.min(0.75, 0.06 + 1.2 * Math.sqrt(share));
    return (
      <span class={row === k ? 'right' : 'wrong'} style={{ '--depth': `${(100 * depth).toFixed(1)}%` }}>
        {isShares ? (100 * share).toFixed(1) : count}
      </span>
    );
  };
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
      <Table
        label="Confusion matrix"
        kind="confusion"
        caption={<caption class="hidden">Counts of predicted classes (columns) by true class (rows)</caption>}
        columns={[
          { name: 'true class', show: row => names[row] },
          ...names.map((name, k): Column<number> => ({ name, show: row => cell(row, k) })),
          {
            name: 'recall',
            show: row => (totals[row] === 0 ? '–' : `${(100 * shareOf(row, row)).toFixed(1)} %`),
          },
        ]}
        rows={counts.map((_, row) => row)}
      />
    </Section>
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function TrueAndPredicted({ values, place }: { readonly values: ValuesReport; readonly place: string }) {
  const { names, pairs, worst } = values;
  const titles = pairs.map((_, k) => names?.[k] ?? (pairs.length > 1 ? `target ${k}` : ''));
  const suffix = (k: number) => (titles[k] === '' ? '' : `, ${titles[k]}`);
  const each = pairs.length > 1 ? ` of each of the first ${pairs.length} targets` : '';
  const note = pairs.length === 0 ? '' : `${pairs[0].length} pairs${each}; on the line both are equal; `;
  const order = names === null || names.length < 2 ? '' : ` (${names.join(', ')})`;
  return (
    <Section title="True and predicted" note={`${note}${place}.`}>
      {pairs.map((ofTarget, k) => {
        const scale = measuredScale(ofTarget.flat());
        return (
          <div key={titles[k]} class="square">
            <Plot
              label={`${ofTarget.length} pairs of a true value and its prediction${suffix(k)}`}
              x={{ title: `true${suffix(k)}`, scale }}
              y={{ title: `predicted${suffix(k)}`, scale }}
              height={width => width}
              points={ofTarget.map(([x, y], i) => ({ id: i, x, y, className: 'completed' }))}
            >
              {({ left, bottom, right, top }) => (
                <line class="diagonal" x1={left} y1={bottom} x2={right} y2={top} />
              )}
            </Plot>
          </div>
        );
      })}
      {worst.length > 0 && (
        <Table
          label="Worst predictions, a table"
          caption={<caption>Furthest apart</caption>}
          columns={[
            { name: 'sequence', show: ({ index, id }) => id ?? index },
            { name: 'true', title: `true${order}`, show: ({ target }) => listed(target) },
            { name: 'predicted', title: `predicted${order}`, show: ({ prediction }) => listed(prediction) },
            {
              name: 'absolute error',
              show: ({ absolute_error: error }) => <Value metric="error" value={error} />,
            },
          ]}
          rows={worst}
        />
      )}
    </Section>
  );
}

function listed(values: readonly Measured[]): string {
  return values.map(value => formatMetric('value', value)).join(', ');
}

function Mistakes({ classes, place }: OfClasses) {
  const { mistakes, images, names } = classes;
  const perStep = mistakes.some(({ step_in_sequence: step }) => step !== null);
  const columns: readonly (Column<Mistake> | false | null)[] = [
    { name: 'sequence', show: ({ id, index }) => id ?? `#${index}` },
    images && {
      name: 'image',
      show: mistake => <MistakeImage mistake={mistake} size={images} name={names[mistake.label]} />,
    },
    perStep && { name: 'step', show: ({ step_in_sequence: at }) => at },
    { name: 'true', isText: true, show: ({ label }) => names[label] },
    {
      name: 'predicted',
      isText: true,
      show: ({ predicted }) => (predicted === null ? 'none' : names[predicted]),
    },
    { name: 'probability', show: ({ probability }) => percent(probability) },
    { name: 'of the true one', show: mistake => percent(mistake.label_probability) },
  ];
  return (
    <TableSection
      title="Worst mistakes"
      note={`Sorted by loss, with the probability of the predicted class; ${place}.`}
      kind="numbers mistakes"
      columns={columns.filter(column => !!column)}
      rows={mistakes}
    />
  );
}

interface MistakeImageProps {
  readonly mistake: Mistake;
  readonly size: { readonly width: number; readonly height: number };
  readonly name: string;
}

function MistakeImage({ mistake, size: { width, height }, name }: MistakeImageProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context || mistake.image === null) return;
    const image = context.createImageData(width, height);
    const bytes = atob(mistake.image);
    for (let i = 0; i < Math.min(bytes.length, width * height); i++) {
      const grey = bytes.charCodeAt(i);
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }, [mistake, width, height]);
  return (
    <canvas
      ref={canvas}
      width={width}
      height={height}
      role="img"
      aria-label={`Sequence ${mistake.id ?? mistake.index} of the split, a ${name}`}
    />
  );
}

function percent(share: number | null): string {
  if (share === null) return '–';
  // a nearly certain mistake must not look certain
  return share > 0.99995 && share < 1 ? '> 99.99 %' : `${(100 * share).toFixed(2)} %`;
}
