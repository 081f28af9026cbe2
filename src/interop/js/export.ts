/**
 * Exports a model as one JavaScript module, which contains the predictor, the weights and the
 * kernels that the engine compiled for it.
 */

import { compileFunction } from 'node:vm';
import type { Experiment } from '../../config/index.js';
import { type Dataset, dataWidth, type SplitName } from '../../data/index.js';
import type { PortableCode } from '../../engine/kernels.js';
import { linkPortable, type PortablePlan } from '../../engine/link.js';
import { arithmeticProbe, machineArithmetic } from '../../engine/simd-compile.js';
import { deflateRawSync, fs } from '../../host/index.js';
import { ParameterLayout } from '../../math/model/parameters.js';
import { hasAttention } from '../../math/model/spec.js';
import { checkMembers } from '../../predict/ensemble.js';
import { evaluateCheckpoint, openWithoutData, type SavedModel } from '../../predict/open.js';
import type { Prediction, SequencePrediction } from '../../predict/predictions.js';
import { type OpenedModel, Predictor } from '../../predict/predictor.js';
import { type LoadedModel, type Placed, SequencePredictor } from '../../predict/sequence-predictor.js';
import { StepModel } from '../../predict/session.js';
import type { Tensor } from '../../run/safetensors.js';
import type { SplitMetrics } from '../../run/summary.js';
import { batchesOf, evaluationRows } from '../../train/evaluator.js';
import { weightsAlone, withWeights } from '../../train/weights.js';
import { damagedError, UserError, usageError } from '../../util/errors.js';
import { formatMetric, words } from '../../util/numbers.js';
import { programFile } from '../../util/root.js';
import { WebAssembly } from '../../util/webassembly.js';
import {
  type Exported,
  exportPredictor,
  type Files,
  refuseUnfinished,
  type Source,
  type Verification,
  type Weights,
} from '../predictor.js';
import { splitToVerify } from '../verify.js';
import * as parts from './parts.js';
import { storedPlan } from './plans.js';
import {
  type CarriedStates,
  localPool,
  type ModuleFacts,
  ONE_ROW,
  type OpenedModule,
  opener,
  StreamsPredictor,
} from './runtime.js';
import { decodedWeight, encodedWeight, type Precision } from './weights.js';

const [FILE, TYPES] = ['model.js', 'model.d.ts'];
/** The part of the file that is the same in all modules of a kind. */
const RUNTIME = 1;

export interface ExportedModule extends Exported {
  readonly precision: Precision;
  /** What fewer bits cost; absent for float32, or if the data of the run cannot be read. */
  readonly cost?: PrecisionCost | undefined;
}

/** Metrics of a split with the weights of the module, and of the run. */
interface PrecisionCost {
  readonly split: SplitName;
  readonly metrics: SplitMetrics;
  readonly float32: SplitMetrics;
}

/** Exports a model whose weights are stored in `precision`, and predicts with them. */
export async function exportModule(saved: SavedModel, precision: Precision): Promise<ExportedModule> {
  const exact = weightsAlone(saved.tensors, saved.weights) as Weights;
  const rounded = new Map(
    [...exact].map(([name, weight]): [string, Tensor] => {
      const data = decodedWeight(encodedWeight(weight, precision), weight.shape, precision);
      return [name, { dtype: 'F32', shape: weight.shape, data }];
    }),
  );
  const stored = { ...saved, tensors: withWeights(saved.tensors, saved.weights, rounded) };
  const cost = precision === 'float32' ? undefined : await costOf(saved, stored);
  const format = { files: (source: Source) => files(source, { exact, precision, cost }), verify };
  return { ...(await exportPredictor(stored, format)), precision, ...(cost && { cost }) };
}

/** On the validation split if there is one, else on the test split. */
async function costOf(saved: SavedModel, stored: SavedModel): Promise<PrecisionCost | undefined> {
  const split = saved.loaded.experiment.dataset.validation === undefined ? 'test' : 'validation';
  const options = { backend: 'webasm', threads: undefined, split } as const;
  const metricsOf = async (model: SavedModel): Promise<SplitMetrics> => {
    const { loss, metrics } = await evaluateCheckpoint(model, options, () => {});
    return { loss, ...metrics };
  };
  try {
    return { split, metrics: await metricsOf(stored), float32: await metricsOf(saved) };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Such as `validation loss 0.13 (float32: 0.12), accuracy 96.1 % (float32: 96.2 %)`. */
export function costText({ split, metrics, float32 }: PrecisionCost): string {
  const parts = Object.entries(metrics).map(
    ([name, value]) =>
      `${words(name)} ${formatMetric(name, value)} (float32: ${formatMetric(name, float32[name])})`,
  );
  return `${split} ${parts.join(', ')}`;
}

/**
 * Exports several models as one module that predicts the mean of them, once each reproduces the
 * predictions of its run.
 * @param thresholds of the mean
 * @throws UserError (exit 2) if they do not predict the same, or continue states between sequences
 */
export async function exportTogether(
  members: readonly SavedModel[],
  precision: Precision,
  thresholds: readonly number[] | undefined,
): Promise<readonly ExportedModule[]> {
  checkMembers(members);
  const carrying = members.find(({ loaded }) => loaded.experiment.training.carry_state);
  if (carrying)
    throw usageError('export/members', 'models that carry states cannot be exported together', {
      file: carrying.path,
      expected: 'models without `carry_state`',
    });
  const modules: ExportedModule[] = [];
  for (const member of members) modules.push(await exportModule(member, precision));
  const parts = modules.map(({ files }) => [...(files.get(FILE) ?? [])].map(part => part.toString()));
  const [first] = parts;
  const code = [
    ...parts.map(([title]) => title),
    first[RUNTIME],
    fs.readFileSync(programFile('interop/js/module-together.js'), 'utf8'),
    'const model = together.together([\n',
    ...parts.map(member => `(() => {\n${member.slice(RUNTIME + 1, -1).join('')}return model;\n})(),\n`),
    `], ${JSON.stringify(thresholds)});\n`,
    first[first.length - 1],
  ];
  const types = modules[0].files.get(TYPES) ?? [];
  const files = new Map([
    [FILE, code.map(part => Buffer.from(part))],
    [TYPES, types],
  ]);
  return [{ ...modules[0], files }, ...modules.slice(1)];
}

interface Stored {
  readonly exact: Weights;
  readonly precision: Precision;
  readonly cost: PrecisionCost | undefined;
}

export async function files(
  { saved, facts: { run } }: Pick<Source, 'saved'> & { readonly facts: Pick<Source['facts'], 'run'> },
  { exact, precision, cost }: Stored,
): Promise<Files> {
  const model = await openAlone(saved);
  try {
    const layout = new ParameterLayout(model.run.spec);
    const facts = await factsOf(model, model.pool.parameters.slice(0, layout.size), precision);
    const weights = base64(
      Buffer.concat(layout.parameters.map(({ name }) => encodedWeight(exact.get(name)!, precision))),
    );
    const pages = await pagesOf(facts, weights);
    const runtime = fs.readFileSync(programFile(`interop/js/module-${formOf(model)}.js`), 'utf8');
    const { versions, config_hash } = saved.manifest ?? {};
    const { name } = model.experiment;
    const title = `${name}: run ${run}, step ${saved.step}, config ${config_hash}, exported by cellrun ${versions?.cellrun}${cost ? `; ${precision}: ${costText(cost)}` : ''}`;
    const code = [
      `/* ${title.replaceAll('*/', '* /')} */\n`,
      runtime,
      `const facts = ${JSON.stringify({ ...facts, pages })};\n`,
      `const weights = '${weights}';\n`,
      'const model = cellrun.open(facts, weights);\n',
    ];
    const exported = 'export const { predict, predictMany, transcribe, session, generate } = model;\n';
    const types = fs.readFileSync(programFile('interop/js/module.d.ts'), 'utf8');
    return new Map([
      [FILE, [...code, exported].map(part => Buffer.from(part))],
      [TYPES, [Buffer.from(types + ownTypes(model))]],
    ]);
  } finally {
    await model.pool.close();
  }
}

/** Which of the bundles of the runtime has what the model needs. */
function formOf({ experiment: { dataset }, data, columns, form, run }: OpenedModel): string {
  if (dataset.kind === 'forecast') return 'series';
  const read = dataset.kind === 'audio' ? 'recordings' : columns ? 'columns' : 'plain';
  if (form.kind === 'sequence') return `${read}-${run.spec.decoder ? 'decoder' : 'ctc'}`;
  return data.input.kind === 'symbol' ? 'symbols' : read;
}

/** Declares the sequences that the model reads, and what it predicts of them. */
function ownTypes({ data, experiment, form, readers, series }: OpenedModel): string {
  const kind = { class: 'ClassPrediction', value: 'ValuePrediction', sequence: 'SymbolsPrediction' }[
    form.kind
  ];
  const names = series?.columns ?? readers?.columns.map(({ name }) => name);
  const isOptional = series !== undefined;
  const fields = names?.map(
    name => `  readonly ${JSON.stringify(name)}${isOptional ? '?' : ''}: ColumnValue;\n`,
  );
  const step = fields
    ? `readonly ColumnValue[] | Step${names?.length === 1 ? ' | number' : ''}`
    : data.input.kind === 'number'
      ? `readonly (number | null)[] | Float32Array${dataWidth(data) === 1 ? ' | number' : ''}`
      : `number${data.vocabulary ? ' | string' : ''}`;
  const steps = `${data.vocabulary ? 'string | ' : ''}readonly StepValues[]`;
  const sequence =
    experiment.dataset.kind === 'audio'
      ? '{ readonly samples: Samples; readonly rate?: number; readonly id?: string }'
      : `${steps} | { readonly steps: ${steps}; readonly id?: string; readonly times?: readonly string[] }`;
  return [
    ...(fields ? [`export interface Step {\n${fields.join('')}}\n`] : []),
    `export type StepValues = ${step};\n`,
    `export type SequenceValues = ${sequence};\n`,
    `export type Prediction = ${kind};\n`,
  ].join('');
}

/** As `predict` opens it for new sequences. */
function openAlone(saved: SavedModel): Promise<OpenedModel> {
  return openWithoutData(saved, { backend: 'webasm', threads: 1 });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** What of a config a module needs to read recordings and series. */
function readerSettings(dataset: Experiment['dataset']): ModuleFacts['dataset'] {
  if (dataset.kind === 'audio') {
    const { kind, features, channel, normalize, normalize_per } = dataset;
    return { kind, features, channel, normalize, normalize_per };
  }
  return dataset.kind === 'forecast' ? { ...dataset, path: '' } : undefined;
}

/**
 * Steps that are computed at a time. The first ones of a sequence, those in the middle and the last
 * ones are programs of their own, so that a module has few programs for sequences of any length.
 */
const CHUNK = 4;

/** The next multiple of `step`. */
function upTo(step: number, number: number): number {
  return step * Math.ceil(number / step);
}

/** Pages for a model while what it needs is found out: 1 GiB. */
const MOST_PAGES = 2 ** 14;

async function factsOf(
  model: OpenedModel,
  weights: Float32Array,
  precision: Precision,
): Promise<ModuleFacts> {
  const { run, data, scaling, form, columnNames, columns, experiment } = model;
  const plans = new Map<string, PortablePlan>();
  const arithmetic = machineArithmetic();
  const { pool } = localPool(MOST_PAGES, weights, ({ key, make }) => {
    const plan = linkPortable(make());
    plans.set(key, plan);
    const codes = plan.codes.map(({ bytes }) => ({ module: new WebAssembly.Module(bytes[arithmetic]) }));
    return { ...plan, codes };
  });
  const { stack = 1 } = run.spec.steps ?? {};
  const sequenceLength = upTo(CHUNK * stack, run.sequenceLength);
  // the same programs for all lengths
  const own = { ...run, threads: 1, width: 128, chunk: CHUNK, variableLength: true, sequenceLength } as const;
  const local: LoadedModel = { ...model, run: own, training: ONE_ROW, pool };
  const lengths = [1, ...[1, 2, 3].map(chunks => chunks * CHUNK * stack)];
  const isAny = !hasAttention(run.spec) && !run.spec.carriesState;
  await exercise(local, isAny ? lengths : [...lengths, sequenceLength].filter(one => one <= sequenceLength));
  const table = new Map<string, PortableCode>();
  const programs = [...plans].map(([key, plan]) => {
    const stored = plan.codes.map(kernel => {
      const code = base64(kernel.bytes.fused) + base64(kernel.bytes.separate);
      table.set(code, kernel);
      return [...table.keys()].indexOf(code);
    });
    return [key, storedPlan(plan, stored)] as const;
  });
  const kernels = [...table.values()].map(({ bytes }) => bytes);
  const facts = {
    ...{ run: local.run, data, scaling, form, columnNames },
    columns,
    dataset: readerSettings(experiment.dataset),
    ...(run.spec.carriesState && { streams: evaluationRows(run, experiment.training, 1) }),
    programs: Object.fromEntries(programs),
    code: base64(
      deflateRawSync(Buffer.concat(kernels.flatMap(one => [one.fused, one.separate])), { level: 9 }),
    ),
    kernels: kernels.map(({ fused, separate }) => ({ fused: fused.length, separate: separate.length })),
    probe: base64(arithmeticProbe()),
    pages: MOST_PAGES,
    precision,
  };
  return facts;
}

/** The memory that the module needs for predictions and sessions, in whatever order they come. */
async function pagesOf(facts: ModuleFacts, weights: string): Promise<number> {
  const { model } = opener(parts)(facts, weights);
  const { stack = 1 } = facts.run.spec.steps ?? {};
  const lengths = [1, facts.data.sequence_length];
  for (let length = CHUNK * stack; length < facts.data.sequence_length; length *= 2) lengths.push(length);
  await exercise(model, lengths);
  return model.pool.engine.heap.pages;
}

/** Predicts sequences of `lengths`, and a step. */
async function exercise(model: LoadedModel, lengths: readonly number[]): Promise<void> {
  const width = dataWidth(model.data);
  const predictor = new SequencePredictor(model);
  for (const length of lengths) await predictor.one({ length, values: new Float32Array(length * width) });
  const zeros = model.data.input.kind === 'symbol' ? 0 : Array.from({ length: width }, () => 0);
  try {
    const session = new StepModel({ ...model, readers: undefined }).session();
    if (model.run.spec.steps) {
      await session.push([0]);
      await session.end();
    } else await session.step(zeros);
  } catch (error) {
    // models that do not run step by step
    if (!(error instanceof UserError)) throw error;
  }
}

/**
 * How far the numbers of two predictions may be apart, over the larger one or 1. They are equal if
 * both compute the same programs; `predict` itself rounds some bidirectional LSTMs differently in
 * batches of other lengths, by one bit.
 */
const TOLERANCE = 1e-6;

/** The largest such distance; infinite if anything else differs. */
function distance(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) / Math.max(1, Math.abs(a), Math.abs(b));
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null)
    return a === b ? 0 : Number.POSITIVE_INFINITY;
  const [one, other] = [Object.entries(a), Object.entries(b)];
  if (one.length !== other.length) return Number.POSITIVE_INFINITY;
  return one.reduce(
    (most, [key, value], i) =>
      Math.max(most, key === other[i][0] ? distance(value, other[i][1]) : Number.POSITIVE_INFINITY),
    0,
  );
}

/**
 * Runs the module on the test split of its run, each sequence as `predict` would.
 * @throws UserError (exit 5) if a prediction is another one
 */
export async function verify(written: Files, { saved, model: { dataset } }: Source): Promise<Verification> {
  const start = compileFunction(codeOf(written)) as () => OpenedModule;
  // each has the memory for its own programs
  const [{ model: exported }, { predict }, live] = [start(), start(), start()];
  const { test } = dataset as Dataset;
  const settings = saved.loaded.experiment.dataset;
  const inputSteps = settings.kind === 'forecast' ? settings.input_steps : 0;
  const predictor = new StreamsPredictor(exported);
  const states: CarriedStates[] = [];
  const model = await openAlone(saved);
  let [sequences, difference] = [0, 0];
  try {
    const follow = await sessionsOf(model, live);
    for await (const [expected, given] of testPredictions(model, dataset as Dataset)) {
      const got = await predictor.oneOf(states, given);
      difference = Math.max(difference, distance(got, expected));
      // of series also the rows, which the module itself scales
      const table = given.position < MOST_TABLES ? test.table?.(given.position) : undefined;
      // a target that is missing at the end is read as one to forecast
      if (table && table[inputSteps][0] !== '') {
        const { predictions } = await predict(stepsIn(table));
        const apart = distance(predictions.map(valuesOf), expected.predictions.map(valuesOf));
        difference = Math.max(difference, apart);
      }
      if (given.position < MOST_SESSIONS && follow) difference = Math.max(difference, await follow(given));
      if (difference > TOLERANCE) {
        throw damagedError(
          'export/different',
          'the exported module does not reproduce the predictions of its run',
          {
            file: saved.path,
            got: `another prediction of sequence ${given.position}`,
          },
        );
      }
      sequences++;
    }
    const split = splitToVerify(dataset as Dataset);
    return { runtime: 'the engine of the module', sequences, split, difference };
  } finally {
    await model.pool.close();
  }
}

/** Sequences that are also predicted step by step. */
const MOST_SESSIONS = 20;

/**
 * Returns what passes the steps of a sequence to a session of the model and to one of the module,
 * and returns their distance; undefined if the model needs whole sequences or samples.
 */
async function sessionsOf(model: OpenedModel, live: OpenedModule) {
  const width = dataWidth(model.data);
  const isSymbol = model.data.input.kind === 'symbol';
  // the values are numbers already
  live.model.readers = undefined;
  const mayLack = (i: number) => model.data.preparation?.columns[i].fill !== undefined;
  let own: StepModel;
  try {
    own = new StepModel({ ...model, readers: undefined });
    await own.session().step(isSymbol ? 0 : new Float32Array(width));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
  return async ({ values, length }: Placed): Promise<number> => {
    const [expected, got] = [own.session(), live.session()];
    let most = 0;
    for (let step = 0; step < length; step++) {
      const of = values.slice(step * width, (step + 1) * width);
      // a missing category is no number
      if (of.some((value, i) => Number.isNaN(value) && !mayLack(i))) break;
      const given = isSymbol ? of[0] : of;
      most = Math.max(most, distance(await got.step(given), await expected.step(given)));
    }
    return most;
  };
}

/** Windows whose rows are predicted. */
const MOST_TABLES = 100;

function stepsIn([names, ...rows]: readonly (readonly string[])[]) {
  return rows.map(row => Object.fromEntries(names.map((name, c) => [name, row[c] === '' ? null : row[c]])));
}

function valuesOf(prediction: Prediction): unknown {
  return prediction.kind === 'value' ? [prediction.values, prediction.quantiles] : prediction;
}

/** The code of a module, as the body of a function that returns what it exports. */
function codeOf(written: Files): string {
  const parts = (written.get(FILE) ?? []).map(part => Buffer.from(part).toString());
  return `${parts.slice(0, -1).join('')}return model;`;
}

/**
 * The same code of a run's module, to run it on this machine: nothing is compared with the data.
 * @throws UserError (exit 2) if the run is not finished, or a module cannot express its model
 */
export async function moduleCode(saved: SavedModel): Promise<string> {
  refuseUnfinished(saved);
  const exact = weightsAlone(saved.tensors, saved.weights) as Weights;
  const run = saved.manifest?.run_id;
  return codeOf(await files({ saved, facts: { run } }, { exact, precision: 'float32', cost: undefined }));
}

/** The predictions of the sequences of the test split, with what was read for each. */
async function* testPredictions(
  model: OpenedModel,
  dataset: Dataset,
): AsyncGenerator<readonly [SequencePrediction, Placed]> {
  const { unprepared, sequenceLength } = dataset;
  const name = splitToVerify(dataset);
  const split = unprepared?.splits[name] ?? dataset[name];
  const width = dataWidth(model.data);
  const waiting: Placed[] = [];
  const { targets } = split;
  const scaling = 'scaling' in targets && typeof targets.scaling === 'function' ? targets.scaling : undefined;
  const given = async function* () {
    for await (const { split: rows, indices, position } of batchesOf(split, READ_ROWS)) {
      const list = Array.from(indices, (index): Placed => {
        const length = rows.lengths?.[index] ?? sequenceLength;
        const values = new Float32Array(sequenceLength * width);
        rows.read(index, values, 0, width);
        const at = position(index);
        const from = at * (targets.kind !== 'sequence' && targets.perStep ? sequenceLength : 1);
        return {
          ...{ length, values: values.subarray(0, length * width), position: at },
          ...(scaling && { targetScaling: step => scaling(from + step) }),
        };
      });
      waiting.push(...list);
      yield list;
    }
  };
  for await (const list of new Predictor(model).sequences(given())) {
    for (const one of list) yield [one, waiting.shift() as Placed];
  }
}

/** Sequences that are read at once. */
const READ_ROWS = 64;
