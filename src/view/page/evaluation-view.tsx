/** Predictions of single sequences: scores, confusion matrix, worst mistakes. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { formatMetric, grouped, words } from '../../util/numbers.js';
import type {
  BaselineReport,
  ClassesReport,
  EvaluationReport,
  Measured,
  Metric,
  MistakeReport,
  ScoresReport,
  ValuesReport,
} from '../document.js';
import { Scroll, Section, Table, Toggle, Value } from './components.js';
import { PointPlot } from './plot.js';
import { measuredScale } from './scales.js';

export function EvaluationView({ evaluation }: { readonly evaluation: EvaluationReport }) {
  const { classes, values, scores } = evaluation;
  const where = [
    `${evaluation.split} split`,
    evaluation.epoch === null ? '' : `epoch ${evaluation.epoch}`,
    evaluation.step === null ? '' : `step ${evaluation.step}`,
  ];
  const place = where.filter(Boolean).join(', ');
  return (
    <>
      {classes?.confusion && (
        <Confusion
          names={classes.names}
          counts={classes.confusion}
          undecided={classes.undecided}
          place={place}
        />
      )}
      {classes !== null && classes.mistakes.length > 0 && <Mistakes classes={classes} place={place} />}
      {values !== null && <TrueAndPredicted values={values} place={place} />}
      {scores !== null && <ScoreTable scores={scores} place={place} />}
    </>
  );
}

/** Maximum number of rows; the file has all. */
const MAX_ROWS = 100;

/** The scores of each class or label, or the errors of each target. */
export function ScoreTable({ scores, place }: { readonly scores: ScoresReport; readonly place: string }) {
  const { of, columns, rows } = scores;
  const more = rows.length > MAX_ROWS ? `; the first ${MAX_ROWS} of ${rows.length}` : '';
  return (
    <Section title={`Each ${of}`} note={`${place}${more}.`}>
      <MeasuredTable
        label={`Scores of each ${of}`}
        of={of}
        columns={columns}
        metricOf={column => `score.${column}`}
        rows={rows.slice(0, MAX_ROWS)}
      />
    </Section>
  );
}

interface BaselineTableProps {
  readonly baselines: readonly BaselineReport[];
  /** The run's metrics, by `SPLIT.NAME`. */
  readonly metrics: readonly Metric[];
}

/** Trivial baselines beside the run's metrics. */
export function BaselineTable({ baselines, metrics }: BaselineTableProps) {
  if (baselines.length === 0) return null;
  const known = new Set(baselines.flatMap(one => one.metrics.map(({ name }) => name)));
  const columns = metrics.map(({ name }) => name).filter(name => known.has(name));
  const rows = [{ name: 'this run', metrics }, ...baselines].map(({ name, metrics: values }) => ({
    name,
    values: columns.map(column => values.find(metric => metric.name === column)?.value ?? null),
  }));
  return (
    <Section title="Trivial baselines" note="Scores of predictions that ignore the input.">
      <MeasuredTable
        label="Trivial baselines"
        of="prediction"
        columns={columns}
        metricOf={column => column}
        rows={rows}
      />
    </Section>
  );
}

interface Named {
  readonly name: string;
  readonly values: readonly Measured[];
}

interface MeasuredTableProps {
  readonly label: string;
  /** The kind of the rows. */
  readonly of: string;
  readonly columns: readonly string[];
  /** Determines the format of a column. */
  metricOf(column: string): string;
  /** Values in the order of the columns. */
  readonly rows: readonly Named[];
}

function MeasuredTable({ label, of, columns, metricOf, rows }: MeasuredTableProps) {
  return (
    <Table
      label={`${label}, a table`}
      columns={[
        { name: of, isText: true, show: row => row.name },
        ...columns.map((column, k) => ({
          name: column,
          title: words(column),
          show: ({ values }: Named) => <Value metric={metricOf(column)} value={values[k]} />,
        })),
      ]}
      rows={rows}
      keyOf={({ name }, i) => `${i} ${name}`}
    />
  );
}

interface ConfusionProps {
  readonly names: readonly string[];
  /** Rows are true classes. */
  readonly counts: readonly (readonly number[])[];
  /** Predictions without a class, which are in no column. */
  readonly undecided: number;
  readonly place: string;
}

export function Confusion({ names, counts, undecided, place }: ConfusionProps) {
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
                  <Count
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

interface CountProps {
  readonly count: number;
  readonly share: number;
  readonly isRight: boolean;
  readonly isShares: boolean;
}

/** Errors of a good model are rare, so their shade grows with the root of the share. */
function Count({ count, share, isRight, isShares }: CountProps) {
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

export function TrueAndPredicted({
  values,
  place,
}: {
  readonly values: ValuesReport;
  readonly place: string;
}) {
  const { names, pairs, worst } = values;
  const titles = pairs.map((_, k) => names?.[k] ?? (pairs.length > 1 ? `target ${k}` : ''));
  return (
    <Section title="True and predicted" note={noteOf(pairs, place)}>
      {pairs.map((ofTarget, k) => (
        <PointPlot
          key={titles[k]}
          label={`${ofTarget.length} pairs of a true value and its prediction${suffix(titles[k])}`}
          x={{ title: `true${suffix(titles[k])}`, scale: measuredScale(ofTarget.flat()) }}
          y={{ title: `predicted${suffix(titles[k])}`, scale: measuredScale(ofTarget.flat()) }}
          points={ofTarget.map(([x, y], i) => ({ id: i, x, y, className: 'completed' }))}
          diagonal
        />
      ))}
      {worst.length > 0 && (
        <Table
          label="Worst predictions, a table"
          caption={<caption>Furthest apart</caption>}
          columns={[
            { name: 'sequence', show: ({ index, id }) => id ?? index },
            { name: 'true', title: `true${inOrder(names)}`, show: ({ target }) => listed(target) },
            {
              name: 'predicted',
              title: `predicted${inOrder(names)}`,
              show: ({ prediction }) => listed(prediction),
            },
            {
              name: 'absolute error',
              show: ({ absolute_error: error }) => <Value metric="error" value={error} />,
            },
          ]}
          rows={worst}
          keyOf={({ index }) => index}
        />
      )}
    </Section>
  );
}

function noteOf(pairs: ValuesReport['pairs'], place: string): string {
  if (pairs.length === 0) return `${place}.`;
  const each = pairs.length > 1 ? ` of each of the first ${pairs.length} targets` : '';
  return `${pairs[0].length} pairs${each}; ${place}. On the line both are equal.`;
}

function suffix(title: string): string {
  return title === '' ? '' : `, ${title}`;
}

/** ` (temperature, humidity)` for a list of targets. */
function inOrder(names: readonly string[] | null): string {
  return names === null || names.length < 2 ? '' : ` (${names.join(', ')})`;
}

function listed(values: readonly Measured[]): string {
  return values.map(value => formatMetric('value', value)).join(', ');
}

export function Mistakes({ classes, place }: { readonly classes: ClassesReport; readonly place: string }) {
  const { mistakes, images, names } = classes;
  const depicted = images === null ? [] : mistakes.filter(({ image }) => image !== null);
  return (
    <Section
      title="Worst mistakes"
      note={`Sorted by loss, with the probability of the predicted class; ${place}.`}
    >
      {images !== null && depicted.length > 0 ? (
        <ul class="mistakes">
          {depicted.map(mistake => (
            <li key={keyOf(mistake)} data-index={mistake.index}>
              <MistakeImage mistake={mistake} size={images} names={names} />
              <div>
                <strong>
                  {names[mistake.label]} <span aria-hidden="true">→</span>
                  <span class="hidden">taken for</span> {nameOf(names, mistake.predicted)}
                </strong>
                <small>
                  {percent(mistake.probability)}{' '}
                  <span class="place">{mistake.id ?? `#${mistake.index}`}</span>
                </small>
              </div>
            </li>
          ))}
        </ul>
      ) : (
        <MistakeTable mistakes={mistakes} names={names} />
      )}
    </Section>
  );
}

interface MistakeImageProps {
  readonly mistake: MistakeReport;
  readonly size: { readonly width: number; readonly height: number };
  readonly names: readonly string[];
}

function MistakeImage({ mistake, size: { width, height }, names }: MistakeImageProps) {
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
      aria-label={`Sequence ${mistake.id ?? mistake.index} of the split, a ${names[mistake.label]}`}
    />
  );
}

function MistakeTable({ mistakes, names }: Pick<ClassesReport, 'mistakes' | 'names'>) {
  const perStep = mistakes.some(({ step_in_sequence: step }) => step !== null);
  const step = { name: 'step', show: ({ step_in_sequence: at }: MistakeReport) => at };
  return (
    <Table
      label="Worst mistakes, a table"
      columns={[
        { name: 'sequence', show: ({ id, index }) => id ?? index },
        ...(perStep ? [step] : []),
        { name: 'true', show: ({ label }) => names[label] },
        { name: 'predicted', show: ({ predicted }) => nameOf(names, predicted) },
        { name: 'probability', show: ({ probability }) => percent(probability) },
        { name: 'of the true one', show: mistake => percent(mistake.label_probability) },
      ]}
      rows={mistakes}
      keyOf={keyOf}
    />
  );
}

function keyOf({ index, step_in_sequence: step }: MistakeReport): string {
  return `${index}/${step}`;
}

function nameOf(names: readonly string[], predicted: number | null): string {
  return predicted === null ? 'none' : names[predicted];
}

function percent(share: number | null): string {
  if (share === null) return '–';
  // a nearly certain mistake must not look certain
  return share > 0.99995 && share < 1 ? '> 99.99 %' : `${(100 * share).toFixed(2)} %`;
}
