/** Pictures of numbers; recordings with their spectrograms. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { RecordingReport } from '../../tasks/core/report.js';
import { type Column, Scroll } from './components.js';

interface ShadesProps {
  /** Base64 of one unsigned byte per cell, row by row. */
  readonly bytes: string;
  readonly rows: number;
  readonly label: string;
  readonly kind?: string;
  readonly style?: Readonly<Record<string, string>>;
}

/** A picture of numbers: the larger, the stronger the color. */
export function Shades({ bytes, rows, label, kind, style = {} }: ShadesProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const cells = atob(bytes);
  const columns = cells.length / rows;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!canvas.current || !context) return;
    context.fillStyle = getComputedStyle(canvas.current).color;
    for (let i = 0; i < cells.length; i++) {
      context.globalAlpha = cells.charCodeAt(i) / 255;
      context.fillRect(i % columns, Math.floor(i / columns), 1, 1);
    }
  }, [cells, columns]);
  return (
    <canvas
      ref={canvas}
      class={kind}
      width={columns}
      height={rows}
      style={style}
      role="img"
      aria-label={label}
    />
  );
}

interface HeatProps {
  readonly label: string;
  /** The names of rows and of columns; null if a column is one of many steps. */
  readonly rows: readonly string[];
  readonly columns: readonly string[] | null;
  readonly steps: number;
  readonly children: ComponentChildren;
}

/** Pictures of numbers with the names of their rows and columns. */
export function Heat({ label, rows, columns, steps, children }: HeatProps) {
  return (
    <Scroll label={label}>
      <div class={columns === null ? 'heat wide' : 'heat'} style={{ '--columns': columns?.length ?? 1 }}>
        {rows.map((text, i) => (
          <span key={i} class="symbol" style={{ gridRow: i + 1 }}>
            {text}
          </span>
        ))}
        {children}
        {(columns ?? [`${steps} steps`]).map((text, t) => (
          <span key={t} class="step" style={{ gridColumn: t + 2 }}>
            {text}
          </span>
        ))}
      </div>
    </Scroll>
  );
}

interface RecordingProps {
  readonly recording: RecordingReport;
  readonly name: string;
}

export function Spectrogram({ recording, name }: RecordingProps) {
  const { bands, spectrogram, seconds } = recording;
  return (
    <Shades
      kind="spectrogram"
      bytes={spectrogram}
      rows={bands}
      label={`Spectrogram of ${name}, ${seconds.toFixed(2)} seconds`}
    />
  );
}

export function Audio({ recording, name }: RecordingProps) {
  if (recording.audio === null) return null;
  return (
    // biome-ignore lint/a11y/useMediaCaption: the page has what is known of the recording beside it
    <audio controls preload="metadata" src={recording.audio} aria-label={name} />
  );
}

interface Recorded {
  readonly id: string | null;
  readonly index: number;
  readonly recording: RecordingReport | null;
}

/** Of a list with recordings that cannot be heard; empty for others. */
export function unheard(list: readonly Recorded[]): string {
  const isUnheard = list.some(({ recording }) => recording?.audio === null);
  return isUnheard ? ' Recordings over 128 KiB are not in a report; `serve` plays them.' : '';
}

export const RECORDING: Column<Recorded> = {
  name: 'recording',
  isText: true,
  show: sequence => <Heard of={sequence} />,
};

export function Heard({ of: { id, index, recording } }: { readonly of: Recorded }) {
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
