/** The evaluation of sequences: frequent errors, the worst sequences, what was read from where. */
import { grouped } from '../../util/numbers.js';
import { type Column, Section, TableSection } from '../../view/components/components.js';
import { probabilityText } from '../../view/components/measured.js';
import { Audio, Heat, RECORDING, Shades, Spectrogram, unheard } from '../../view/components/recordings.js';
import type { SequenceReport } from './report.js';

type Misread = SequenceReport['misread'][number];

interface Props {
  readonly report: SequenceReport;
  readonly place: string;
}

export function SequenceView({ report, place }: Props) {
  const { inputs, right, edits, confusions, misread, alignments } = report;
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
    { name: 'probability', show: ({ probability }) => probabilityText(probability) },
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

function Alignments({ alignments, place }: Pick<SequenceReport, 'alignments'> & Pick<Props, 'place'>) {
  if (alignments.length === 0) return null;
  return (
    <Section
      title="Alignment"
      note={`A row is a predicted symbol, a column a step of the input; the stronger the color, the more the symbol was read from the step; ${place}.`}
    >
      <div class="multiples">
        {alignments.map(alignment => (
          <HeatMap key={alignment.index} alignment={alignment} />
        ))}
      </div>
    </Section>
  );
}

function HeatMap({ alignment }: { readonly alignment: SequenceReport['alignments'][number] }) {
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
