/** The evaluation of a run: scores, confusions, and the worst mistakes with their inputs. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { formatMetric, grouped, words } from '../../util/numbers.js';
import type { Measured, RunReport } from '../run-report.js';
import { Alignments } from './alignment-view.js';
import { type Column, Section, Table, TableSection, Toggle, Value } from './components.js';
import { Forecasts } from './forecast-view.js';
import { Plot } from './plot.js';
import { Audio, type RecordingReport, Spectrogram } from './recording-view.js';
import { measuredScale } from './scales.js';

type EvaluationReport = NonNullable<RunReport['evaluation']>;
type ClassesReport = NonNullable<EvaluationReport['classes']>;
type ValuesReport = NonNullable<EvaluationReport['values']>;
type SequencesReport = NonNullable<EvaluationReport['sequences']>;
type Misread = SequencesReport['misread'][number];
type Mistake = ClassesReport['mistakes'][number];

export function EvaluationView({ evaluation }: { readonly evaluation: EvaluationReport }) {
  const { split, epoch, step, classes, values, forecasts, sequences, scores } = evaluation;
  const where = [`${split} split`, epoch !== null && `epoch ${epoch}`, step !== null && `step ${step}`];
  const place = where.filter(Boolean).join(', ');
  return (
    <>
      {classes !== null && <Confusion classes={classes} place={place} />}
      {classes !== null && <Mistakes classes={classes} place={place} />}
      {forecasts !== null && <Forecasts forecasts={forecasts} place={place} />}
      {values !== null && (
        // the worst forecasts are drawn
        <TrueAndPredicted values={forecasts === null ? values : { ...values, worst: [] }} place={place} />
      )}
      {sequences !== null && <Sequences sequences={sequences} place={place} />}
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
      most={20}
    />
  );
}

interface OfClasses {
  readonly classes: ClassesReport;
  readonly place: string;
}

function Confusion({ classes, place }: OfClasses) {
  const [isPercent, setPercent] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const { right, undecided, whole } = classes;
  const shown = isWhole ? whole : classes.confusion;
  if (shown === null) return null;
  const { names, counts, others } = shown;
  const totals = counts.map(sum);
  const predictions = sum(totals) + undecided;
  const isOthers = (row: number) => others > 0 && row === names.length - 1;
  const fractionOf = (row: number, k: number) => (totals[row] === 0 ? 0 : counts[row][k] / totals[row]);
  const cell = (row: number, k: number) => {
    const [count, fraction] = [counts[row][k], fractionOf(row, k)];
    const text = isPercent ? (100 * fraction).toFixed(1) : count;
    // right and wrong together
    if (count === 0 || (isOthers(row) && isOthers(k))) return <span class="none">{text}</span>;
    // errors of a good model are rare: their shade grows with the root
    const depth = row === k ? 0.2 + 0.35 * fraction : Math.min(0.75, 0.06 + 1.2 * Math.sqrt(fraction));
    return (
      <span class={row === k ? 'right' : 'wrong'} style={{ '--depth': `${(100 * depth).toFixed(1)}%` }}>
        {text}
      </span>
    );
  };
  return (
    <Section
      title="Confusion matrix"
      note={`${grouped(right)} of ${grouped(predictions)} right; ${place}. A row is a true class, a column a predicted one${others > 0 && !isWhole ? '; the most frequent classes, and all others together' : ''}.${undecided === 0 ? '' : ` ${grouped(undecided)} without a predicted class are in no column.`}`}
    >
      <div class="toolbar">
        <Toggle isOn={isPercent} set={setPercent}>
          percent of the row
        </Toggle>
        {whole !== null && (
          <Toggle isOn={isWhole} set={setWhole}>
            all {whole.names.length} classes
          </Toggle>
        )}
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
            show: row =>
              totals[row] === 0 || isOthers(row) ? '–' : `${(100 * fractionOf(row, row)).toFixed(1)} %`,
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
  const hasContext = mistakes.some(({ context }) => context !== null);
  const perStep = !hasContext && mistakes.some(({ step_in_sequence: step }) => step !== null);
  const columns: readonly (Column<Mistake> | false | null)[] = [
    { name: 'sequence', show: ({ id, index }) => id ?? `#${index}` },
    images && {
      name: 'image',
      show: mistake => <MistakeImage mistake={mistake} size={images} name={names[mistake.label]} />,
    },
    mistakes.some(({ recording }) => recording !== null) && RECORDING,
    perStep && { name: 'step', show: ({ step_in_sequence: at }) => at },
    hasContext && {
      name: 'context',
      isText: true,
      show: ({ context }) => context && <Context of={context} />,
    },
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
      note={`Sorted by loss, with the probability of the predicted class; ${place}.${unheard(mistakes)}`}
      kind="numbers mistakes"
      columns={columns.filter(column => !!column)}
      rows={mistakes}
    />
  );
}

interface Recorded {
  readonly id: string | null;
  readonly index: number;
  readonly recording: RecordingReport | null;
}

/** Of a list with recordings that cannot be heard; empty for others. */
function unheard(list: readonly Recorded[]): string {
  const isUnheard = list.some(({ recording }) => recording?.audio === null);
  return isUnheard ? ' Recordings over 128 KiB are not in a report; `serve` plays them.' : '';
}

const RECORDING: Column<Recorded> = {
  name: 'recording',
  isText: true,
  show: ({ id, index, recording }) => {
    const name = id ?? `#${index}`;
    return (
      recording && (
        <div class="recording">
          <Spectrogram recording={recording} name={name} />
          <Audio recording={recording} name={name} />
        </div>
      )
    );
  },
};

interface OfSequences {
  readonly sequences: SequencesReport;
  readonly place: string;
}

function Sequences({ sequences, place }: OfSequences) {
  const { inputs, right, edits, confusions, misread, alignments } = sequences;
  const { substitutions, insertions, deletions } = edits;
  const columns: readonly (Column<Misread> | false)[] = [
    { name: 'sequence', show: ({ id, index }) => id ?? `#${index}` },
    misread.some(({ recording }) => recording !== null) && RECORDING,
    misread.some(({ input }) => input !== null) && {
      name: 'input',
      isText: true,
      show: ({ input }) => input && <code>{input}</code>,
    },
    { name: 'true and predicted', isText: true, show: ({ alignment }) => <Aligned pairs={alignment} /> },
    { name: 'errors', show: ({ errors }) => errors },
    { name: 'probability', show: ({ probability }) => percent(probability) },
  ];
  return (
    <>
      <TableSection
        title="Most frequent errors"
        note={`${grouped(right)} of ${grouped(inputs)} sequences right; ${grouped(substitutions)} symbols substituted, ${grouped(insertions)} inserted, ${grouped(deletions)} deleted; ${place}.`}
        columns={[
          { name: 'true', isText: true, show: ({ target }) => target ?? 'none' },
          { name: 'predicted', isText: true, show: ({ predicted }) => predicted ?? 'none' },
          { name: 'count', show: ({ count }) => count },
        ]}
        rows={confusions}
        most={20}
      />
      <TableSection
        title="Worst sequences"
        note={`Sorted by errors: the target above the prediction, with the errors marked; ${place}.${unheard(misread)}`}
        kind="numbers mistakes"
        columns={columns.filter(column => !!column)}
        rows={misread}
      />
      <Alignments alignments={alignments} place={place} />
    </>
  );
}

/** Symbols of a target above those of the prediction. */
function Aligned({ pairs }: { readonly pairs: Misread['alignment'] }) {
  return (
    <code class="aligned">
      {pairs.map(({ target, predicted }, i) => {
        const both = (
          <>
            <span>{target ?? '·'}</span>
            <span>{predicted ?? '·'}</span>
          </>
        );
        return target === predicted ? <span key={i}>{both}</span> : <mark key={i}>{both}</mark>;
      })}
    </code>
  );
}

function Context({ of: { before, at, after } }: { readonly of: NonNullable<Mistake['context']> }) {
  // one prediction of a sequence is due to all of it
  const isWhole = before === '' && after === '';
  return (
    <code class="context">
      {before}
      {isWhole ? at : <mark>{at}</mark>}
      {after}
    </code>
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

function percent(fraction: number | null): string {
  if (fraction === null) return '–';
  // a nearly certain mistake must not look certain
  return fraction > 0.99995 && fraction < 1 ? '> 99.99 %' : `${(100 * fraction).toFixed(2)} %`;
}
