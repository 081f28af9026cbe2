/** What the evaluations of tasks collect alike: places, texts, pictures, the worst items. */
import { readSound, spectrogram } from '../../data/audio/sounds.js';
import type { Dataset, Split, SplitName } from '../../data/core/dataset.js';
import { predictsEachStep } from '../../math/model/heads.js';
import type { PredictionPlace, RecordingPicture, WorstValue } from './document.js';
import type { PredictedSequence, Prediction, TaskModel } from './prediction.js';

/** Maximum classes or labels with listed scores, and targets with listed errors. */
export const MAX_SCORED = 1000;
/** Maximum numbers listed of a target and of its prediction. */
const MAX_NUMBERS = 100;

/** The fields that every evaluation has. */
type CommonField =
  | 'version'
  | 'kind'
  | 'split'
  | 'epoch'
  | 'step'
  | 'predictions'
  | 'loss'
  | 'constant'
  | 'example';

/** Predicts the sequences of a split with the model and the decisions of an evaluation. */
export type Predict = (split: Split, observe: (sequence: PredictedSequence) => void) => Promise<unknown>;

/** Collects what the evaluation of one task has besides the common fields. */
export interface TaskCollector<D extends { readonly kind: string }> {
  readonly kind: D['kind'];
  add(prediction: Prediction, sequence: PredictedSequence): void;
  /** Called before the predictions of a sequence that count. */
  addSequence?(sequence: PredictedSequence): void;
  fields(): Omit<D, CommonField>;
  /** Adds what further predictions show, of the test split at the end of a run. */
  complete?(document: D, predict: Predict): Promise<D>;
}

/** Collects for `split` of `dataset`. */
export type CollectorOf<D extends { readonly kind: string }> = (
  run: TaskModel,
  dataset: Dataset,
  split: SplitName,
) => TaskCollector<D>;

export function placeOf(
  { spec }: TaskModel,
  { index, id }: PredictedSequence,
  { step }: Prediction,
): PredictionPlace {
  return {
    index,
    ...(id !== undefined && { id }),
    ...(predictsEachStep(spec.head) && { step_in_sequence: step }),
  };
}

export function worstValue(
  target: readonly number[],
  point: readonly number[],
  absolute_error: number,
): Omit<WorstValue, keyof PredictionPlace> {
  return { target: target.slice(0, MAX_NUMBERS), prediction: point.slice(0, MAX_NUMBERS), absolute_error };
}

/** At most `most` numbers below `count`. */
export function evenlySpaced(count: number, most: number): ReadonlySet<number> {
  const length = Math.min(count, most);
  return new Set(Array.from({ length }, (_, i) => Math.floor((i * count) / length)));
}

/** Symbols shown before and after a mistake, and of a sequence with one prediction. */
const SHOWN = { word: [8, 5, 30], character: [60, 20, 150] } as const;

/** The beginning of an input of symbols. */
export function inputText(dataset: Dataset, split: Split | undefined, index: number): string | undefined {
  return contextOf(dataset, split, index, { step: undefined, label: 0 })?.at;
}

/** @param step undefined if there is one prediction per sequence */
export function contextOf(
  { vocabulary, classLabels }: Dataset,
  split: Split | undefined,
  index: number,
  { step, label }: { readonly step: number | undefined; readonly label: number },
): SymbolContext | undefined {
  const symbols = split?.symbols?.(index);
  if (symbols === undefined) return undefined;
  const { level = null } = vocabulary ?? {};
  const isWords = level === 'word' || level === null;
  const [before, after, whole] = SHOWN[isWords ? 'word' : 'character'];
  const text = (from: number, to: number): string => {
    const joined = symbols.slice(Math.max(0, from), to).join(isWords ? ' ' : '');
    return level === 'byte' ? Buffer.from(joined, 'latin1').toString() : joined;
  };
  if (step === undefined) return { before: '', at: text(0, whole), after: '' };
  // a language model predicts the symbol after the one that it reads
  const isNext = vocabulary !== undefined && classLabels === vocabulary.symbols;
  const at = isNext ? step + 1 : step;
  const gap = isWords ? ' ' : '';
  return {
    before: `${text(at - before, at)}${at > 0 ? gap : ''}`,
    at: isNext ? classLabels[label] : symbols[step],
    after: `${at + 1 < symbols.length ? gap : ''}${text(at + 1, at + 1 + after)}`,
  };
}

/** What a model of symbols read, as text. */
interface SymbolContext {
  readonly before: string;
  readonly at: string;
  readonly after: string;
}

/** Size of the spectrogram of a recording. */
const MAX_COLUMNS = 300;
const BANDS = 40;

/** The recording of a sequence as a picture; empty for other data, or if its file has gone. */
export function pictureOf(
  split: Split | undefined,
  index: number,
): { readonly recording?: RecordingPicture } {
  const part = split?.recording?.(index);
  const sound = part && readSound(part);
  if (!sound) return {};
  const { name: file, start, end } = part;
  return {
    recording: {
      file,
      ...(start !== undefined && { start }),
      ...(end !== undefined && { end }),
      seconds: sound.samples.length / sound.rate,
      bands: BANDS,
      spectrogram: Buffer.from(spectrogram(sound, BANDS, MAX_COLUMNS)).toString('base64'),
    },
  };
}

const MAX_WORST = 24;

/** Keeps the few worst items. */
export class Worst<T> {
  /** Worst first; ties in order of arrival. */
  private readonly kept: { readonly badness: number; readonly item: T }[] = [];

  constructor(private readonly most = MAX_WORST) {}

  /** Calls `make` if the item is among the worst so far. NaN is worse than infinity. */
  offer(badness: number, make: () => T): void {
    const worse = (a: number, b: number) => (Number.isNaN(a) ? !Number.isNaN(b) : a > b);
    const { kept, most } = this;
    if (kept.length === most && !worse(badness, kept[most - 1].badness)) return;
    const at = kept.findIndex(other => worse(badness, other.badness));
    kept.splice(at < 0 ? kept.length : at, 0, { badness, item: make() });
    if (kept.length > most) kept.pop();
  }

  get items(): readonly T[] {
    return this.kept.map(({ item }) => item);
  }
}

export interface Spread {
  add(prediction: Prediction): void;
  /** False if the targets do not vary. */
  readonly isConstant: boolean;
}

/** Outputs that vary by less than this fraction of their targets' range count as constant. */
const MIN_FRACTION = 0.01;

/** Of numbers: true if each output varies by less than 1 % of its targets' range. */
export function rangeSpread(numbersOf: (prediction: Prediction) => ArrayLike<number>): Spread {
  /** For each output, the smallest and the largest prediction, and target. */
  const ranges: [least: number, most: number, leastTarget: number, mostTarget: number][] = [];
  return {
    add(prediction) {
      const predicted = numbersOf(prediction);
      for (let i = 0; i < prediction.target.length; i++) {
        const [a, b, c, d] = ranges[i] ?? [Infinity, -Infinity, Infinity, -Infinity];
        const [output, target] = [predicted[i], prediction.target[i]];
        ranges[i] = [Math.min(a, output), Math.max(b, output), Math.min(c, target), Math.max(d, target)];
      }
    },
    get isConstant() {
      const varied = ranges.filter(([, , least, most]) => most > least);
      return varied.length > 0 && varied.every(([a, b, c, d]) => b - a < MIN_FRACTION * (d - c));
    },
  };
}

/** Of sequences of symbols: true if all predictions are the same. */
export function sequenceSpread(): Spread {
  /** Up to two different ones. */
  const [predicted, targets] = [new Set<string>(), new Set<string>()];
  return {
    add({ point, target }) {
      if (predicted.size < 2) predicted.add(point.join());
      if (targets.size < 2) targets.add(target.join());
    },
    get isConstant() {
      return predicted.size === 1 && targets.size > 1;
    },
  };
}
