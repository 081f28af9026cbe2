/** Thread that runs exported modules. Its replies are texts that a response can contain. */
import { compileFunction } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import type { ExportedModel, open } from '../interop/js/runtime.js';
import type { GenerateOptions } from '../predict/generate.js';
import { jsonLine, type PredictionStyle, stepFields } from '../predict/lines.js';
import type { Session } from '../predict/session.js';
import type { SequenceValues, StepValues } from '../predict/steps.js';
import { spellNonFinite } from '../run/json.js';
import type { Diagnostic } from '../util/errors.js';

export interface ThreadSetup {
  /** Bodies of functions that return what a module exports. */
  readonly modules: readonly string[];
}

/** `model` is its position among the modules. */
export type Job =
  | { readonly kind: 'predict'; readonly model: number; readonly index: number; readonly sequence: Given }
  | { readonly kind: 'open'; readonly model: number; readonly session: string }
  | { readonly kind: 'step'; readonly session: string; readonly values: StepValues }
  | { readonly kind: 'close'; readonly session: string }
  | {
      readonly kind: 'generate';
      readonly model: number;
      readonly session: string;
      readonly prompt: string;
      readonly options: GenerateOptions;
    }
  /** The next piece of a text; empty at its end. */
  | { readonly kind: 'continue'; readonly session: string };

type Given =
  | {
      readonly steps: SequenceValues;
      readonly id?: string | undefined;
      readonly times?: readonly string[] | undefined;
    }
  | { readonly samples: Float64Array; readonly rate: number };

export interface Failure {
  readonly message: string;
  /** Absent for a bug. */
  readonly problems?: readonly Diagnostic[] | undefined;
}

export interface Reply {
  readonly job: number;
  readonly text?: string;
  readonly failure?: Failure;
}

type Module = ReturnType<typeof open>;
export type ModelFacts = ReturnType<typeof factsOf>;

const { modules } = workerData as ThreadSetup;
const models = modules.map(code => (compileFunction(code) as () => Module)());
/** Open sessions and unfinished texts of clients, by their ids. */
const sessions = new Map<string, { readonly session: Session; readonly style: PredictionStyle }>();
const texts = new Map<string, AsyncGenerator<string | number>>();

/** What a client must know of a model. */
function factsOf({ model, session }: Module) {
  const { data, form, readers, columnNames } = model;
  const { input, vocabulary } = data;
  return {
    input: input.kind === 'number' ? 'numbers' : vocabulary ? 'text' : 'symbols',
    columns: readers?.columns.map(({ name }) => name) ?? columnNames,
    level: vocabulary?.level,
    max_steps: model.maxSteps,
    prediction: form.kind,
    per_step: form.perStep,
    channel: model.channel,
    class_names: form.classNames,
    target_names: form.targetNames,
    sessions: isPossible(session),
    generates: input.kind === 'symbol' && vocabulary !== undefined && form.size === input.count,
  };
}

function isPossible(begin: ExportedModel['session']): boolean {
  try {
    begin();
    return true;
  } catch {
    return false;
  }
}

async function carryOut(job: Job): Promise<string> {
  switch (job.kind) {
    case 'predict': {
      const { model, predict } = models[job.model];
      const sequence = withoutUndefined(job.sequence) as SequenceValues;
      const { warnings, ...prediction } = await predict(sequence);
      const told = warnings && { warnings: warnings.map(({ message }) => message) };
      return jsonLine(styleOf(model), { ...prediction, index: job.index }, told);
    }
    case 'open': {
      const { model, session } = models[job.model];
      sessions.set(job.session, { session: session(), style: styleOf(model) });
      return '';
    }
    case 'step': {
      const { session, style } = sessions.get(job.session)!;
      const prediction = await session.step(job.values);
      const fields = stepFields(prediction, style);
      return `${JSON.stringify(spellNonFinite({ step: prediction.step, ...fields }))}\n`;
    }
    case 'generate':
      texts.set(job.session, models[job.model].generate(job.prompt, job.options));
      return '';
    case 'continue': {
      const { done, value } = await texts.get(job.session)!.next();
      return done ? '' : String(value);
    }
    case 'close':
      sessions.delete(job.session);
      texts.delete(job.session);
      return '';
  }
}

function styleOf({ form }: Module['model']): PredictionStyle {
  return { ...form, hasIds: false, hasTimes: false };
}

function withoutUndefined(given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

parentPort?.on('message', async ({ number, job }: { readonly number: number; readonly job: Job }) => {
  const reply: Reply = await carryOut(job).then(
    text => ({ job: number, text }),
    // an exported module has its own class of errors
    (error: Error & { readonly diagnostics?: readonly Diagnostic[] }) => ({
      job: number,
      failure: {
        message: error.diagnostics ? error.message : String(error.stack),
        problems: error.diagnostics,
      },
    }),
  );
  parentPort?.postMessage(reply);
});
parentPort?.postMessage(models.map(factsOf));
