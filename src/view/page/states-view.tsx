/** What the recurrent layers compute for a sequence: their states and gates, step by step. */
import { useState } from 'preact/hooks';
import { formatNumber } from '../../util/numbers.js';
import { Scroll, Section } from '../components/components.js';
import { Shades } from '../components/recordings.js';
import type { RunReport } from '../run-report.js';

export type Sequence = NonNullable<RunReport['explanation']>['sequences'][number];

const NOTE =
  'A row is a unit of the layer, a column a step of the sequence. Blue is positive, orange negative: the stronger, the larger. Gates are between 0 and 1; the states of most cells between -1 and 1.';

export function StatesView({ sequences }: { readonly sequences: readonly Sequence[] }) {
  const [chosen, choose] = useState(0);
  const [state, setState] = useState('');
  const [step, setStep] = useState(0);
  const sequence = sequences[Math.min(chosen, sequences.length - 1)];
  if (sequence === undefined) return null;
  const { name, predicted, symbols, states } = sequence;
  const shown = states.find(candidate => candidate.name === state) ?? states[0];
  const { values } = shown;
  const steps = values[0].length;
  const at = Math.min(step, steps - 1);
  const symbol = symbols?.length === steps ? ` “${symbols[at]}”` : '';
  return (
    <Section title="Inside the layers" note={NOTE}>
      <p class="actions">
        <label>
          Sequence{' '}
          <select value={chosen} onChange={({ currentTarget }) => choose(Number(currentTarget.value))}>
            {sequences.map((listed, i) => (
              <option key={listed.name} value={i}>
                {listed.name}
              </option>
            ))}
          </select>
        </label>{' '}
        <label>
          Values{' '}
          <select value={shown.name} onChange={({ currentTarget }) => setState(currentTarget.value)}>
            {states.map(listed => (
              <option key={listed.name}>{listed.name}</option>
            ))}
          </select>
        </label>{' '}
        <label>
          Step{' '}
          <input
            type="range"
            min={0}
            max={steps - 1}
            value={at}
            onInput={({ currentTarget }) => setStep(Number(currentTarget.value))}
          />
        </label>{' '}
        <output>
          {at + 1} of {steps}
          {symbol}
        </output>
      </p>
      <figure data-states={name}>
        <figcaption>
          {name}: {predicted}
        </figcaption>
        <Scroll label={`Values of ${shown.name} for ${name}`}>
          <div
            class={symbol === '' ? 'heat wide' : 'heat'}
            style={{ '--columns': symbol === '' ? 1 : steps }}
          >
            <Picture values={values} label={`${shown.name}, ${values.length} units, ${steps} steps`} />
            {symbol === '' ? (
              <Shades
                bytes={bytesOf(values[0].map((_, t) => Number(t === at)))}
                rows={1}
                label={`Step ${at + 1}`}
                style={{ gridRow: '2', height: '6px' }}
              />
            ) : (
              symbols?.map((text, t) => (
                <span key={t} class={t === at ? 'step now' : 'step'} style={{ gridColumn: t + 2 }}>
                  {text}
                </span>
              ))
            )}
          </div>
        </Scroll>
        <p>
          At this step: {strongest(values, at)}. Before: {at === 0 ? 'all zero' : strongest(values, at - 1)}.
        </p>
      </figure>
    </Section>
  );
}

interface PictureProps {
  /** Of each unit at each step. */
  readonly values: readonly (readonly number[])[];
  readonly label: string;
}

function Picture({ values, label }: PictureProps) {
  const most = Math.max(...values.flat().map(Math.abs)) || 1;
  const half = (sign: number) => bytesOf(values.flat().map(value => (sign * value) / most));
  // seen at once, also if there are few steps
  const maxHeight = `max(128px, ${8 * values.length}px)`;
  const style = { gridRow: '1', minHeight: `${4 * values.length}px`, maxHeight };
  return (
    <>
      <Shades bytes={half(1)} rows={values.length} label={label} style={style} />
      <Shades
        kind="against"
        bytes={half(-1)}
        rows={values.length}
        label={`${label}, negative`}
        style={style}
      />
    </>
  );
}

/** As `Shades` reads them; below 0 is 0. */
function bytesOf(values: readonly number[]): string {
  return btoa(String.fromCharCode(...values.map(value => Math.max(0, Math.round(255 * value)))));
}

const NAMED = 3;

/** The units with the largest values, in words. */
function strongest(values: PictureProps['values'], step: number): string {
  const units = values.map((unitValues, unit) => ({ unit, value: unitValues[step] }));
  const largest = units.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, NAMED);
  return largest.map(({ unit, value }) => `unit ${unit} ${formatNumber(value)}`).join(', ');
}
