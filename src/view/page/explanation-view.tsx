/** What the predictions of a run rest on: importance of features and parts, contributions. */
import { formatMetric, formatNumber, words } from '../../util/numbers.js';
import { type Column, Section, TableSection } from '../components/components.js';
import { Heat, Shades } from '../components/recordings.js';
import type { RunReport } from '../run-report.js';
import { type Sequence, StatesView } from './states-view.js';

type Explained = NonNullable<RunReport['explanation']>;
type Row = Explained['parts'][number] | Explained['features'][number];

export function ExplanationView({ explanation }: { readonly explanation: Explained }) {
  const { place, scores, features, parts, sequences, of, agreement } = explanation;
  const columns = (name: string): readonly Column<Row>[] => [
    { name, isText: true, show: row => row.name },
    ...scores.flatMap((score, k): Column<Row>[] => {
      const show = (value: number | null) => formatMetric(`test.${score}`, value);
      return [
        {
          name: score,
          title: words(score),
          sortBy: row => row.scores[k].change,
          show: row => show(row.scores[k].change),
        },
        {
          name: `${score} interval`,
          title: '95 %',
          show: ({ scores: all }) => `${show(all[k].low)} to ${show(all[k].high)}`,
        },
        { name: `${score} chance`, title: 'by chance', show: row => show(row.scores[k].floor) },
      ];
    }),
    { name: 'contribution', sortBy: row => row.contribution, show: row => formatNumber(row.contribution) },
    { name: 'occlusion', sortBy: row => row.occlusion, show: row => formatNumber(row.occlusion) },
  ];
  const both =
    agreement === null ? '' : ` Contributions and occlusion correlate with ${agreement.toFixed(2)}.`;
  const note = `How much worse the scores are if a feature is that of another sequence, and what a feature that says nothing reaches by chance; the mean size of its contribution to the ${of} of a prediction, and of the change if it is occluded; ${place}.${both}`;
  return (
    <>
      <TableSection
        title="Importance of features"
        note={note}
        columns={columns('feature')}
        rows={features}
        most={20}
      />
      <TableSection
        title="Importance of parts of the sequence"
        note={`The same for the steps of a part, all features together; ${place}.`}
        columns={columns('part')}
        rows={parts}
      />
      <Section
        title="Contributions to predictions"
        note={`A row is a feature, a column a step. Blue speaks for the prediction, orange against it (attention, if the model has one, is the mean over the predicted symbols); together they are the difference of the ${of} from that of a sequence of mean steps; ${place}.`}
      >
        <div class="multiples">
          {sequences.map(sequence => (
            <Contributions key={sequence.name} sequence={sequence} />
          ))}
        </div>
      </Section>
      <StatesView sequences={sequences.filter(({ states }) => states.length > 0)} />
    </>
  );
}

function Contributions({ sequence }: { readonly sequence: Sequence }) {
  const { name, predicted, output, reference, rows, labels, steps, symbols, speaksFor, against, statics } =
    sequence;
  const gridRow = `1 / span ${rows}`;
  return (
    <figure data-explained={name}>
      <figcaption>
        {name}: {predicted}, {formatNumber(output)} instead of {formatNumber(reference)}
      </figcaption>
      <Heat
        label={`Contributions to the prediction of ${name}`}
        rows={labels}
        columns={symbols}
        steps={steps}
      >
        <Shades
          bytes={speaksFor}
          rows={rows}
          label={`For ${predicted}, ${steps} steps`}
          style={{ gridRow }}
        />
        <Shades
          kind="against"
          bytes={against}
          rows={rows}
          label={`Against ${predicted}`}
          style={{ gridRow }}
        />
      </Heat>
      {statics.map(contribution => (
        <p key={contribution.name} class="note">
          {contribution.name}: {formatNumber(contribution.value)}
        </p>
      ))}
    </figure>
  );
}
