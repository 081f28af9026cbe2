/** A form in which one types or drops an input of a model, and sees the prediction. */
import { useEffect, useState } from 'preact/hooks';
import type { ModelFacts } from '../../interop/js/served.js';
import { formatNumber } from '../../util/numbers.js';
import { Table } from '../components/components.js';
import { Drawing, type Image, Microphone, Shift, tableIn } from './inputs.js';

/** A line of `predict`; its fields depend on the model. */
export type Prediction = Readonly<Record<string, unknown>>;
export type Outcome = { readonly prediction: Prediction } | { readonly problem: string };

/**
 * Predicts the steps of a sequence, or the bytes of a recording.
 * @throws Error if `signal` is aborted
 */
export type Predict = (given: unknown, signal: AbortSignal) => Promise<Outcome>;

/** A recording to start from. */
export interface Sound {
  readonly name: string;
  /** Address of a WAV file: `data:` and its bytes in base64. */
  readonly audio: string;
}

const PAUSE_MS = 150;
/** Classes that are shown. */
const MOST_CLASSES = 10;

export interface PredictorProps {
  readonly model: ModelFacts;
  readonly predict: Predict;
  /** A text to start from. */
  readonly example?: string;
  /** For a model of recordings. */
  readonly sounds?: readonly Sound[];
  /** Of the images that the model reads; absent for other models. */
  readonly image?: Image | undefined;
  /** How long a pause in typing is. */
  readonly pauseMs?: number;
}

export function Predictor({
  model,
  predict,
  example = '',
  sounds = [],
  image,
  pauseMs = PAUSE_MS,
}: PredictorProps) {
  const [text, setText] = useState(example);
  const [sound, setSound] = useState(sounds.at(0));
  const [bytes, setBytes] = useState(bytesOf(sound));
  const isHeard = model.channel !== undefined;
  const outcome = usePrediction({ model, predict, pauseMs }, isHeard ? bytes : text);
  const hear = (chosen: Sound | undefined, heard = bytesOf(chosen)) => {
    setSound(chosen);
    setBytes(heard);
  };
  const take = async (file: File | undefined) => {
    if (file === undefined) return;
    if (isHeard) hear(undefined, await file.arrayBuffer());
    else setText(await file.text());
  };
  return (
    <>
      <form
        onSubmit={event => event.preventDefault()}
        onDragOver={event => event.preventDefault()}
        onDrop={event => {
          event.preventDefault();
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <p>
          <label for="input">{wanted(model)}</label>
        </p>
        {image && <Drawing image={image} text={text} set={setText} />}
        {isHeard && sounds.length > 0 && (
          <p>
            <select
              id="input"
              value={sound?.name ?? ''}
              onChange={event => hear(sounds.find(({ name }) => name === event.currentTarget.value))}
            >
              {sound === undefined && <option value="">the file</option>}
              {sounds.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>{' '}
            {sound && (
              // biome-ignore lint/a11y/useMediaCaption: the prediction is what is known of the recording
              <audio controls preload="metadata" src={sound.audio} aria-label={sound.name} />
            )}
          </p>
        )}
        {!isHeard && (
          <textarea
            id="input"
            rows={10}
            placeholder={exampleOf(model)}
            spellcheck={false}
            value={text}
            onInput={event => setText(event.currentTarget.value)}
          />
        )}
        {!image && !isHeard && model.input === 'numbers' && <Shift text={text} set={setText} />}
        <p>
          <label>
            {isHeard ? 'a WAV file' : 'or a file'}, which can also be dropped here{' '}
            <input type="file" onChange={event => void take(event.currentTarget.files?.[0])} />
          </label>{' '}
          {isHeard && <Microphone rate={model.rate} hear={recorded => hear(undefined, recorded)} />}
        </p>
      </form>
      <section aria-live="polite" id="outcome">
        {outcome && 'problem' in outcome && <p class="alert">{outcome.problem}</p>}
        {outcome && 'prediction' in outcome && <Shown model={model} prediction={outcome.prediction} />}
      </section>
    </>
  );
}

function bytesOf(sound: Sound | undefined): ArrayBuffer | undefined {
  if (sound === undefined) return undefined;
  const text = atob(sound.audio.slice(sound.audio.indexOf(',') + 1));
  return Uint8Array.from(text, character => character.charCodeAt(0)).buffer;
}

/** The prediction for a text after a pause in typing, or for bytes; undefined without an input. */
function usePrediction(
  { model, predict, pauseMs }: PredictorProps,
  given: string | ArrayBuffer | undefined,
): Outcome | undefined {
  const [outcome, setOutcome] = useState<Outcome>();
  useEffect(() => {
    const controller = new AbortController();
    const read = () => (typeof given === 'string' ? stepsIn(given, model) : given);
    const ask = async () => setOutcome(await predict(read(), controller.signal));
    const isEmpty = given === undefined || (typeof given === 'string' && given.trim() === '');
    const timer = isEmpty ? undefined : setTimeout(() => void ask().catch(() => {}), pauseMs);
    if (timer === undefined) setOutcome(undefined);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [model, predict, pauseMs, given]);
  return outcome;
}

/** What does not fit: the message of an error with the details of its first problem. */
export function problemOf(
  message: string,
  [problem]: readonly { readonly expected?: string | undefined; readonly got?: string | undefined }[] = [],
): Outcome {
  const details = [problem?.expected && `expected ${problem.expected}`, problem?.got && `got ${problem.got}`];
  return { problem: [message, ...details.filter(Boolean)].join('; ') };
}

function wanted({ input, columns, channel }: ModelFacts): string {
  if (channel !== undefined) return 'A recording';
  if (input === 'text') return 'A text';
  if (input === 'symbols') return 'The numbers of symbols';
  return columns
    ? `A table (CSV) or JSON: a line for each step, of ${columns.join(', ')}`
    : 'A line of numbers for each step';
}

function exampleOf({ input, columns }: ModelFacts): string {
  return input !== 'text' && columns ? `${columns.join()}\n${columns.map(() => 0).join()}` : '';
}

/**
 * The steps in a text: those of JSON, or a line of a table each, by the names in its first line if
 * these are names of columns.
 */
function stepsIn(text: string, { input, columns = [] }: ModelFacts): unknown {
  if (input === 'text') return text;
  try {
    const given: unknown = JSON.parse(text);
    // a number alone is a table
    if (typeof given === 'object' && given !== null) return 'steps' in given ? given.steps : given;
  } catch {
    // a table
  }
  if (input === 'symbols') return (text.match(/[^\s,;]+/g) ?? []).map(Number);
  const { names = [], rows } = tableIn(text);
  const valuesOf = (row: readonly string[]) => row.map(cellValue);
  if (!names.some(name => columns.includes(name)))
    return [...(names.length > 0 ? [names] : []), ...rows].map(valuesOf);
  return rows.map(row => Object.fromEntries(names.map((name, i) => [name, cellValue(row[i] ?? '')])));
}

function cellValue(text: string): number | string | null {
  const number = Number(text);
  return text === '' ? null : Number.isNaN(number) ? text : number;
}

interface ShownProps {
  readonly model: ModelFacts;
  readonly prediction: Prediction;
}

function Shown({ model, prediction }: ShownProps) {
  const { warnings = [] } = prediction as { readonly warnings?: readonly string[] };
  return (
    <>
      {model.per_step ? <Steps prediction={prediction} /> : <Whole model={model} prediction={prediction} />}
      {warnings.map(warning => (
        <p key={warning} class="note">
          {warning}
        </p>
      ))}
      <details>
        <summary>JSON</summary>
        <pre>{JSON.stringify(prediction, undefined, 1)}</pre>
      </details>
    </>
  );
}

function Whole({ model, prediction }: ShownProps) {
  const { predicted, predicted_name, probability, probabilities, text } = prediction;
  if (model.prediction === 'sequence')
    return (
      <p>
        <strong>{String(text)}</strong> ({percentOf(probability)})
      </p>
    );
  if (model.prediction === 'value') return <p>{shownOf(predicted)}</p>;
  const all = (probabilities ?? []) as readonly number[];
  const order = all.map((_, k) => k).sort((a, b) => all[b] - all[a]);
  const name = (k: number) => model.class_names?.[k] ?? String(k);
  return (
    <>
      <p>
        <strong>{String(predicted_name ?? predicted)}</strong> ({percentOf(probability)})
      </p>
      <Table
        label="Probabilities"
        columns={[
          { name: 'class', isText: true, show: name },
          {
            name: 'probability',
            show: k => (
              <>
                <meter value={all[k]} aria-label={name(k)} /> {percentOf(all[k])}
              </>
            ),
          },
        ]}
        rows={order.slice(0, MOST_CLASSES)}
      />
    </>
  );
}

/** A row for each step, of the fields that have a value for each. */
function Steps({ prediction }: { readonly prediction: Prediction }) {
  const fields = Object.entries(prediction).filter(
    (field): field is [string, readonly unknown[]] =>
      Array.isArray(field[1]) && field[0] !== 'probabilities' && field[0] !== 'warnings',
  );
  const steps = Array.from(fields[0]?.[1] ?? [], (_, step) => step);
  const columns = fields.map(([name, values]) => ({ name, show: (step: number) => shownOf(values[step]) }));
  return (
    <Table
      label="Prediction at each step"
      columns={[{ name: 'step', show: (step: number) => step }, ...columns]}
      rows={steps}
    />
  );
}

function percentOf(probability: unknown): string {
  return `${formatNumber(100 * Number(probability))} %`;
}

function shownOf(value: unknown): string {
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return value.map(shownOf).join(', ');
  if (typeof value !== 'object' || value === null) return String(value ?? '');
  return Object.entries(value)
    .map(([name, probability]) => `${name} ${shownOf(probability)}`)
    .join(', ');
}
