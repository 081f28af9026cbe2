/** The evaluation of classes: their confusions, and the worst mistakes with their inputs. */
import { useState } from 'preact/hooks';
import { grouped } from '../../util/numbers.js';
import { type Column, Section, Table, TableSection, Toggle } from '../../view/components/components.js';
import { probabilityText } from '../../view/components/measured.js';
import { Heard, RECORDING, Shades, unheard } from '../../view/components/recordings.js';
import type { ClassReport } from './report.js';

type Mistake = ClassReport['mistakes'][number];

interface Props {
  readonly report: ClassReport;
  readonly place: string;
}

export function ClassView(props: Props) {
  return (
    <>
      <Confusion {...props} />
      <Mistakes {...props} />
    </>
  );
}

function Confusion({ report, place }: Props) {
  const [isPercent, setPercent] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const { right, undecided, whole } = report;
  const shown = isWhole ? whole : report.confusion;
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
  return numbers.reduce((total, count) => total + count, 0);
}

function Mistakes({ report, place }: Props) {
  const { mistakes, images, names } = report;
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
    { name: 'probability', show: ({ probability }) => probabilityText(probability) },
    { name: 'of the true one', show: mistake => probabilityText(mistake.label_probability) },
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
  const text = said.map(([name, all]) => `${name} ${all.map(p => probabilityText(Number(p))).join(', ')}`);
  return (
    <Shades
      kind="spectrogram over-time"
      bytes={btoa(String.fromCharCode(...shades))}
      rows={2}
      label={`Probabilities while it is heard: ${text.join('; ')}`}
    />
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
