/** Alignments of predicted sequences: the steps of the input that each symbol was read from. */
import type { RunReport } from '../run-report.js';
import { Scroll, Section } from './components.js';
import { Audio, Shades, Spectrogram } from './recording-view.js';

type Sequences = NonNullable<NonNullable<RunReport['evaluation']>['sequences']>;
type Alignment = Sequences['alignments'][number];

interface AlignmentsProps {
  readonly alignments: readonly Alignment[];
  readonly place: string;
}

export function Alignments({ alignments, place }: AlignmentsProps) {
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

function HeatMap({ alignment }: { readonly alignment: Alignment }) {
  const { index, id, errors, steps, input, recording, predicted, weights } = alignment;
  const name = id ?? `#${index}`;
  const columns = input?.length ?? 1;
  return (
    <figure data-alignment={name}>
      <figcaption>
        {name}
        {errors === null ? '' : `, ${errors}`}
      </figcaption>
      <Scroll label={`Alignment of ${name}`}>
        <div class={input === null ? 'heat wide' : 'heat'} style={{ '--columns': columns }}>
          {predicted.map((symbol, i) => (
            <span key={i} class="symbol" style={{ gridRow: i + 1 }}>
              {symbol}
            </span>
          ))}
          <Shades
            bytes={weights}
            rows={predicted.length}
            label={`Weights of ${steps} steps for the symbols ${predicted.join(' ')}`}
            style={{ gridRow: `1 / span ${predicted.length}` }}
          />
          {recording && <Spectrogram recording={recording} name={name} />}
          {(input ?? [`${steps} steps`]).map((text, t) => (
            <span key={t} class="step" style={{ gridColumn: t + 2 }}>
              {text}
            </span>
          ))}
        </div>
      </Scroll>
      {recording && <Audio recording={recording} name={name} />}
    </figure>
  );
}
