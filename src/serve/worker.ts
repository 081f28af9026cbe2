/** Thread that runs exported modules. Its replies are texts that a response can contain. */
import { compileFunction } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { factsOf, type Module, predictedLine, styleOf } from '../interop/js/served.js';
import type { GenerateOptions } from '../predict/generate.js';
import { type PredictionStyle, stepFields } from '../predict/lines.js';
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

const { modules } = workerData as ThreadSetup;
const models = modules.map(code => (compileFunction(code) as () => Module)());
/** Open sessions and unfinished texts of clients, by their ids. */
const sessions = new Map<string, { readonly session: Session; readonly style: PredictionStyle }>();
const texts = new Map<string, AsyncGenerator<string | number>>();

async function carryOut(job: Job): Promise<string> {
  switch (job.kind) {
    case 'predict':
      return predictedLine(models[job.model], withoutUndefined(job.sequence) as SequenceValues, job.index);
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
