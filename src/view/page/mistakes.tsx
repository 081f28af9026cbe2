/** The mistakes with the largest loss, as images if the data are images, otherwise as a table. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ClassesReport, MistakeReport } from '../document.js';
import { Scroll, Section } from './base.js';

export function Mistakes({ classes, place }: { readonly classes: ClassesReport; readonly place: string }) {
  const { mistakes, pictures, names } = classes;
  const pictured = pictures === null ? [] : mistakes.filter(({ picture }) => picture !== null);
  return (
    <Section
      title="Worst mistakes"
      note={`Sorted by loss, with the probability of the predicted class; ${place}.`}
    >
      {pictures !== null && pictured.length > 0 ? (
        <ul class="mistakes">
          {pictured.map(mistake => (
            <li key={keyOf(mistake)} data-index={mistake.index}>
              <Picture mistake={mistake} size={pictures} names={names} />
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

interface PictureProps {
  readonly mistake: MistakeReport;
  readonly size: { readonly width: number; readonly height: number };
  readonly names: readonly string[];
}

function Picture({ mistake, size: { width, height }, names }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context || mistake.picture === null) return;
    const image = context.createImageData(width, height);
    const bytes = atob(mistake.picture);
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
  return (
    <Scroll label="Worst mistakes, a table">
      <table class="numbers">
        <thead>
          <tr>
            <th scope="col">sequence</th>
            {perStep && <th scope="col">step</th>}
            <th scope="col">true</th>
            <th scope="col">predicted</th>
            <th scope="col">probability</th>
            <th scope="col">of the true one</th>
          </tr>
        </thead>
        <tbody>
          {mistakes.map(mistake => (
            <tr key={keyOf(mistake)} data-index={mistake.index}>
              <th scope="row">{mistake.id ?? mistake.index}</th>
              {perStep && <td>{mistake.step_in_sequence}</td>}
              <td>{names[mistake.label]}</td>
              <td>{nameOf(names, mistake.predicted)}</td>
              <td>{percent(mistake.probability)}</td>
              <td>{percent(mistake.label_probability)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
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
