/** Ways to make an input: a slider for numbers of a table, a drawing, and the microphone. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatNumber } from '../../util/numbers.js';
import { wavBytes } from '../../util/wav.js';
import { Select } from '../components/components.js';

interface InputProps {
  readonly text: string;
  set(text: string): void;
}

/** The cells of a table: a line for each step, below the names of the columns if it has some. */
export function tableIn(text: string) {
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '');
  const cells = lines.map(line => line.split(/[,;\t]/).map(cell => cell.trim()));
  const hasNames = cells[0]?.some(cell => cell !== '' && Number.isNaN(Number(cell))) === true;
  return { names: hasNames ? cells[0] : undefined, rows: hasNames ? cells.slice(1) : cells };
}

function tableText(names: readonly string[] | undefined, rows: readonly (readonly string[])[]): string {
  return [...(names ? [names] : []), ...rows].map(row => row.join()).join('\n');
}

const isNumber = (cell: string | undefined) =>
  cell !== undefined && cell !== '' && !Number.isNaN(Number(cell));

/** The step of a sequence that a slider changes if it changes them all. */
const EVERY = -1;

/** A slider that shifts the numbers of a column, in every step or in one. */
export function Shift({ text, set }: InputProps) {
  const [at, setAt] = useState({ column: 0, step: EVERY });
  const [moved, setMoved] = useState({ from: text, to: text, by: 0 });
  // a text that was typed is another start
  const { from, by } = moved.to === text ? moved : { from: text, by: 0 };
  const { names, rows } = tableIn(from);
  const width = Math.max(0, ...rows.map(row => row.length));
  const columns = Array.from({ length: width }, (_, c) => c).filter(c =>
    rows.every(row => isNumber(row[c]) || row[c] === ''),
  );
  const column = columns.includes(at.column) ? at.column : columns[0];
  const values = rows.flatMap(row => (isNumber(row[column]) ? [Number(row[column])] : []));
  if (values.length === 0 || text.trim().startsWith('[')) return null;
  const step = at.step < rows.length ? at.step : EVERY;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = most - least || Math.abs(most) || 1;
  const shift = (amount: number): void => {
    const shifted = rows.map((row, s) =>
      (step === EVERY || s === step) && isNumber(row[column])
        ? row.with(column, String(Number((Number(row[column]) + amount).toPrecision(6))))
        : row,
    );
    const to = tableText(names, shifted);
    setMoved({ from, to, by: amount });
    set(to);
  };
  const choose = (change: Partial<typeof at>) => {
    setMoved({ from: text, to: text, by: 0 });
    setAt({ ...at, ...change });
  };
  return (
    <div class="toolbar">
      {columns.length > 1 && (
        <Select
          label="shift"
          value={column}
          options={columns.map(c => [c, names?.[c] ?? `value ${c}`])}
          change={value => choose({ column: Number(value) })}
        />
      )}
      {rows.length > 1 && (
        <Select
          label="in"
          value={step}
          options={[[EVERY, 'every step'], ...rows.map((_, s) => [s, `step ${s}`] as const)]}
          change={value => choose({ step: Number(value) })}
        />
      )}
      <label>
        by{' '}
        <input
          type="range"
          min={-span}
          max={span}
          step={span / 100}
          value={by}
          onInput={event => shift(Number(event.currentTarget.value))}
        />
      </label>
      <output>{formatNumber(by)}</output>
    </div>
  );
}

export interface Image {
  readonly width: number;
  readonly height: number;
  /** Pixels of a step. */
  readonly perStep: number;
}

/** An image, whose pixels are the numbers of the steps; one draws on it. */
export function Drawing({
  image: { width, height, perStep },
  text,
  set,
}: InputProps & { readonly image: Image }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const given = tableIn(text).rows.flat().map(Number);
  const pixels = Array.from({ length: width * height }, (_, i) => given[i] || 0);
  const white = Math.max(1, ...pixels);
  const write = (drawn: readonly number[]) =>
    set(
      tableText(
        undefined,
        Array.from({ length: drawn.length / perStep }, (_, s) =>
          drawn.slice(s * perStep, (s + 1) * perStep).map(String),
        ),
      ),
    );
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    const picture = context?.createImageData(width, height);
    if (!context || !picture) return;
    pixels.forEach((pixel, i) => {
      const grey = (255 * pixel) / white;
      picture.data.set([grey, grey, grey, 255], 4 * i);
    });
    context.putImageData(picture, 0, 0);
  });
  const draw = ({ offsetX, offsetY, buttons, currentTarget }: PointerEvent): void => {
    if (buttons === 0) return;
    const { clientWidth, clientHeight } = currentTarget as HTMLCanvasElement;
    const [x, y] = [(offsetX / clientWidth) * width - 0.5, (offsetY / clientHeight) * height - 0.5];
    // a pen about two pixels wide
    write(
      pixels.map((pixel, i) => {
        const distance = Math.hypot((i % width) - x, Math.floor(i / width) - y);
        return Math.max(pixel, Number((white * Math.min(1, Math.max(0, 2 - distance))).toFixed(3)));
      }),
    );
  };
  return (
    <div class="toolbar">
      <canvas
        ref={canvas}
        class="drawing"
        width={width}
        height={height}
        role="img"
        aria-label="The image, to draw on"
        onPointerDown={draw}
        onPointerMove={draw}
      />
      <button type="button" onClick={() => write(pixels.map(() => 0))}>
        Clear
      </button>
    </div>
  );
}

/** Samples per second if the model does not say. */
const SPEECH_RATE = 16_000;

interface MicrophoneProps {
  /** Samples per second that the model reads. */
  readonly rate: number | undefined;
  /** Called with a WAV file. */
  hear(recorded: ArrayBuffer): void;
}

/** Records from the microphone until the button is pressed again; nothing where there is none. */
export function Microphone({ rate = SPEECH_RATE, hear }: MicrophoneProps) {
  const [recorder, setRecorder] = useState<MediaRecorder>();
  const [problem, setProblem] = useState<string>();
  if (globalThis.navigator?.mediaDevices === undefined) return null;
  const record = async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const started = new MediaRecorder(stream);
    started.ondataavailable = async ({ data }) => {
      for (const track of stream.getTracks()) track.stop();
      const context = new OfflineAudioContext(1, 1, rate);
      const decoded = await context.decodeAudioData(await data.arrayBuffer());
      hear(wavBytes(decoded.getChannelData(0), rate).buffer);
    };
    started.start();
    setRecorder(started);
  };
  const press = () => {
    setProblem(undefined);
    recorder?.stop();
    setRecorder(undefined);
    if (recorder === undefined) record().catch(({ message }) => setProblem(message));
  };
  return (
    <>
      <button type="button" aria-pressed={recorder !== undefined} onClick={press}>
        {recorder === undefined ? 'Record' : 'Stop'}
      </button>
      {problem !== undefined && <span class="alert"> {problem}</span>}
    </>
  );
}
