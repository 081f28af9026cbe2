/** Alignments of predicted sequences: the steps of the input that each symbol was read from. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { RunReport } from '../run-report.js';
import { Scroll, Section } from './components.js';

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
  const { index, id, errors, steps, input, predicted, weights } = alignment;
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!canvas.current || !context) return;
    context.fillStyle = getComputedStyle(canvas.current).color;
    const bytes = atob(weights);
    for (let i = 0; i < bytes.length; i++) {
      context.globalAlpha = bytes.charCodeAt(i) / 255;
      context.fillRect(i % steps, Math.floor(i / steps), 1, 1);
    }
  }, [weights, steps]);
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
          <canvas
            ref={canvas}
            width={steps}
            height={predicted.length}
            style={{ gridRow: `1 / span ${predicted.length}` }}
            role="img"
            aria-label={`Weights of ${steps} steps for the symbols ${predicted.join(' ')}`}
          />
          {(input ?? [`${steps} steps`]).map((text, t) => (
            <span key={t} class="step" style={{ gridColumn: t + 2 }}>
              {text}
            </span>
          ))}
        </div>
      </Scroll>
    </figure>
  );
}
