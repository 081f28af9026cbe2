/**
 * What an exported module runs: the predictor, over programs that are linked already. The build
 * bundles this file for every host, so nothing that it imports may need Node.
 */

import { inflateSync } from 'fflate';
import type { AudioForm } from '../../data/audio/program-readers.js';
import type { StepColumns } from '../../data/core/columns.js';
import { isRejected } from '../../data/core/dataset.js';
import type { ForecastConfig } from '../../data/forecast/facts.js';
import { type Arithmetic, arithmeticOf } from '../../engine/arithmetic.js';
import { Heap } from '../../engine/heap.js';
import type { PortableCode } from '../../engine/kernels.js';
import {
  KernelMachine,
  LinkedExecutable,
  LinkedRuntime,
  type ProgramCompiler,
  type RunnablePlan,
} from '../../engine/linked-executable.js';
import type { KeyedProgram } from '../../math/graph/node.js';
import { ParameterLayout } from '../../math/model/parameters.js';
import { hasAttention, stepsRead } from '../../math/model/spec.js';
import type { GenerateOptions } from '../../predict/generate.js';
import type { SequencePrediction } from '../../predict/predictions.js';
import {
  type LoadedModel,
  type Placed,
  refuseSteps,
  SequencePredictor,
  symbolsOf,
} from '../../predict/sequence-predictor.js';
import type { Session, SessionOptions, StepModel } from '../../predict/session.js';
import { givenSequence, type SequenceValues } from '../../predict/steps.js';
import { allocateShards, ShardComputer, type ShardGroup, type ShardJob, SLOTS } from '../../train/shards.js';
import { damagedErrors, usageError } from '../../util/errors.js';
import { type WasmModule, WebAssembly } from '../../util/webassembly.js';
import type * as all from './parts.js';
import { type StoredPlan, stepsOf } from './plans.js';
import { decodedWeight, type Precision, storedSize } from './weights.js';

/** What a module knows of its model, besides the weights. */
export interface ModuleFacts extends Pick<LoadedModel, 'run' | 'data' | 'scaling' | 'form' | 'columnNames'> {
  /** Of a step; absent if they have no names. */
  readonly columns?: StepColumns | undefined;
  /** How recordings or series become steps; absent for other models. */
  readonly dataset?: AudioDataset | ForecastConfig | undefined;
  /** Sequences per batch, if the model carries states from batch to batch. */
  readonly streams?: number | undefined;
  readonly programs: Readonly<Record<string, StoredPlan>>;
  /** The kernels of all programs one after another, deflated, in base64. */
  readonly code: string;
  /** Their sizes in bytes. */
  readonly kernels: readonly Readonly<Record<Arithmetic, number>>[];
  /** In base64: finds out how the host adds products. */
  readonly probe: string;
  /** Of the memory in which all programs run. */
  readonly pages: number;
  /** Of the stored weights. */
  readonly precision: Precision;
}

export type AudioDataset = AudioForm & { readonly kind: 'audio' };

/** What a module exports. Arrays are those of `predict` in Node; computations run in order. */
export interface ExportedModel {
  /**
   * Predicts a sequence of any length; a model with attention reads at most as many steps as the
   * longest sequence of the data has.
   * @throws Error if it does not fit the model
   */
  predict(sequence: SequenceValues): Promise<SequencePrediction>;
  /**
   * Returns the text that a model writes: of a recording what is said, of a text another one.
   * @throws Error if the model does not predict sequences of symbols
   */
  transcribe(sequence: SequenceValues): Promise<string>;
  /**
   * Predicts sequences in order. If the model carries states from batch to batch, each sequence
   * continues one before it, as with `predict` of the program.
   */
  predictMany(
    sequences: Iterable<SequenceValues> | AsyncIterable<SequenceValues>,
  ): AsyncGenerator<SequencePrediction>;
  /**
   * Starts a sequence whose steps are passed one by one; any number of sessions may be open.
   * @throws Error if the model needs whole sequences
   */
  session(options?: SessionOptions): Session;
  /**
   * Continues a text with a language model, piece by piece, or a list of symbol numbers; the prompt
   * is not yielded.
   */
  generate(prompt: string | readonly number[], options?: GenerateOptions): AsyncGenerator<string | number>;
}

/** What a module can do besides predicting; see `parts.ts`. */
export type Parts = Partial<typeof all>;

/** Throws if the build has left out what a module needs. */
function needed<P>(part: P | undefined): P {
  if (part === undefined) throw new Error('this module lacks a part of its runtime');
  return part;
}

export interface OpenedModule extends ExportedModel {
  /** For the check of the module, which has sequences that are read already. */
  readonly model: ReturnType<typeof load>;
}

/** Returns the function that opens a module from its facts and all weights in order, in base64. */
export function opener(parts: Parts): (facts: ModuleFacts, weights: string) => OpenedModule {
  return (facts, weights) => open(parts, facts, weights);
}

function open(parts: Parts, facts: ModuleFacts, weights: string): OpenedModule {
  const model = load(parts, facts, parametersOf(facts, bytesOf(weights)));
  const predictor = new StreamsPredictor(model);
  let stepModel: StepModel | undefined;
  let last: Promise<unknown> = Promise.resolve();
  /** Computes one after another, since programs share their memory. */
  const inOrder = <T>(compute: () => Promise<T>): Promise<T> => {
    const result = last.then(compute);
    last = result.catch(() => {});
    return result;
  };
  const predict = async (
    sequence: SequenceValues,
    position = 0,
    states: CarriedStates[] = [],
  ): Promise<SequencePrediction> => {
    const given = givenSequence(sequence, position, model);
    if (isRejected(given)) throw damagedErrors(given.problems);
    return inOrder(() => predictor.oneOf(states, { ...given, position }));
  };
  const session = (options: SessionOptions = {}): Session => {
    refuseSteps(model);
    stepModel ??= new (needed(parts.session))(model);
    const one = stepModel.session(options);
    return {
      ...one,
      step: values => inOrder(() => one.step(values)),
      push: samples => inOrder(() => one.push(samples)),
      end: () => inOrder(one.end),
    };
  };
  return {
    predict: (sequence: SequenceValues) => predict(sequence),
    async transcribe(sequence: SequenceValues) {
      const [one] = (await predict(sequence)).predictions;
      if (one.kind === 'sequence') return one.text;
      throw usageError('model/no-text', 'the model does not write texts', { expected: '`predict`' });
    },
    async *predictMany(sequences: Iterable<SequenceValues> | AsyncIterable<SequenceValues>) {
      const states: CarriedStates[] = [];
      let position = 0;
      for await (const sequence of sequences) yield await predict(sequence, position++, states);
    },
    session,
    async *generate(prompt, options = {}) {
      symbolsOf(model);
      const { continueText, continueSymbols } = needed(parts.generate);
      const generative = { ...model, session };
      yield* typeof prompt === 'string'
        ? continueText(generative, prompt, options)
        : continueSymbols(generative, prompt, options);
    },
    model,
  };
}

/** States by name. */
export type CarriedStates = Readonly<Record<string, Float32Array>>;

/** Predicts sequences one after another, which may continue others. */
export class StreamsPredictor extends SequencePredictor<LoadedModel & Pick<ModuleFacts, 'streams'>> {
  /** @param all the final states of each stream so far */
  async oneOf(all: CarriedStates[], sequence: Placed): Promise<SequencePrediction> {
    const { streams } = this.model;
    if (streams === undefined) return this.one(sequence);
    const stream = sequence.position % streams;
    this.resetStates();
    const { before } = this.batchOf([sequence]).pass.shards(0)[0].carried;
    for (const [name, state] of Object.entries(all[stream] ?? {})) before[name].set(state);
    const predicted = await this.one(sequence);
    all[stream] = Object.fromEntries(
      Object.entries(before).map(([name, state]) => [name, Float32Array.from(state)]),
    );
    return predicted;
  }
}

function load(
  parts: Parts,
  { columns, dataset, programs, code, kernels, probe, pages, ...facts }: ModuleFacts,
  weights: Float32Array,
) {
  const arithmetic = arithmeticOf(bytesOf(probe));
  const codes = kernelsOf(inflateSync(bytesOf(code)), kernels);
  const modules: { readonly module: WasmModule }[] = [];
  const kernel = (code: number) => {
    modules[code] ??= { module: new WebAssembly.Module(codes[code][arithmetic]) };
    return modules[code];
  };
  const plans = Object.values(programs);
  const poolOf = (size: number) => {
    const { pool, runtime } = localPool(size, weights, ({ key }) => {
      const plan = programs[key];
      return { ...plan, steps: stepsOf(plan), codes: plan.codes.map(kernel) };
    });
    // reserved for all programs at once, so that the memory suffices whatever runs first
    runtime.scratchAt(Math.max(...plans.map(({ scratchBytes }) => scratchBytes)));
    runtime.spareAt(Math.max(...plans.map(({ spareBytes }) => spareBytes)));
    return pool;
  };
  const { sequenceLength, spec } = facts.run;
  const own = poolOf(pages);
  const pool: LoadedModel['pool'] = {
    ...own,
    // longer sequences are computed in a memory of their own: a memory that grows loses its arrays
    group(job, shards) {
      const longer = job.shape.sequenceLength / stepsRead(spec.steps, sequenceLength);
      return (longer > 1 ? poolOf(Math.ceil(pages * longer)) : own).group(job, shards);
    },
  };
  const { data } = facts;
  const readers = dataset?.kind === 'audio' ? needed(parts.recordings) : undefined;
  const model = {
    ...facts,
    training: ONE_ROW,
    ...((hasAttention(spec) || spec.carriesState) && { maxSteps: data.sequence_length }),
    pool,
    readers: columns && needed(parts.columns)(columns, data),
    channel: dataset?.kind === 'audio' ? dataset.channel : undefined,
    samples: () => readers?.sampleReader(dataset as AudioDataset, data),
    recordings: () => readers?.recordingReader(dataset as AudioDataset, data),
    series: dataset?.kind === 'forecast' ? needed(parts.series)(dataset, data) : undefined,
  };
  return model;
}

function kernelsOf(code: Uint8Array, sizes: ModuleFacts['kernels']) {
  let at = 0;
  return sizes.map(({ fused, separate }): PortableCode['bytes'] => {
    const [from, bend] = [at, at + fused];
    at = bend + separate;
    return { fused: code.subarray(from, bend), separate: code.subarray(bend, at) };
  });
}

/** Sequences are computed one at a time: few rows need few programs. */
export const ONE_ROW = { batch_size: 1, eval_batch_size: 1 };

/** Computes shards in this thread, with programs that are linked already. */
export function localPool(
  pages: number,
  weights: Float32Array,
  linked: (program: KeyedProgram) => RunnablePlan,
) {
  const heap = new Heap(new WebAssembly.Memory({ initial: pages, maximum: pages }));
  const runtime = LinkedRuntime.ofHeap(heap, true);
  const parameters = heap.allocate(weights.length);
  parameters.set(weights);
  const engine: ProgramCompiler = {
    heap,
    arrays: runtime.arrays,
    linkedAs: program => new LinkedExecutable(runtime, linked(program)),
    compile() {
      throw new Error('all programs are linked');
    },
  };
  const group = (job: ShardJob, shards: number): ShardGroup => {
    const slots = allocateShards(job, { shards, slots: SLOTS }, heap);
    const computer = new ShardComputer(new KernelMachine(engine), job);
    const compute = async (slot: number) => {
      for (const shard of slots[slot]) await computer.compute(parameters, shard);
    };
    return { slots, compute };
  };
  return { pool: { engine, arrays: runtime.arrays, parameters, group }, runtime };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), character => character.charCodeAt(0));
}

/** The parameters, flat, in float32. */
function parametersOf({ run, precision }: ModuleFacts, stored: Uint8Array): Float32Array {
  const layout = new ParameterLayout(run.spec);
  const flat = new Float32Array(layout.size);
  let at = 0;
  for (const parameter of layout.parameters) {
    const { shape } = parameter;
    layout.write(parameter, decodedWeight(stored.subarray(at), shape, precision), flat);
    at += storedSize(shape, precision);
  }
  return flat;
}
