/** Continues symbols and texts with a language model. */
import type { DataRecord } from '../data/core/record.js';
import { decodeText, encodeText, UNKNOWN, UnknownSymbol } from '../data/core/vocabulary.js';
import { usageError, usageErrors } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import type { PredictionForm } from './predictions.js';
import { symbolsOf } from './sequence-predictor.js';
import type { Session } from './session.js';

export const GENERATED_LENGTH = 500;

export interface GenerateOptions {
  /** Number of symbols to draw, 0 or more. Default: 500. */
  readonly length?: number | undefined;
  /**
   * Divisor of the outputs before the softmax: values below 1 make likely symbols more likely; 0
   * takes the most likely symbol (the first of equal ones). Default: 1.
   */
  readonly temperature?: number | undefined;
  /** Seed of the random draws. Default: 0. */
  readonly seed?: number | undefined;
}

/** A model, and how to start a session of it. */
interface Generative {
  readonly data: DataRecord;
  readonly form: PredictionForm;
  session(): Session;
}

/**
 * @throws UserError (exit 2) if the model does not predict the next symbol at each step
 * @throws UserError (exit 5) if the model does not have a symbol of the prompt
 */
export function continueSymbols(
  model: Generative,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<number> {
  const symbols = symbolsOf(model);
  const excluded = model.data.vocabulary && UNKNOWN;
  return generateSymbols(model.session(), { symbols, excluded }, prompt, options);
}

/**
 * Piece by piece.
 * @throws UserError (exit 2) if the model does not predict the next symbol at each step, its
 *   symbols are not text, or it has not learned to read a symbol of the prompt
 */
export async function* continueText(
  model: Generative,
  prompt: string,
  options: GenerateOptions,
): AsyncGenerator<string> {
  const { vocabulary } = model.data;
  symbolsOf(model);
  if (vocabulary === undefined) {
    throw usageError('model/no-vocabulary', 'the symbols of this model are numbers, not text', {
      expected: '`generate` of the library, with numbers',
    });
  }
  let numbers: number[];
  try {
    numbers = encodeText(prompt, vocabulary);
  } catch (error) {
    if (!(error instanceof UnknownSymbol)) throw error;
    const message = `the prompt has a symbol that the model cannot read: ${error.message}`;
    throw usageErrors([{ ...error.problem, message }]);
  }
  yield* decodeText(continueSymbols(model, numbers, options), vocabulary, numbers.length > 0);
}

/**
 * Continues the symbols of `prompt`, which are not yielded. Without a prompt, the first symbol is
 * drawn uniformly.
 * @param session a new session of a model whose classes are its input symbols, 0 to `symbols` - 1
 * @param excluded symbol that is never drawn: the one for unknown symbols has no text
 * @throws UserError (exit 5) if the model does not have a symbol of the prompt
 */
async function* generateSymbols(
  session: Session,
  { symbols, excluded }: { readonly symbols: number; readonly excluded: number | undefined },
  prompt: readonly number[],
  { length = GENERATED_LENGTH, temperature = 1, seed = 0 }: GenerateOptions,
): AsyncGenerator<number> {
  if (!(length >= 0 && temperature >= 0))
    throw usageError('model/generate-options', '`length` and `temperature` must be at least 0');
  const random = RandomStream.of(seed, 'predict/generate');
  let logits: Float32Array | undefined;
  for (const symbol of prompt) logits = await next(session, symbol);
  for (let made = 0; made < length; made++) {
    logits ??= new Float32Array(symbols);
    if (excluded !== undefined) logits[excluded] = Number.NEGATIVE_INFINITY;
    const symbol = drawClass(logits, temperature, random.uniform());
    yield symbol;
    if (made + 1 < length) logits = await next(session, symbol);
  }
}

async function next(session: Session, symbol: number): Promise<Float32Array> {
  const prediction = await session.step(symbol);
  if (prediction.kind === 'class') return prediction.logits;
  throw new Error('a language model predicts classes');
}

/**
 * Returns the first class k with P_0 + … + P_k > u, where P is the softmax of z / temperature.
 * @param logits z, `[C]`; with NaN, the result is meaningless
 * @param u uniform in [0, 1)
 */
export function drawClass(logits: Float32Array, temperature: number, u: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (temperature === 0) return Math.max(0, logits.indexOf(most));
  const weights = Float64Array.from(logits, z => Math.exp((z - most) / temperature));
  const target = u * weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  const found = weights.findIndex(weight => {
    sum += weight;
    return sum > target;
  });
  // rounding can make the target equal to the sum of all
  return found < 0 ? weights.findLastIndex(weight => weight > 0) : found;
}
