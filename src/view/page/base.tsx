/** Components that all views share. */
import { type ComponentChildren, createContext } from 'preact';
import { useContext, useId } from 'preact/hooks';
import type { Fact, Measured } from '../document.js';
import { formatMetric } from './format.js';

/** The heading level above the sections, so that a run can be part of another page. */
export const Level = createContext<1 | 3>(1);

type HeadingTag = 'h1' | 'h2' | 'h3' | 'h4' | 'h5';

/** The tag of a heading this many levels below. */
export function useHeading(below: 0 | 1 | 2): HeadingTag {
  return `h${useContext(Level) + below}` as HeadingTag;
}

/** A section with a heading that screen readers can jump to. */
export function Section({
  title,
  note,
  children,
}: {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  const id = useId();
  const Heading = useHeading(1);
  // landmarks need unique names, and other runs on the page have the same sections
  const isWholePage = useContext(Level) === 1;
  return (
    <section class="part" {...(isWholePage && { 'aria-labelledby': id })}>
      <Heading id={id}>{title}</Heading>
      {note !== undefined && <p class="note">{note}</p>}
      {children}
    </section>
  );
}

/** A wide element that scrolls by itself, also by keyboard, so that the page does not. */
export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: else what scrolls could not be reached without a mouse
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

/** A checkbox with its label. */
export function Toggle({
  isOn,
  set,
  title,
  children,
}: {
  readonly isOn: boolean;
  readonly set: (isOn: boolean) => void;
  readonly title?: string;
  readonly children: ComponentChildren;
}) {
  return (
    <label title={title}>
      <input type="checkbox" checked={isOn} onChange={event => set(event.currentTarget.checked)} /> {children}
    </label>
  );
}

const SIGNS: Readonly<Record<string, string>> = {
  completed: '✓',
  passed: '✓',
  failed: '✕',
  diverged: '✕',
  inconclusive: '?',
  running: '●',
  interrupted: '❙❙',
  paused: '❙❙',
  killed: '■',
  pruned: '✂',
  better: '▲',
  worse: '▼',
  identical: '=',
  'not distinguishable': '≈',
  'cannot tell': '?',
};

/** A state or verdict as a symbol and a word, so that it does not depend on colour. */
export function Badge({ of }: { readonly of: string }) {
  return (
    <span class={`badge ${of.replace(' ', '-')}`}>
      <span aria-hidden="true">{SIGNS[of] ?? '·'}</span> {of}
    </span>
  );
}

/** A rounded number, with all digits for programs. */
export function Value({ metric, value }: { readonly metric: string; readonly value: Measured | undefined }) {
  const text = formatMetric(metric, value);
  return typeof value === 'number' ? <data value={String(value)}>{text}</data> : <span>{text}</span>;
}

export function Facts({ facts }: { readonly facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(({ label, value }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A dotted name that may wrap after its dots and underscores. */
export function Breakable({ text }: { readonly text: string }) {
  return text.split(/(?<=[._])/).flatMap((part, i) => (i === 0 ? [part] : [<wbr key={i} />, part]));
}
