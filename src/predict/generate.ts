/** Continues symbols and texts with a language model. */
import { RandomStream } from '../util/random.js';
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

/**
 * Continues the symbols of `prompt`, which are not yielded. Without a prompt, the first symbol is
 * drawn uniformly.
 * @param session a new session of a model whose classes are its input symbols, 0 to `symbols` - 1
 * @param excluded symbol that is never drawn: the one for unknown symbols has no text
 * @throws UserError (exit 5) if the model does not have a symbol of the prompt
 */
export async function* generateSymbols(
  session: Session,
  { symbols, excluded }: { readonly symbols: number; readonly excluded: number | undefined },
  prompt: readonly number[],
  { length = GENERATED_LENGTH, temperature = 1, seed = 0 }: GenerateOptions,
): AsyncGenerator<number> {
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
