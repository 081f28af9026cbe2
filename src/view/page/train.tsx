/**
 * The page of `web`: a config that one can edit, and its training, which runs in a thread of this
 * page. Nothing is sent anywhere.
 */
import './style.css';
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Completions } from '../../config/completion.js';
import { formatBytes } from '../../util/numbers.js';
import type { Problem, Reply, Request, Site, Slider, State } from '../../web/messages.js';
import { InParts, Section } from '../components/components.js';
import type { RunReport } from '../run-report.js';
import { RunView } from './run-view.js';

interface Shown {
  readonly state: State;
  readonly resumable: boolean;
  readonly message?: string;
  /** Those of the config. */
  readonly problems: readonly Problem[];
  /** Why what was asked for last failed. */
  readonly failures: readonly Problem[];
  readonly completions: Completions;
  readonly report?: RunReport;
  readonly digests: Readonly<Record<string, string>>;
}

const START: Shown = {
  state: 'loading',
  resumable: false,
  problems: [],
  failures: [],
  completions: { from: 0, items: [] },
  digests: {},
};

/** What the scripts `trainer.js` and `site.js` set: the text of the trainer, and the site. */
declare global {
  var cellrunTrainer: string;
  var cellrunSite: Site;
}

/** A page that was opened from a file may only start threads from its own text. */
function startTrainer(): Worker {
  const text = new Blob([cellrunTrainer], { type: 'text/javascript' });
  return new Worker(URL.createObjectURL(text));
}

function Page() {
  const [shown, setShown] = useState(START);
  const site = cellrunSite;
  const [config, setConfig] = useState(site.configs[0]);
  /** As edited, also those that are not shown. */
  const [texts, edit] = useState(site.texts);
  const text = texts[config];
  /** The numbers that sliders set, by key; the others are those of the text. */
  const [assigned, assign] = useState<Readonly<Record<string, string | undefined>>>({});
  const [backend, compute] = useState<'webasm' | 'webgpu'>('webasm');
  const trainer = useRef<Worker>(null);
  const given = Object.entries(assigned).filter(([, value]) => value !== undefined);
  const edited = { config, text, set: given.map(([key, value]) => `${key}=${value}`) };
  const ask = (request: Request, transfer: Transferable[] = []) =>
    trainer.current?.postMessage(request, transfer);
  const start = (request: Request, transfer?: Transferable[]) => {
    setShown(old => ({ ...old, failures: [] }));
    ask(request, transfer);
  };

  useEffect(() => {
    const started = startTrainer();
    trainer.current = started;
    started.onmessage = ({ data }: MessageEvent<Reply>) => {
      if (data.kind === 'archive') return save(data.name, data.bytes);
      setShown(old => withReply(old, data));
    };
    started.onerror = ({ message }) => setShown(old => ({ ...old, message }));
    ask({ kind: 'open', site, address: new URL('.', location.href).href });
    return () => started.terminate();
  }, []);
  useEffect(() => {
    ask({ kind: 'check', ...edited });
  }, [config, text, assigned]);

  const { state, resumable, problems, report, message } = shown;
  const isBusy = state === 'training' || state === 'explaining' || state === 'loading';
  const hasWeights = Object.keys(shown.digests).length > 0;
  const take = async (file: File | undefined) => {
    if (file === undefined || isBusy) return;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const known = Object.keys(site.files).find(name => name.split('/').at(-1) === file.name);
    if (known !== undefined && site.configs.includes(known)) {
      setConfig(known);
      edit(old => ({ ...old, [known]: new TextDecoder().decode(bytes) }));
      return;
    }
    start({ kind: 'drop', name: known ?? file.name, bytes }, [bytes.buffer]);
    ask({ kind: 'check', ...edited });
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the file input does the same with the keyboard
    <div
      onDragOver={event => event.preventDefault()}
      onDrop={event => {
        event.preventDefault();
        for (const file of event.dataTransfer?.files ?? []) void take(file);
      }}
    >
      <h1>Train</h1>
      <p class="note">
        The model trains in this page. Config, data and results stay in this browser; nothing is sent
        anywhere.
      </p>
      {site.configs.length > 1 && (
        <p>
          <label>
            File{' '}
            <select
              disabled={isBusy}
              value={config}
              onChange={({ currentTarget }) => {
                setConfig(currentTarget.value);
                assign({});
              }}
            >
              {site.configs.map(name => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        </p>
      )}
      {site.sliders.map(slider => (
        <SliderInput
          key={slider.key}
          slider={slider}
          set={assigned[slider.key]}
          isLocked={isBusy}
          assign={value => assign(old => ({ ...old, [slider.key]: value }))}
        />
      ))}
      <Editor
        text={text}
        problems={problems}
        isLocked={isBusy}
        completions={shown.completions}
        change={text => edit(old => ({ ...old, [config]: text }))}
        complete={at => ask({ kind: 'complete', text, at })}
      />
      <p class="actions">
        <button
          type="button"
          disabled={isBusy || problems.length > 0}
          onClick={() => start({ kind: 'train', backend, ...edited })}
        >
          Train
        </button>{' '}
        <button type="button" disabled={state !== 'training'} onClick={() => ask({ kind: 'pause' })}>
          Pause
        </button>{' '}
        <button type="button" disabled={isBusy || !resumable} onClick={() => start({ kind: 'resume' })}>
          Resume
        </button>{' '}
        <button type="button" disabled={isBusy || !hasWeights} onClick={() => start({ kind: 'explain' })}>
          Explain
        </button>{' '}
        <button
          type="button"
          disabled={isBusy || report === undefined}
          onClick={() => ask({ kind: 'download' })}
        >
          Download the run
        </button>{' '}
        <button
          type="button"
          disabled={isBusy || report === undefined}
          onClick={() => confirm('Delete this run from the browser?') && start({ kind: 'delete' })}
        >
          Delete the run
        </button>{' '}
        {'gpu' in navigator && (
          <label>
            Train on{' '}
            <select
              disabled={isBusy}
              value={backend}
              onChange={({ currentTarget }) => compute(currentTarget.value as typeof backend)}
            >
              <option value="webasm">the processor</option>
              <option value="webgpu">the GPU</option>
            </select>
          </label>
        )}{' '}
        <label>
          Open data or a run (zip){' '}
          <input
            type="file"
            disabled={isBusy}
            onChange={({ currentTarget }) => {
              void take(currentTarget.files?.[0]);
              // the same file can be chosen again
              currentTarget.value = '';
            }}
          />
        </label>
      </p>
      <p role="status" data-state={state}>
        {STATES[state]}
        {message !== undefined && `: ${message}`}
      </p>
      <Problems id="failures" problems={shown.failures} />
      <InParts.Provider value={true}>{report !== undefined && <RunView report={report} />}</InParts.Provider>
      {hasWeights && (
        <Section title="Digests">
          {report?.environment.some(({ label }) => label === 'Arithmetic') && (
            <p class="note">
              Whoever trains the same config with <code>--portable</code> has the same SHA-256.
            </p>
          )}
          <dl class="facts digests">
            {Object.entries(shown.digests).map(([name, digest]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  <code>{digest}</code>
                </dd>
              </div>
            ))}
          </dl>
        </Section>
      )}
      <p class="note">
        cellrun {site.version}; the files of the site have {formatBytes(sizeOf(site))}.
      </p>
    </div>
  );
}

const STATES: Readonly<Record<State, string>> = {
  loading: 'Reading the files …',
  ready: 'Ready',
  training: 'Training',
  explaining: 'Explaining the predictions',
  paused: 'Paused',
  ended: 'Trained',
};

function sizeOf({ files }: Site): number {
  return Object.values(files).reduce((sum, size) => sum + size, 0);
}

function withReply(old: Shown, reply: Exclude<Reply, { readonly kind: 'archive' }>): Shown {
  switch (reply.kind) {
    case 'state': {
      const { message: _, report, ...rest } = old;
      const { state, resumable, message } = reply;
      // without a run
      const shown = state === 'ready' ? { digests: {} } : report && { report };
      return { ...rest, ...shown, state, resumable, ...(message !== undefined && { message }) };
    }
    case 'checked':
      return { ...old, problems: reply.problems };
    case 'problems':
      return { ...old, failures: reply.problems };
    case 'completions':
      return { ...old, completions: reply.completions };
    case 'report':
      return { ...old, report: reply.report, digests: reply.digests };
  }
}

interface SliderProps {
  readonly slider: Slider;
  /** Undefined if the number is that of the text. */
  readonly set: string | undefined;
  readonly isLocked: boolean;
  readonly assign: (value: string | undefined) => void;
}

/** Sets a number of the config, whatever its text says, until it is reset. */
function SliderInput({ slider, set, isLocked, assign }: SliderProps) {
  const { key, low, high, isLogarithmic, value } = slider;
  const isWhole = Number.isInteger(low) && Number.isInteger(high);
  const [toPlace, toValue] = isLogarithmic ? [Math.log, Math.exp] : [Number, Number];
  const step = isWhole && !isLogarithmic ? 1 : (toPlace(high) - toPlace(low)) / STOPS;
  const rounded = (at: number) => {
    if (!isLogarithmic) return String(at);
    return String(isWhole ? Math.round(toValue(at)) : Number(toValue(at).toPrecision(DIGITS)));
  };
  return (
    <p>
      <label>
        {key}{' '}
        <input
          type="range"
          min={toPlace(low)}
          max={toPlace(high)}
          step={step}
          value={toPlace(Number(set ?? value ?? low))}
          aria-valuetext={`${set ?? value ?? low}`}
          disabled={isLocked}
          onInput={({ currentTarget }) => assign(rounded(currentTarget.valueAsNumber))}
        />
      </label>{' '}
      <output>{set === undefined ? 'as in the config' : `${set}, instead of that in the config`}</output>{' '}
      {set !== undefined && (
        <button type="button" disabled={isLocked} onClick={() => assign(undefined)}>
          Reset
        </button>
      )}
    </p>
  );
}

/** Positions of a slider for fractions. */
const STOPS = 100;
/** Of a number that a logarithmic slider sets. */
const DIGITS = 2;

interface EditorProps {
  readonly text: string;
  readonly problems: readonly Problem[];
  readonly isLocked: boolean;
  readonly completions: Completions;
  readonly change: (text: string) => void;
  /** Asks for the completions at a place of the text. */
  readonly complete: (at: number) => void;
}

function Editor({ text, problems, isLocked, completions, change, complete }: EditorProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const [at, moveTo] = useState<number>();
  useEffect(() => {
    if (at !== undefined) complete(at);
  }, [text, at]);
  const insert = (item: string): void => {
    area.current?.focus();
    area.current?.setSelectionRange(completions.from, at ?? null);
    // as if it was typed, so that it can be undone
    document.execCommand('insertText', false, item);
  };
  return (
    <div class="editor">
      <label for="config">Config</label>
      <textarea
        id="config"
        rows={Math.min(30, text.split('\n').length + 1)}
        spellcheck={false}
        readOnly={isLocked}
        aria-invalid={problems.length > 0}
        aria-describedby="problems"
        value={text}
        ref={area}
        onInput={({ currentTarget }) => {
          change(currentTarget.value);
          moveTo(currentTarget.selectionStart);
        }}
        onKeyUp={({ currentTarget }) => moveTo(currentTarget.selectionStart)}
        onClick={({ currentTarget }) => moveTo(currentTarget.selectionStart)}
      />
      {!isLocked && completions.items.length > 0 && (
        <p class="completions">
          Here:{' '}
          {completions.items.map(({ text: item, description }) => (
            <button key={item} type="button" title={description} onClick={() => insert(item)}>
              {item.trim()}
            </button>
          ))}
        </p>
      )}
      <Problems id="problems" problems={problems} />
    </div>
  );
}

interface ProblemsProps {
  readonly id: string;
  readonly problems: readonly Problem[];
}

function Problems({ id, problems }: ProblemsProps) {
  return (
    <ul id={id} aria-live="polite">
      {problems.map(problem => (
        <li key={JSON.stringify(problem)} class="alert">
          <ProblemText problem={problem} />
        </li>
      ))}
    </ul>
  );
}

/** As the command line prints it: the place, the line and what lies under it. */
function ProblemText({ problem }: { readonly problem: Problem }) {
  const { place, column = 1, length = 1, source, message, expected, got, suggestion } = problem;
  return (
    <>
      <b>{place}</b>
      {message}
      {source !== undefined && <pre>{`${source}\n${' '.repeat(column - 1)}${'^'.repeat(length)}`}</pre>}
      {expected !== undefined && <div>expected: {expected}</div>}
      {got !== undefined && <div>got: {got}</div>}
      {suggestion !== undefined && <div>did you mean: {suggestion}</div>}
    </>
  );
}

function save(name: string, bytes: Uint8Array): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/zip' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

const place = document.querySelector('#page');
if (place !== null) {
  place.replaceChildren();
  render(<Page />, place);
}
