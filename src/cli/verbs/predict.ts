/** `predict RUN`: prints a checkpoint's predictions as they are computed, or generates text. */

import { JoinedDoubts, newSequenceFiles, rawSamples } from '../../data/index.js';
import { MAX_RATE } from '../../data/reading/facts.js';
import { thresholdsOfMean } from '../../predict/ensemble.js';
import { explaining } from '../../predict/explain.js';
import { GENERATED_LENGTH } from '../../predict/generate.js';
import {
  classFields,
  type Fields,
  jsonLine,
  known,
  MAX_PROBABILITIES,
  type PredictionStyle,
} from '../../predict/lines.js';
import { loadModel, type Model, openMembers, type Predicted } from '../../predict/model.js';
import { openModel, openWithData, openWithoutData, type SavedModel } from '../../predict/open.js';
import {
  type ClassPrediction,
  type Prediction,
  type PredictionForm,
  type SequencePrediction,
  type SymbolsPrediction,
  textOfSymbols,
  type ValuePrediction,
} from '../../predict/predictions.js';
import { nonFiniteName } from '../../run/json.js';
import { predictingRuns } from '../../sweep/results.js';
import { type Diagnostic, EXIT, type ExitCode } from '../../util/errors.js';
import { csvLine } from '../../util/table.js';
import { printable } from '../../util/words.js';
import type { Block } from '../../view/blocks.js';
import {
  hintingAtMovedData,
  hintingAtSkip,
  onError,
  openInput,
  openSamples,
  rejections,
  TOGETHER,
} from '../command/input.js';
import {
  choice,
  count,
  defineVerb,
  flag,
  integer,
  list,
  number,
  refuseGiven,
  savedModel,
  seed,
  text,
  type Values,
} from '../command/verb.js';
import { formatDiagnostics, MAX_ALIKE } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { textOf, widthOf } from '../terminal/text.js';

const options = {
  input: list(
    '<file>',
    "predict new sequences in the format of the run's data, without labels: a file, a folder or a pattern; - is standard input",
  ).with({ conflicts: ['split'] }),
  lines: flag('each line of a text is a sequence of its own, such as a prompt').with({
    conflicts: ['split'],
    requires: 'input',
  }),
  rate: integer(
    '<hz>',
    'standard input is a live recording: samples of signed 16 bits, little-endian, of one channel, this many a second, without a header. Prints each symbol, or each new class, as soon as it is heard',
    { min: 1, max: MAX_RATE },
  ).with({ conflicts: ['split', 'lines', 'onError'], requires: 'input' }),
  split: choice(
    '<name>',
    ['test', 'validation', 'train'],
    'dataset split (default: test; a forecasting model continues the series of its data instead)',
  ),
  onError,
  format: choice(
    '<format>',
    ['jsonl', 'csv', 'chart'],
    'output format; chart draws each forecast after the series that it continues',
  ).default('jsonl'),
  top: count(
    '<k>',
    'print the k most probable classes instead of all probabilities, or the k best sequences that a beam of at least k finds',
  ),
  explain: flag('add what each feature and step contributes to each prediction; after `explain`').with({
    conflicts: ['format', 'generate', 'rate'],
  }),
  alignment: flag('print the step of the input at which each symbol of a predicted sequence is read'),
  raw: flag('csv: do not escape text that spreadsheets interpret as a formula (=…, @…, +a, -a)'),
  limit: count('<n>', 'predict only the first n sequences'),
  generate: flag('generate text with a language model').with({
    conflicts: ['input', 'lines', 'rate', 'split', 'onError', 'format', 'top', 'alignment', 'limit', 'set'],
  }),
  prompt: text('<text>', 'start of the generated text (default: empty)').with({ requires: 'generate' }),
  length: count('<n>', `number of symbols to generate (default: ${GENERATED_LENGTH})`).with({
    requires: 'generate',
  }),
  temperature: number(
    '<t>',
    'sampling temperature: below 1 favors likely symbols, 0 selects the most likely one (default: 1)',
    0,
  ).with({ requires: 'generate' }),
  seed: seed.default(0).with({ requires: 'generate' }),
  ...savedModel,
};

type PredictOptions = Values<typeof options>;

export const verb = defineVerb({
  arguments: '<runs...>',
  options,
  help: TOGETHER,
  async action([paths], options, { io }) {
    const { input, rate, limit = Number.POSITIVE_INFINITY, explain, lines, alignment, format } = options;
    const { runs, thresholds: chosen } = predictingRuns(paths);
    if (options.generate) return generate(runs, options, io);
    if (runs.length > 1) {
      const message = 'predictions of several models together are not explained';
      refuseGiven({ explain }, { code: 'predict/explain', message, expected: 'one run' });
    }
    const all = runs.map(run => openModel(run, options));
    const [saved] = all;
    const thresholds = thresholdsOfMean(all, chosen, warning => io.err(`warning: ${warning}\n`));
    const { dataset, loss, model } = saved.loaded.experiment;
    /** Refuses options that are only for models trained on datasets of `kind`. */
    const onlyFor = (kind: string, given: Readonly<Record<string, unknown>>) => {
      const message = `this is for models trained on \`dataset.kind: ${kind}\`, not \`${dataset.kind}\``;
      if (dataset.kind !== kind) refuseGiven(given, { code: 'predict/kind', message });
    };
    onlyFor('text', { lines });
    onlyFor('audio', { rate });
    if (dataset.kind !== 'forecast') {
      const message = `only forecasts are drawn, not the predictions of \`dataset.kind: ${dataset.kind}\``;
      refuseGiven({ format: format === 'chart' }, { code: 'cli/chart', message, expected: 'jsonl | csv' });
    }
    if (loss.kind !== 'ctc' && (model.decoder?.attention ?? 'none') === 'none') {
      const message = 'this is for models with loss ctc or a decoder with attention';
      refuseGiven({ alignment }, { code: 'predict/alignment', message });
    }
    // without a split, a forecast begins at the end of the run's data
    const isFuture = input.length === 0 && options.split === undefined && dataset.kind === 'forecast';
    const isSplit = input.length === 0 && !isFuture;
    const { split = 'test' } = options;
    const print = async (predict: (model: Model) => Predicted) => {
      const open = isSplit ? openWithData : openWithoutData;
      const openOne = async (one: SavedModel) => {
        const opened = await open(one, options);
        return explain ? explaining(opened, one.path) : opened;
      };
      const model = await openMembers(all, openOne, isSplit ? split : undefined, thresholds);
      try {
        return await writeLines(predict(model), options, io);
      } finally {
        await model.close();
      }
    };
    if (rate !== undefined) {
      const samples = rawSamples(openSamples(input, io));
      const printed = await print(model => model.ofSamples(samples, rate));
      if (printed === 0)
        io.err('warning: <stdin>: no prediction: there are no samples, or no symbol in them\n');
      return EXIT.done;
    }
    if (isSplit) {
      await hintingAtMovedData(() => print(model => model.ofSplit(split, limit)));
      return EXIT.done;
    }
    const { state, onRejected, tell } = rejections(io, options.onError);
    const sources = isFuture
      ? await hintingAtMovedData(() => newSequenceFiles(dataset, [dataset.path]))
      : await openInput(saved, input, io);
    const predicted = await hintingAtSkip(() =>
      print(model => model.ofSources(async () => sources, { lines, onRejected })),
    );
    if (state.count === 0) {
      const names = sources.length === 1 ? printable(sources[0].name) : `${sources.length} files`;
      if (predicted === 0) io.err(`warning: ${names}: there are no sequences to predict\n`);
      return EXIT.done;
    }
    tell(predicted);
    return predicted === 0 ? EXIT.damaged : EXIT.done;
  },
});

/** Prints the prompt and its continuation, symbol by symbol. */
async function generate(
  runs: readonly string[],
  { prompt = '', length, temperature, seed, checkpoint, weights, backend, threads }: PredictOptions,
  io: Io,
): Promise<ExitCode> {
  const model = await loadModel(runs, { checkpoint, weights, backend, threads });
  try {
    // not before the first symbol: the prompt may be refused
    let start = prompt;
    for await (const text of model.generateText(prompt, { length, temperature, seed })) {
      io.data(start + text);
      start = '';
      if (io.outClosed?.aborted) break;
      await io.drained?.();
    }
    io.data(`${start}\n`);
    return EXIT.done;
  } finally {
    await model.close();
  }
}

/** Writes a line for each prediction, or a line for each step as csv. @returns their number */
async function writeLines(
  { form, batches }: Predicted,
  { format, alignment, raw, limit = Number.POSITIVE_INFINITY }: PredictOptions,
  io: Io,
): Promise<number> {
  const spelled = (value: number | string | null) =>
    typeof value === 'number' ? (nonFiniteName(value) ?? value) : value;
  let hasHeader = false;
  const style = { ...form, showsAlignment: alignment };
  const csv = (sequence: SequencePrediction): string =>
    csvRecords(style, sequence)
      .map(record => {
        const header = hasHeader ? '' : csvLine(Object.keys(record), raw);
        hasHeader = true;
        return header + csvLine(Object.values(record).map(spelled), raw);
      })
      .join('');
  const chart = (sequence: SequencePrediction): string => {
    const screen = { width: widthOf(io), color: io.color.out, unicode: io.unicode ?? false };
    return textOf(forecastCharts(sequence, form), screen);
  };
  const warnings = new Warnings();
  let written = 0;
  try {
    for await (const predictions of batches) {
      const shown = predictions.slice(0, limit - written);
      const line = (sequence: SequencePrediction) =>
        format === 'csv' ? csv(sequence) : format === 'chart' ? chart(sequence) : jsonLine(style, sequence);
      io.data(shown.map(line).join(''));
      warnings.add(shown.flatMap(prediction => prediction.warnings ?? []));
      written += shown.length;
      if (written >= limit || io.outClosed?.aborted) break;
      await io.drained?.();
    }
  } finally {
    io.err(warnings.formatted(io.color.err));
  }
  return written;
}

/** Charts of a forecast: the series that the model read, the forecast, and its interval. */
function forecastCharts(sequence: SequencePrediction, form: PredictionForm): Block[] {
  return Array.from({ length: form.size }, (_, target) => chartOf(sequence, form, target));
}

/** Steps are counted from the last one that the model read. */
function chartOf(
  { id, history = new Float64Array(), predictions }: SequencePrediction,
  { quantiles, coverage, size, targetNames }: PredictionForm,
  target: number,
): Block {
  const steps = predictions.filter(
    (prediction): prediction is ValuePrediction => prediction.kind === 'value',
  );
  const line = (
    label: string,
    name: string,
    numbersOf: (step: ValuePrediction) => ArrayLike<number> | undefined,
  ) => {
    const points = steps.map((step, i) => ({ x: i + 1, y: numbersOf(step)?.[target] ?? Number.NaN }));
    return { label, name, points: points.filter(({ y }) => Number.isFinite(y)) };
  };
  const levels = [...quantiles.keys()].sort((a, b) => quantiles[a] - quantiles[b]);
  const bounds = levels.length > 1 && !coverage ? [levels[0], levels[levels.length - 1]] : [];
  const ends = coverage ? (['lower', 'upper'] as const) : [];
  const length = history.length / size;
  const past = Array.from({ length }, (_, i) => ({ x: i + 1 - length, y: history[i * size + target] }));
  const drawn = [
    { label: 'y', name: 'series', points: past.filter(({ y }) => Number.isFinite(y)) },
    ...bounds.map((k, i) => line('lu'[i], `quantile ${quantiles[k]}`, step => step.quantiles[k])),
    ...ends.map(end => line(end[0], `${end} end`, step => step.interval?.[end])),
    line('t', 'target', step => step.target),
    line('f', 'forecast', step => step.values),
  ].filter(({ points }) => points.length > 0);
  const [first, last] = [steps[0]?.time, steps[steps.length - 1]?.time];
  const ofTarget = targetNames && size > 1 ? ` of ${targetNames[target]}` : '';
  const what = `forecast${ofTarget}${first === undefined ? '' : ` from ${first} to ${last}`}`;
  const legend = drawn.map(({ label, name }) => `${label} ${name}`).join(', ');
  const title = `${id === undefined ? '' : `${id}: `}${what} (${legend})`;
  return { kind: 'chart', title, axis: 'steps', lines: drawn };
}

/** Warnings of a stream: those that are shown, and the number of others. */
class Warnings {
  private readonly shown: Diagnostic[] = [];
  private readonly doubts = new JoinedDoubts();
  private readonly counts = new Map<string, number>();
  private left = 0;

  add(warnings: readonly Diagnostic[]): void {
    for (const warning of warnings) {
      if (this.doubts.take(warning)) continue;
      const count = (this.counts.get(warning.code) ?? 0) + 1;
      this.counts.set(warning.code, count);
      if (count <= MAX_ALIKE) this.shown.push(warning);
      else this.left++;
    }
  }

  /** Empty if there are none. */
  formatted(color: boolean): string {
    const { left } = this;
    const shown = [...this.shown, ...this.doubts.all];
    return shown.length === 0 ? '' : formatDiagnostics(shown, { color, severity: 'warning', left });
  }
}

/** One record for each step. All have the same columns. */
export function csvRecords(style: PredictionStyle, { index, id, predictions }: SequencePrediction): Fields[] {
  return predictions.map(prediction => ({
    index,
    ...(style.hasIds && { id: id ?? null }),
    ...(style.perStep && { step: prediction.step }),
    ...(style.hasTimes && { time: prediction.time ?? null }),
    ...(style.hasSymbols && { symbol: prediction.symbol ?? null }),
    ...columnsOf(prediction, style),
  }));
}

function columnsOf(prediction: Prediction, style: PredictionStyle): Fields {
  if (prediction.kind === 'class') return classColumns(prediction, style);
  return prediction.kind === 'value' ? valueColumns(prediction, style) : symbolColumns(prediction, style);
}

function symbolColumns(
  { text, probability, top, alignment, target }: SymbolsPrediction,
  { top: count = 0, showsAlignment, targetLevel }: PredictionStyle,
): Fields {
  const ranked = Array.from({ length: count }, (_, i) => [
    [`top_${i + 1}`, top.at(i)?.text ?? null],
    [`top_${i + 1}_probability`, top.at(i)?.probability ?? Number.NaN],
  ]);
  return {
    predicted: text,
    probability,
    ...(showsAlignment && { alignment: alignment?.join(' ') ?? null }),
    ...(target && { target: textOfSymbols(target, targetLevel) }),
    ...Object.fromEntries(ranked.flat()),
  };
}

function classColumns(prediction: ClassPrediction, style: PredictionStyle): Fields {
  const { top, classNames, size } = style;
  const { top: ranked = [] } = prediction;
  const fields: Record<string, number | string | null> = {
    ...classFields(prediction, style),
    ...(prediction.set && { set: prediction.set.map(k => classNames?.[k] ?? k).join(' ') }),
  };
  if (top !== undefined) {
    for (let rank = 1; rank <= Math.min(top, size); rank++) {
      const rankedClass = ranked.at(rank - 1);
      fields[`top_${rank}`] = rankedClass?.class ?? null;
      if (classNames) fields[`top_${rank}_name`] = rankedClass?.name ?? null;
      fields[`top_${rank}_probability`] = rankedClass?.probability ?? Number.NaN;
    }
  } else if (size <= MAX_PROBABILITIES) {
    for (const [k, probability] of prediction.probabilities.entries())
      fields[`probability_${classNames?.[k] ?? k}`] = probability;
  }
  return fields;
}

function valueColumns(
  { values, quantiles, interval, applies, target, disagreement }: ValuePrediction,
  style: PredictionStyle,
): Fields {
  const numbers = (name: string, of: ArrayLike<number | null>) =>
    Array.from(of, (value, i) => [`${name}_${style.targetNames?.[i] ?? i}`, value] as const);
  return Object.fromEntries([
    ...numbers('predicted', values),
    ...style.quantiles.flatMap((level, k) => numbers(`quantile_${level}`, quantiles[k])),
    ...(interval ? [...numbers('lower', interval.lower), ...numbers('upper', interval.upper)] : []),
    ...(applies
      ? numbers(
          'applies',
          applies.map(label => (label === null ? null : Number(label))),
        )
      : []),
    ...(disagreement ? numbers('disagreement', disagreement) : []),
    ...(target ? numbers('target', Array.from(target, known)) : []),
  ]);
}
