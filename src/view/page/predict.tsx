/** The page of a service of predictions: one types or drops an input and sees the prediction. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ServedModel } from '../../serve/service.js';
import { formatNumber } from '../../util/numbers.js';
import { Scroll } from './components.js';

/** A line that the service returns; its fields depend on the model. */
type Prediction = Readonly<Record<string, unknown>>;
type Outcome = { readonly prediction: Prediction } | { readonly problem: string };

const PAUSE_MS = 150;
/** Classes that are shown. */
const MOST_CLASSES = 10;

function Page({ models }: { readonly models: readonly ServedModel[] }) {
  const [model, setModel] = useState(models[0]);
  const [text, setText] = useState('');
  const outcome = usePrediction(model, text);
  const take = async (file: File | undefined) => file && setText(await file.text());
  return (
    <>
      <h1>Predictions</h1>
      {models.length > 1 && (
        <p>
          <label>
            Model{' '}
            <select onChange={event => setModel(models[event.currentTarget.selectedIndex])}>
              {models.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        </p>
      )}
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
        <textarea
          id="input"
          rows={10}
          placeholder={exampleOf(model)}
          spellcheck={false}
          value={text}
          onInput={event => setText(event.currentTarget.value)}
        />
        <p>
          <label>
            or a file, which can also be dropped here{' '}
            <input type="file" onChange={event => void take(event.currentTarget.files?.[0])} />
          </label>
        </p>
      </form>
      <section aria-live="polite" id="outcome">
        {outcome && 'problem' in outcome && <p class="alert">{outcome.problem}</p>}
        {outcome && 'prediction' in outcome && <Shown model={model} prediction={outcome.prediction} />}
      </section>
    </>
  );
}

/** The prediction for a text after a pause in typing; undefined without an input. */
function usePrediction(model: ServedModel, text: string): Outcome | undefined {
  const [outcome, setOutcome] = useState<Outcome>();
  useEffect(() => {
    const controller = new AbortController();
    const ask = async () => setOutcome(await predict(model, text, controller.signal));
    const timer = text.trim() === '' ? undefined : setTimeout(() => void ask().catch(() => {}), PAUSE_MS);
    if (timer === undefined) setOutcome(undefined);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [model, text]);
  return outcome;
}

async function predict(model: ServedModel, text: string, signal: AbortSignal): Promise<Outcome> {
  const body = JSON.stringify({ model: model.name, steps: stepsIn(text, model) });
  const headers = { 'Content-Type': 'application/json' };
  let answer: Prediction;
  try {
    answer = await (await fetch('predict', { method: 'POST', headers, body, signal })).json();
  } catch (error) {
    if (signal.aborted) throw error;
    return { problem: 'the service does not answer' };
  }
  if (typeof answer.error !== 'string') return { prediction: answer };
  const [problem] = (answer.problems ?? []) as readonly {
    readonly expected?: string;
    readonly got?: string;
  }[];
  const details = [problem?.expected && `expected ${problem.expected}`, problem?.got && `got ${problem.got}`];
  return { problem: [answer.error, ...details.filter(Boolean)].join('; ') };
}

function wanted({ input, columns }: ServedModel): string {
  if (input === 'text') return 'A text';
  if (input === 'symbols') return 'The numbers of symbols';
  return columns
    ? `A table (CSV) or JSON: a line for each step, of ${columns.join(', ')}`
    : 'A line of numbers for each step';
}

function exampleOf({ input, columns }: ServedModel): string {
  return input !== 'text' && columns ? `${columns.join()}\n${columns.map(() => 0).join()}` : '';
}

/**
 * The steps in a text: those of JSON, or a line of a table each, by the names in its first line if
 * these are names of columns.
 */
function stepsIn(text: string, { input, columns = [] }: ServedModel): unknown {
  if (input === 'text') return text;
  try {
    const given: unknown = JSON.parse(text);
    const isObject = typeof given === 'object' && given !== null && 'steps' in given;
    return isObject ? given.steps : given;
  } catch {
    // a table
  }
  if (input === 'symbols') return (text.match(/[^\s,;]+/g) ?? []).map(Number);
  const rows = text.split(/\r?\n/).flatMap(line => (line.trim() === '' ? [] : [line.split(/[,;\t]/)]));
  const names = rows[0].map(cell => cell.trim());
  if (!names.some(name => columns.includes(name))) return rows.map(row => row.map(cellValue));
  return rows
    .slice(1)
    .map(row => Object.fromEntries(names.map((name, i) => [name, cellValue(row[i] ?? '')])));
}

function cellValue(cell: string): number | string | null {
  const text = cell.trim();
  const number = Number(text);
  return text === '' ? null : Number.isNaN(number) ? text : number;
}

interface ShownProps {
  readonly model: ServedModel;
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
  const name = (k: unknown) => model.class_names?.[Number(k)] ?? String(k);
  return (
    <>
      <p>
        <strong>{String(predicted_name ?? predicted)}</strong> ({percentOf(probability)})
      </p>
      <table>
        <tbody>
          {order.slice(0, MOST_CLASSES).map(k => (
            <tr key={k}>
              <th scope="row">{name(k)}</th>
              <td>
                <meter value={all[k]} aria-label={name(k)} />
              </td>
              <td>{percentOf(all[k])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** A row for each step, of the fields that have a value for each. */
function Steps({ prediction }: { readonly prediction: Prediction }) {
  const fields = Object.entries(prediction).filter(
    (field): field is [string, readonly unknown[]] =>
      Array.isArray(field[1]) && field[0] !== 'probabilities' && field[0] !== 'warnings',
  );
  const count = fields[0]?.[1].length ?? 0;
  return (
    <Scroll label="Prediction at each step">
      <table>
        <thead>
          <tr>
            <th scope="col">step</th>
            {fields.map(([name]) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: count }, (_, step) => (
            <tr key={step}>
              <th scope="row">{step}</th>
              {fields.map(([name, values]) => (
                <td key={name}>{shownOf(values[step])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
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
    .map(([name, one]) => `${name} ${shownOf(one)}`)
    .join(', ');
}

async function start(): Promise<void> {
  const root = document.getElementById('page');
  const answer = await fetch('models');
  const { models } = (await answer.json()) as { readonly models: readonly ServedModel[] };
  root?.replaceChildren();
  if (root) render(<Page models={models} />, root);
}

void start();
