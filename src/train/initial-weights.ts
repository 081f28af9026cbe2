/** Initial weights: random ones, those of a file, or those of another run (`model.init_from`). */

import { type Experiment, fileDigest, type LoadedExperiment, locateInConfig } from '../config/index.js';
import type { DatasetContext, Vocabulary } from '../data/index.js';
import { fs } from '../host/index.js';
import { shapeText } from '../math/graph/shape.js';
import { type Parameter, ParameterLayout } from '../math/model/parameters.js';
import { initialWeightsOf } from '../math/model/settings.js';
import type { ModelSpec } from '../math/model/spec.js';
import type { LoadedWeights, Manifest } from '../run/manifest.js';
import { Run } from '../run/run.js';
import { readSafetensors, type Tensor, type Tensors } from '../run/safetensors.js';
import { type Diagnostic, damagedErrors, UserError, usageError, usageErrors } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { listed } from '../util/words.js';
import { fittedBy } from './changes.js';
import { namedBy, nameMatcher, unknownNames } from './groups.js';
import { finiteValues, weightsAlone, weightsChanged, weightsOfRun } from './weights.js';

export interface InitialWeights {
  /** Flat, without padding. */
  readonly parameters: Float32Array;
  /** Where they are from; absent if all are random. */
  readonly loaded?: LoadedWeights;
}

/**
 * PyTorch's default initialization, and in its place the weights of `model.init_from`.
 * @param vocabulary that of the data, which a run must share if its embedding is loaded
 */
export function initialWeights(
  loaded: LoadedExperiment,
  spec: ModelSpec,
  vocabulary?: Vocabulary,
): InitialWeights {
  const { seed, model } = loaded.experiment;
  const layout = new ParameterLayout(spec);
  const parameters = new Float32Array(layout.size);
  layout.initialise(parameters, RandomStream.of(seed, 'model/init'));
  const from = initialWeightsOf(model);
  if (from === undefined) return { parameters };
  try {
    const { only, skip = [] } = from;
    const problems = unknownNames(loaded, layout, [
      [['model', 'init_from', 'only'], only ?? []],
      [['model', 'init_from', 'skip'], skip],
    ]);
    const [isChosen, isSkipped] = [namedBy(only ?? ['*']), namedBy(skip)];
    const chosen = layout.parameters.filter(({ name }) => isChosen(name) && !isSkipped(name));
    if (chosen.length === 0)
      problems.push(
        loaded.locator.atKey(['model', 'init_from'], 'config/init-from', 'no parameter is left to load', {
          expected: '`only` and `skip` that leave some of the parameters',
        }),
      );
    if (problems.length > 0) throw usageErrors(problems);
    const source = sourceOf(from.path);
    const trainedOn = source.manifest?.data.vocabulary;
    if (
      from.vocabulary === undefined &&
      chosen.some(({ name }) => name === 'embedding.weight') &&
      trainedOn &&
      vocabulary &&
      JSON.stringify(trainedOn.symbols) !== JSON.stringify(vocabulary.symbols)
    )
      throw usageError('weights/vocabulary', 'the symbols of this run are not those of the data', {
        file: from.path,
        expected: '`init_from.vocabulary`, or `init_from.skip: [embedding.*]`',
      });
    const tensors = renamed(source, from.rename ?? [], layout);
    const isPartial = typeof model.init_from === 'object';
    const known = from.vocabulary === 'extend' ? source.manifest?.data.vocabulary?.symbols.length : undefined;
    const read = load(source.file, tensors, chosen, { layout, parameters, isPartial, known });
    const [then, now] = [loaded.weightsDigest, fileDigest(from.path)];
    if (then === undefined || then !== now) throw damagedErrors([weightsChanged(from.path, then, now)]);
    const random = layout.parameters.filter(parameter => !chosen.includes(parameter)).map(({ name }) => name);
    const { run_id } = source.manifest ?? {};
    const origin = {
      name: from.path,
      sha256: then,
      ...(run_id !== undefined && { run_id, run_step: source.step }),
    };
    return { parameters, loaded: { ...origin, loaded: chosen.length, random, unused: read.unused } };
  } catch (error) {
    throw error instanceof UserError ? locateInConfig(error, loaded) : error;
  }
}

/** What a new run keeps of the run that its weights are from. */
export function inheritedBy(
  model: Experiment['model'],
): Pick<DatasetContext, 'preparation' | 'scaling' | 'vocabulary' | 'extendedVocabulary'> {
  const { path, vocabulary: kept, scaling: scaled } = initialWeightsOf(model) ?? {};
  if (path === undefined || (kept === undefined && scaled === undefined)) return {};
  const key = kept === undefined ? 'scaling' : 'vocabulary';
  const refused = (message: string) =>
    usageError('config/init-from', message, { file: path, expected: `a run, or no \`init_from.${key}\`` });
  if (!isFolder(path)) throw refused('this is a file of weights, which has no vocabulary and no scaling');
  const run = Run.open(path);
  run.directory.refuseLostManifest();
  const { preparation, scaling, vocabulary } = fittedBy(run.manifest);
  if (kept !== undefined && vocabulary === undefined) throw refused('this run has no vocabulary');
  if (scaled !== undefined && (scaling === undefined || run.manifest?.data.series_scaling !== undefined))
    throw refused('this run has no scaling that other data could keep');
  return {
    ...(scaled && { preparation, scaling }),
    ...(kept === 'keep' && { vocabulary }),
    ...(kept === 'extend' && { extendedVocabulary: vocabulary }),
  };
}

function isFolder(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

interface Source {
  readonly file: string;
  readonly tensors: Tensors;
  /** Of the run; absent for a file. */
  readonly manifest?: Manifest;
  readonly step?: number;
}

function sourceOf(path: string): Source {
  if (!isFolder(path)) {
    const { tensors } = readSafetensors(path);
    return { file: path, tensors: weightsAlone(tensors, 'trained') };
  }
  const run = Run.open(path);
  run.directory.refuseLostManifest();
  const { manifest } = run;
  if (manifest === undefined || run.summary === undefined)
    throw usageError('weights/unfinished', `this run is not finished: it is ${run.state}`, {
      file: path,
      expected: 'a finished run, or one of its checkpoints',
    });
  const { file, tensors, weights, step } = weightsOfRun(run, run.experiment().experiment);
  return { file, tensors: weightsAlone(tensors, weights), manifest, step };
}

interface Rename {
  readonly from: string;
  readonly to: string;
}

/** With the names of this model. Without rules, all names may share a prefix, such as `model.`. */
function renamed({ file, tensors }: Source, rules: readonly Rename[], layout: ParameterLayout): Tensors {
  const prefix = rules.length > 0 ? '' : commonPrefix(tensors, layout);
  const matchers = rules.map(({ from, to }) => [nameMatcher(from), to] as const);
  const nameOf = (name: string): string => {
    for (const [matcher, to] of matchers) {
      const texts = matcher.exec(name)?.slice(1);
      if (texts) return to.replaceAll('*', () => texts.shift() ?? '');
    }
    return name.startsWith(prefix) ? name.slice(prefix.length) : name;
  };
  const found = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const to = nameOf(name);
    if (found.has(to)) {
      const message = `two tensors are named '${to}', one of them '${name}'`;
      throw usageError('weights/renamed', message, { file, expected: 'rules that keep names apart' });
    }
    found.set(to, tensor);
  }
  return found;
}

/** The prefix of the first weight in the file; empty if it has none or is missing. */
function commonPrefix(tensors: Tensors, layout: ParameterLayout): string {
  const [{ name: first }] = layout.parameters;
  if (tensors.has(first)) return '';
  return [...tensors.keys()].find(name => name.endsWith(`.${first}`))?.slice(0, -first.length) ?? '';
}

interface Destination {
  readonly layout: ParameterLayout;
  readonly parameters: Float32Array;
  /** True if the file may have other tensors as well. */
  readonly isPartial: boolean;
  /** Symbols that the weights know, if the vocabulary has more of them now. */
  readonly known: number | undefined;
}

/** Reports everything that does not fit at once. Returns the names that no parameter has. */
function load(
  file: string,
  tensors: Tensors,
  chosen: readonly Parameter[],
  to: Destination,
): { readonly unused: readonly string[] } {
  const { layout, parameters, isPartial } = to;
  const names = new Set(layout.parameters.map(({ name }) => name));
  const unused = [...tensors.keys()].filter(name => !names.has(name)).sort();
  const problems = chosen.flatMap(parameter => misfit(file, tensors, parameter, to) ?? []);
  if (!isPartial && unused.length > 0)
    problems.push({
      code: 'weights/surplus',
      file,
      message: `the file has weights that the model does not have: ${unused.join(', ')}`,
      expected: 'a model with all weights of the file, or `init_from: { path }`, which leaves them out',
    });
  else if (problems.length > 0 && unused.length > 0)
    problems[0] = { ...problems[0], message: `${problems[0].message}; the file also has ${listed(unused)}` };
  if (problems.length > 0) throw usageErrors(problems);
  for (const parameter of chosen) {
    const tensor = tensors.get(parameter.name);
    const values = layout.read(parameter, parameters);
    // of more symbols, the first ones
    if (tensor) values.set(finiteValues(file, parameter.name, tensor));
    else values.fill(0);
    layout.write(parameter, values, parameters);
  }
  return { unused };
}

function misfit(
  file: string,
  tensors: Tensors,
  { name, shape }: Parameter,
  { isPartial, known }: Destination,
): Diagnostic | undefined {
  const tensor = tensors.get(name);
  // a layer with a single bias: the other one of PyTorch's pair is zero
  if (tensor === undefined && isPartial && tensors.has(otherBias(name))) return undefined;
  const has = tensor && [...tensor.shape];
  const types: readonly string[] = ['F32', 'F64'];
  if (has && types.includes(tensor.dtype)) {
    const [rows] = shape;
    const grows = known !== undefined && has[0] === known && rows > known;
    if (has.join() === shape.join() || (grows && [rows, ...has.slice(1)].join() === shape.join()))
      return undefined;
  }
  return {
    code: 'weights/unfit',
    file,
    message: `the tensor '${name}' does not fit the model`,
    expected: `F32 or F64 ${shapeText(shape)}, or \`init_from.skip\` with this parameter`,
    got: has ? `${tensor.dtype} ${shapeText(has)}` : 'nothing',
  };
}

/** The name itself for other parameters. */
function otherBias(name: string): string {
  return name.replace(/bias_(ih|hh)/, (_, kind) => `bias_${kind === 'ih' ? 'hh' : 'ih'}`);
}
