/** A trained model as a folder for PyTorch, in the form that Hugging Face's Hub expects. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FeatureColumn } from '../../data/core/columns.js';
import { columnOf, numbersOf } from '../../data/core/feature-columns.js';
import type { Feature } from '../../data/core/preparation.js';
import { seriesStatics } from '../../data/forecast/series.js';
import { dataWidth, featuresOf, MARKERS, staticWidth } from '../../data/index.js';
import { elsewhereOf } from '../../math/cells/index.js';
import { predictsEachStep } from '../../math/model/heads.js';
import {
  cellOf,
  type DecoderSpec,
  encoderSize,
  headSizes,
  type LayerSpec,
  outputSizes,
  symbolInputs,
} from '../../math/model/spec.js';
import { Run } from '../../run/run.js';
import { encodeSafetensors, type Tensors } from '../../run/safetensors.js';
import type { Files, PredictorFormat, Source } from '../predictor.js';
import { loadedTensor, scriptsOf, startPython, storedTensors } from '../python.js';
import { type InputTensor, type Runtime, verify } from '../verify.js';
import { modelCard } from './card.js';
import { learningCurve } from './curve.js';

const CURVE = 'learning-curve.svg';
const CURVE_POINTS = 200;

export const pytorch: PredictorFormat = {
  files(source) {
    return new Map([
      ['model.safetensors', encodeSafetensors(source.weights as Tensors, { format: 'pt' })],
      ['config.json', text(`${JSON.stringify(settingsOf(source), null, 2)}\n`)],
      ['modeling.py', text(modelingOf(source))],
    ]);
  },
  verify: (files: Files, source) => verify(source, () => startTorch(files, source)),
  about: (source, verified) =>
    new Map([
      ['README.md', text(modelCard(source, verified, CURVE))],
      [CURVE, text(learningCurve(Run.open(source.saved.path).history(CURVE_POINTS)))],
    ]),
};

function text(content: string): readonly Uint8Array[] {
  return [Buffer.from(content)];
}

async function startTorch(files: Files, source: Source): Promise<Runtime | string> {
  const python = await startPython('pytorch', files);
  if (typeof python === 'string')
    return `python3 cannot import torch (${python}); install Python 3.9 or later with PyTorch`;
  return {
    name: `PyTorch ${python.version}`,
    async outputs({ x, static: statics, lengths, ...others }, continues) {
      const given = x
        ? { cells: cellsOf(source, { x, statics, lengths }), inputs: storedTensors(others) }
        : { inputs: storedTensors({ ...others, lengths }) };
      const found = await python.ask({ ...given, continues });
      return loadedTensor(['float32', [], found as string]).data as Float32Array;
    },
    close: python.close,
  };
}

/** A word that no data have. */
const NO_CATEGORY = '\uffff';

/** The cells of sequences as a program has them, from which `encode` makes the tensors again. */
function cellsOf(
  source: Source,
  { x, statics, lengths }: { readonly x: InputTensor; readonly [other: string]: InputTensor | undefined },
) {
  const { facts } = source;
  const columns = columnsRead(source);
  const cell = (value: number, i: number) => {
    const { encode, markers = [] } = columns[i] ?? {};
    const categories = facts.categories?.[i];
    if (Number.isNaN(value)) return (encode !== 'elapsed' && encode !== 'calendar' && markers.at(-1)) || null;
    return categories ? plainest(categories[value] ?? NO_CATEGORY, columns[i]) : value;
  };
  const row = ({ data, shape }: InputTensor, index: number, first: number) => {
    const width = shape.at(-1) ?? 1;
    return Array.from(data.subarray(index * width, (index + 1) * width) as Float32Array, (value, i) =>
      cell(value, first + i),
    );
  };
  const [count, steps, width] = x.shape;
  const names = [...(facts.columns ?? []), ...(facts.static_columns ?? [])];
  const named = (cells: readonly unknown[], first = 0) => {
    const entries = cells.map((value, i) => [names[first + i], value] as const);
    // a column may be read in several ways: its number says more than its category
    const isNumber = ([, value]: (typeof entries)[number]) => typeof value === 'number';
    return Object.fromEntries([...entries.filter(one => !isNumber(one)), ...entries.filter(isNumber)]);
  };
  const hasNames = names.length === width + (statics?.shape[1] ?? 0);
  const sequences = Array.from({ length: count }, (_, i) => {
    const fixed = statics && row(statics, i, width);
    return Array.from({ length: Number(lengths?.data[i]) }, (_, step) => {
      const own = row(x, i * steps + step, 0);
      return hasNames ? named([...own, ...(fixed ?? [])]) : own;
    });
  });
  const apart = statics && !hasNames && Array.from({ length: count }, (_, i) => row(statics, i, width));
  return { sequences, ...(apart && { static: apart }) };
}

/** A category as the value that a program has for it. */
function plainest(text: string, column: FeatureColumn | undefined): string | number | boolean {
  if (column?.suffix !== undefined) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}

/** `config.json`: the settings of the modules, and of preparation and predictions. */
function settingsOf(source: Source) {
  const { spec, facts, outputScaling } = source;
  const { columns: _, static_columns: __, categories: ___, ...others } = facts;
  const { decoder, steps, head, dropout } = spec;
  const encoder = spec.layers.slice(0, encoderSize(spec));
  const [{ module }] = encoder;
  const isList = module.startsWith('layers.');
  const embeddings = symbolInputs(spec).map(({ count, size }) => [count, size]);
  return {
    architectures: ['Model'],
    model_type: 'cellrun',
    ...others,
    ...(source.data.vocabulary && { has_unknown: source.data.vocabulary.has_unknown === true }),
    ...(source.data.input.kind === 'symbol' ? { embedding: embeddings[0] } : columnsOf(source, embeddings)),
    ...steps,
    module: isList ? 'layers' : module,
    layers: (isList ? encoder.map(layer => [layer]) : [encoder]).map(layers =>
      layerSettings(layers, dropout),
    ),
    dropout,
    ...(decoder && decoderSettings(source, decoder)),
    head,
    head_size: sum(headSizes(spec)),
    output_size: spec.outputSize,
    ...(outputScaling && { output_scaling: outputScaling }),
  };
}

/** The arguments of a module of torch.nn, or of `Stepwise`: layers differ in inputs alone. */
function layerSettings(layers: readonly LayerSpec[], dropout: number) {
  const [{ settings, inputSizes }] = layers;
  const { cell, hidden_size, bidirectional } = settings;
  const known = elsewhereOf(settings).pytorch(settings);
  if ('module' in known) {
    const sizes = { input_size: sum(inputSizes), hidden_size, num_layers: layers.length };
    return { module: known.module, ...sizes, bidirectional, dropout, ...known.arguments };
  }
  const shapesOf = (layer: LayerSpec) =>
    cellOf(layer)
      .parameters(sum(layer.inputSizes), settings)
      .map(({ name, shape }) => [name, shape]);
  return {
    cell,
    bidirectional,
    sizes: stateSizes(layers[0]),
    shapes: layers.map(layer => Object.fromEntries(shapesOf(layer))),
  };
}

function stateSizes(layer: LayerSpec): number[] {
  return cellOf(layer)
    .states(layer.settings)
    .map(({ size }) => size);
}

function decoderSettings({ spec, model: { run } }: Source, { firstLayer, ...decoder }: DecoderSpec) {
  const layers = spec.layers.slice(firstLayer);
  const [{ settings, module }] = layers;
  return {
    encoded_size: sum(outputSizes(spec, firstLayer - 1)),
    decoder: {
      module: module.slice(module.lastIndexOf('.') + 1),
      layers: layerSettings(layers, decoder.dropout),
      states: sum(layers.flatMap(stateSizes)),
      hidden_size: settings.hidden_size,
      num_layers: layers.length,
      symbols: decoder.symbols.count,
      embedding_size: decoder.symbols.size,
      attention: decoder.attention,
    },
    ...run.decode,
  };
}

/** The columns of steps and those of sequences, each with what is read of them. */
function columnsOf(source: Source, embeddings: readonly (readonly number[])[]) {
  const { data, scaling, facts } = source;
  const { preparation } = data;
  const count = dataWidth(data) - staticWidth(data);
  const names = [...(facts.columns ?? []), ...(facts.static_columns ?? [])];
  const columns = columnsRead(source).map((column, i) => ({
    ...(names[i] !== undefined && { name: names[i] }),
    ...preparation?.columns[i],
    ...(column && readingOf(column)),
  }));
  const features = preparation && featuresOf(preparation);
  const embedded = features?.filter(({ kind }) => kind === 'number') ?? [];
  let scaled = 0;
  const part = (first: number, end: number) => {
    const isOwn = ({ column }: Feature) => column >= first && column < end;
    const own = features?.filter(isOwn);
    const numbers = own ? own.filter(({ kind }) => kind !== 'number').length : end - first;
    const slice = (list: readonly number[]) => list.slice(scaled, scaled + numbers);
    const scaling_ = scaling?.features && {
      offset: slice(scaling.features.offset),
      scale: slice(scaling.features.scale),
    };
    scaled += numbers;
    return {
      columns: columns.slice(first, end),
      ...(own && { features: own.map(one => ({ ...one, column: one.column - first })) }),
      ...(scaling_ && { scaling: scaling_ }),
      embeddings: embedded.flatMap((one, i) => (isOwn(one) ? [i] : [])),
    };
  };
  return {
    steps: part(0, count),
    ...(columns.length > count && { static: part(count, columns.length) }),
    ...(embeddings.length > 0 && { embeddings }),
  };
}

/** How the cells of each column are read; undefined for numbers that are no cells of a file. */
function columnsRead({ model: { columns, experiment }, data }: Source): (FeatureColumn | undefined)[] {
  const { dataset } = experiment;
  const ofSeries = dataset.kind === 'forecast' ? seriesStatics(dataset).map(columnOf) : [];
  const described = columns?.columns ?? ofSeries;
  const numbers = numbersOf(described).map(({ column }) => described[column]);
  return [...Array<undefined>(dataWidth(data) - numbers.length).fill(undefined), ...numbers];
}

function readingOf({ encode, markers, suffix }: FeatureColumn) {
  return {
    ...(encode && { encode }),
    ...(markers && { markers: [...MARKERS, ...markers].filter(marker => marker !== '').map(String) }),
    ...(suffix !== undefined && { suffix }),
  };
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

/** `modeling.py`: the parts of a template that the model needs. */
function modelingOf({ spec, task, data, scaling, outputScaling, facts, model }: Source): string {
  const { decoder, steps } = spec;
  // a cell has one step, whatever the settings of its layers are
  const cells = new Map(
    spec.layers.flatMap(layer => {
      const { settings } = layer;
      const known = elsewhereOf(settings).pytorch(settings);
      return 'step' in known ? [[settings.cell, stepOf(layer, known.step)]] : [];
    }),
  );
  const isOfNumbers = data.input.kind === 'number';
  const isEach = predictsEachStep(spec.head);
  const parts: Readonly<Record<string, boolean>> = {
    stepwise: cells.size > 0,
    numbers: isOfNumbers,
    text: !isOfNumbers,
    features: data.preparation !== undefined,
    categories: data.preparation?.columns.some(({ categories }) => categories) === true,
    embedded: isOfNumbers && symbolInputs(spec).length > 0,
    static: staticWidth(data) > 0,
    scaling: (isOfNumbers && scaling?.features != null) || outputScaling !== undefined,
    input_scaling: isOfNumbers && scaling?.features != null,
    output_scaling: outputScaling !== undefined,
    stack: steps?.stack !== undefined,
    repeat: steps?.repeat !== undefined,
    carried: spec.carriesState,
    decoder: decoder !== undefined,
    attention: decoder !== undefined && decoder.attention !== 'none',
    single: !isEach,
    each: isEach,
    ctc: model.run.loss.kind === 'ctc',
    sequences: task === 'sequences',
    classes: task === 'classes',
    values: task === 'values' || task === 'labels',
    labels: task === 'labels',
    quantiles: facts.quantiles !== undefined,
    thresholds: facts.thresholds !== undefined,
    intervals: facts.intervals !== undefined,
  };
  const template = readFileSync(join(scriptsOf('pytorch'), 'modeling.py'), 'utf8');
  return partsOf(template, name => parts[name]).replace(/^# cells$/m, () =>
    [...cells.values()].join('\n\n\n'),
  );
}

/** A function for the step of a cell. */
function stepOf(layer: LayerSpec, lines: string): string {
  const states = cellOf(layer)
    .states(layer.settings)
    .map(({ name }) => name);
  return `def ${layer.settings.cell}(weights, x, ${states.join(', ')}):${lines}`;
}

/** Lines between `# if NAME` or `# if not NAME` and `# end` are those of a part. */
function partsOf(template: string, isNeeded: (name: string) => boolean): string {
  const open: boolean[] = [];
  const lines = template.split('\n').filter(line => {
    const [, not, name] = /^ *# if (not )?(\w+)$/.exec(line) ?? [];
    if (name !== undefined) open.push(isNeeded(name) !== (not !== undefined));
    else if (/^ *# end$/.test(line)) open.pop();
    else return open.every(Boolean);
    return false;
  });
  return lines.join('\n').replaceAll(/\n{3,}(?= )/g, '\n\n');
}
