/** Recordings: their spectrograms, and what was recorded. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { RunReport } from '../run-report.js';

type Classes = NonNullable<NonNullable<RunReport['evaluation']>['classes']>;
export type RecordingReport = NonNullable<Classes['mistakes'][number]['recording']>;

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
