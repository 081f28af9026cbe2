/** The evaluation of a run: scores, confusions, and the worst mistakes with their inputs. */
import { useState } from 'preact/hooks';
import { formatMetric, grouped, words } from '../../util/numbers.js';
import type { Measured, RunReport } from '../run-report.js';
import { type Column, Parts, Section, Table, TableSection, Toggle, useHeading, Value } from './components.js';
import { type Axis, type Frame, Plot, type Point, pathOf } from './plot.js';
import { Audio, Heat, type RecordingReport, Shades, Spectrogram } from './recording-view.js';
import { measuredScale, numeric } from './scales.js';

type EvaluationReport = NonNullable<RunReport['evaluation']>;
/** A part of the evaluation, and where it was measured. */
type Part<K extends keyof EvaluationReport> = {
  readonly [key in K]: NonNullable<EvaluationReport[key]>;
} & { readonly place: string };
type SequencesReport = NonNullable<EvaluationReport['sequences']>;
type Misread = SequencesReport['misread'][number];
type Mistake = Part<'classes'>['classes']['mistakes'][number];

export function EvaluationView({ evaluation }: { readonly evaluation: EvaluationReport }) {
  const { split, epoch, step, classes, values, forecasts, sequences, scores, reliability, coverage } =
    evaluation;
  const where = [`${split} split`, epoch !== null && `epoch ${epoch}`, step !== null && `step ${step}`];
  const place = where.filter(Boolean).join(', ');
  return (
    <Parts>
      {classes !== null && <Confusion classes={classes} place={place} />}
      {classes !== null && <Mistakes classes={classes} place={place} />}
      {forecasts !== null && <Forecasts forecasts={forecasts} place={place} />}
      {values !== null && (
        // the worst forecasts are drawn
        <TrueAndPredicted values={forecasts === null ? values : { ...values, worst: [] }} place={place} />
      )}
      {reliability !== null && <Reliability reliability={reliability} place={place} />}
      {coverage !== null && (
        <MeasuredTable
          title="Coverage"
          note={`How often intervals or sets contain the target; ${place}.`}
          of={coverage.of}
          columns={coverage.columns}
          format="test."
          rows={coverage.rows}
        />
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
    </Parts>
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

function Confusion({ classes, place }: Part<'classes'>) {
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

function TrueAndPredicted({ values, place }: Part<'values'>) {
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
          <Square
            key={titles[k]}
            label={`${ofTarget.length} pairs of a true value and its prediction${suffix(k)}`}
            x={{ title: `true${suffix(k)}`, scale }}
            y={{ title: `predicted${suffix(k)}`, scale }}
            points={ofTarget.map(([x, y]) => ({ x, y }))}
          />
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

function Reliability({ reliability: bins, place }: Part<'reliability'>) {
  const scale = numeric(0, 1);
  return (
    <Section
      title="Reliability"
      note={`Probabilities in bins, and how often they came true; on the line both are equal; ${place}.`}
    >
      <Square
        label={`${bins.length} bins of probabilities, and the fractions that came true`}
        x={{ title: 'probability', scale }}
        y={{ title: 'came true', scale }}
        points={bins.map(({ probability: x, fraction: y }) => ({ x, y }))}
      />
    </Section>
  );
}

interface SquareProps {
  readonly label: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Points around the line on which both coordinates are equal. */
function Square({ points, ...axes }: SquareProps) {
  return (
    <div class="square">
      <Plot
        {...axes}
        height={width => width}
        points={points.map((point, id) => ({ ...point, id, className: 'completed' }))}
      >
        {({ left, bottom, right, top }) => (
          <line class="diagonal" x1={left} y1={bottom} x2={right} y2={top} />
        )}
      </Plot>
    </div>
  );
}

function listed(values: readonly Measured[]): string {
  return values.map(value => formatMetric('value', value)).join(', ');
}

function Mistakes({ classes, place }: Part<'classes'>) {
  const { mistakes, images, names } = classes;
  const hasContext = mistakes.some(({ context }) => context !== null);
  const perStep = !hasContext && mistakes.some(({ step_in_sequence: step }) => step !== null);
  const columns: readonly (Column<Mistake> | false | null)[] = [
    { name: 'sequence', show: ({ id, index }) => id ?? `#${index}` },
    images && {
      name: 'image',
      show: ({ id, index, image, label }) =>
        image && (
          <Shades
            kind="image"
            bytes={image}
            rows={images.height}
            label={`Sequence ${id ?? index} of the split, a ${names[label]}`}
          />
        ),
    },
    mistakes.some(({ recording }) => recording !== null) && {
      ...RECORDING,
      show: mistake => (
        <>
          <Heard of={mistake} />
          <OverTime mistake={mistake} names={names} />
        </>
      ),
    },
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
  const rows = mistakes.some(({ over_time: times }) => times !== null)
    ? ' Below a recording: the probabilities of the predicted class (upper row) and of the true one while it is heard.'
    : '';
  return (
    <TableSection
      title="Worst mistakes"
      note={`Sorted by loss, with the probability of the predicted class; ${place}.${rows}${unheard(mistakes)}`}
      kind="numbers mistakes"
      columns={columns.filter(column => !!column)}
      rows={mistakes}
    />
  );
}

/** A row for the predicted class and one for the true class, below the spectrogram. */
function OverTime({ mistake, names }: { readonly mistake: Mistake; readonly names: readonly string[] }) {
  const { over_time: times, predicted, label } = mistake;
  if (times === null || predicted === null) return null;
  const shades = [times.predicted, times.label].flat().map(p => Math.round(255 * (Number(p) || 0)));
  const said = [
    [names[predicted], times.predicted],
    [names[label], times.label],
  ] as const;
  const text = said.map(([name, all]) => `${name} ${all.map(p => percent(Number(p))).join(', ')}`);
  return (
    <Shades
      kind="spectrogram over-time"
      bytes={btoa(String.fromCharCode(...shades))}
      rows={2}
      label={`Probabilities while it is heard: ${text.join('; ')}`}
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
  show: one => <Heard of={one} />,
};

function Heard({ of: { id, index, recording } }: { readonly of: Recorded }) {
  const name = id ?? `#${index}`;
  return (
    recording && (
      <div class="recording">
        <Spectrogram recording={recording} name={name} />
        <Audio recording={recording} name={name} />
      </div>
    )
  );
}

function Sequences({ sequences, place }: Part<'sequences'>) {
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

function percent(fraction: number | null): string {
  if (fraction === null) return '–';
  // a nearly certain mistake must not look certain
  return fraction > 0.99995 && fraction < 1 ? '> 99.99 %' : `${(100 * fraction).toFixed(2)} %`;
}

function Alignments({ alignments, place }: Pick<SequencesReport, 'alignments'> & { readonly place: string }) {
  if (alignments.length === 0) return null;
  return (
    <Section
      title="Alignment"
      note={`A row is a predicted symbol, a column a step of the input; the stronger the color, the more the symbol was read from the step; ${place}.`}
    >
      <div class="multiples">
        {alignments.map(one => (
          <HeatMap key={one.index} alignment={one} />
        ))}
      </div>
    </Section>
  );
}

function HeatMap({ alignment }: { readonly alignment: SequencesReport['alignments'][number] }) {
  const { index, id, errors, steps, input, recording, predicted, weights } = alignment;
  const name = id ?? `#${index}`;
  return (
    <figure data-alignment={name}>
      <figcaption>
        {name}
        {errors === null ? '' : `, ${errors}`}
      </figcaption>
      <Heat label={`Alignment of ${name}`} rows={predicted} columns={input} steps={steps}>
        <Shades
          bytes={weights}
          rows={predicted.length}
          label={`Weights of ${steps} steps for the symbols ${predicted.join(' ')}`}
          style={{ gridRow: `1 / span ${predicted.length}` }}
        />
        {recording && <Spectrogram recording={recording} name={name} />}
      </Heat>
      {recording && <Audio recording={recording} name={name} />}
    </figure>
  );
}

type Steps = Omit<Part<'forecasts'>['forecasts']['series'][number], 'series'>;

function Forecasts({ forecasts: { quantiles, coverage, series, windows }, place }: Part<'forecasts'>) {
  const Heading = useHeading(2);
  const [lowest, highest] = quantiles ?? [];
  const levels = quantiles === null ? '' : ` The band is from quantile ${lowest} to ${highest}.`;
  const band = coverage ? ` The band is the interval with coverage ${coverage}.` : levels;
  return (
    <Section title="Forecasts" note={`Each step is forecast once; ${place}.${band}`}>
      <ul class="legend">
        {Object.entries({ train: 'series', test: 'forecast' }).map(([color, label]) => (
          <li key={color}>
            <span class={`swatch ${color}`} aria-hidden="true" /> {label}
          </li>
        ))}
      </ul>
      <div class="charts">
        {series.map(({ series: name, ...steps }) => (
          <ForecastPlot key={`${name} ${steps.target}`} name={name} steps={steps} />
        ))}
      </div>
      <Heading>Worst windows</Heading>
      <div class="multiples">
        {windows.map(({ id, history, ...steps }) => (
          <ForecastPlot key={`${id} ${steps.target}`} name={id} steps={steps} history={history} />
        ))}
      </div>
    </Section>
  );
}

const HEIGHT = 210;
const MAX_TICKS = 5;

interface ForecastPlotProps {
  readonly name: string;
  readonly steps: Steps;
  readonly history?: readonly (number | null)[];
}

/** Steps are counted from the first forecast, which is 0. */
function ForecastPlot({ name, steps, history = [] }: ForecastPlotProps) {
  const { target, times, actual, predicted, lower = [], upper = [] } = steps;
  const last = times.length - 1;
  const count = Math.min(MAX_TICKS, times.length);
  const ticks = Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * last) / (count - 1)),
  );
  const x = numeric(-history.length, last, { ticks, texts: ticks.map(tick => times[tick]) });
  const y = measuredScale([...history, ...actual, ...predicted, ...lower, ...upper]);
  const title = name === '' ? target : `${name}: ${target}`;
  const pointsOf = (frame: Frame, values: readonly (number | null)[], first = 0) =>
    values.map((value, i) => frame.at(first + i, value));
  return (
    <figure class="chart" data-forecast={title}>
      <figcaption>{title}</figcaption>
      <Plot
        label={`Forecast of ${title}, from ${times[0]} to ${times[last]}`}
        x={{ scale: x }}
        y={{ scale: y }}
        height={() => HEIGHT}
      >
        {frame => (
          <>
            <path class="band test" d={bandOf(pointsOf(frame, lower), pointsOf(frame, upper))} />
            <path class="curve train" d={pathOf(pointsOf(frame, [...history, ...actual], -history.length))} />
            <path class="curve test" d={pathOf(pointsOf(frame, predicted))} />
          </>
        )}
      </Plot>
    </figure>
  );
}

/** The area between two lines, without the steps that lack a bound. */
function bandOf(lower: readonly (Point | undefined)[], upper: readonly (Point | undefined)[]): string {
  const pieces: number[][] = [];
  for (const [i, point] of lower.entries()) {
    if (point === undefined || upper[i] === undefined) continue;
    const piece = pieces[pieces.length - 1];
    if (piece?.[piece.length - 1] === i - 1) piece.push(i);
    else pieces.push([i]);
  }
  return pieces
    .map(piece => `${pathOf([...piece.map(i => lower[i]), ...piece.toReversed().map(i => upper[i])])}Z`)
    .join('');
}
