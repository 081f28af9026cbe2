/**
 * Symbols that a language model makes up: each is drawn from what the model says of those before
 * it.
 */
import { usageError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import type { Session } from './session.js';

export interface GenerateOptions {
  /** Symbols to draw, 1 or more. */
  readonly length: number;
  /**
   * What outputs are divided by before their softmax: below 1 the likely become likelier; 0 takes
   * the likeliest, of equal ones the first. Default: 1.
   */
  readonly temperature?: number | undefined;
  /** Decides what is drawn. Default: 0. */
  readonly seed?: number | undefined;
}

/** Which symbols there are to draw. */
interface Drawable {
  /** Symbols are 0 to this, exclusive. */
  readonly symbols: number;
  /**
   * The one that is never drawn, if there is one: what stands for all that are unknown is no text.
   */
  readonly excluded: number | undefined;
}

/**
 * Goes on after the symbols of `prompt`, which are not among those that are yielded. Without a
 * prompt the first symbol is one of all that can be drawn, each as likely.
 * @param session a new one of a model whose classes are the symbols that it reads
 * @throws UserError (exit 2) if the temperature is no number from 0 on, (exit 5) if a symbol of the
 *   prompt is none of the model
 */
export async function* generateSymbols(
  session: Session,
  { symbols, excluded }: Drawable,
  prompt: readonly number[],
  { length, temperature = 1, seed = 0 }: GenerateOptions,
): AsyncGenerator<number> {
  checkTemperature(temperature);
  const random = RandomStream.of(seed, 'predict/generate');
  let logits: Float32Array | undefined;
  for (const symbol of prompt) logits = await next(session, symbol);
  for (let made = 0; made < length; made++) {
    if (logits === undefined) logits = new Float32Array(symbols);
    if (excluded !== undefined) logits[excluded] = Number.NEGATIVE_INFINITY;
    const symbol = drawClass(logits, temperature, random.uniform());
    yield symbol;
    if (made + 1 < length) logits = await next(session, symbol);
  }
}

async function next(session: Session, symbol: number): Promise<Float32Array> {
  const answer = await session.step(symbol);
  if (answer.kind === 'class') return answer.logits;
  throw new Error('a language model answers with classes');
}

/**
 * The first class k with P_0 + … + P_k > u, where P is the softmax of z / temperature.
 * @param logits z, `[C]`; of one that is not a number the answer means nothing
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
  // rounding can leave the target at the sum of all
  return found < 0 ? weights.findLastIndex(weight => weight > 0) : found;
}

function checkTemperature(temperature: number): void {
  if (temperature >= 0 && Number.isFinite(temperature)) return;
  throw usageError({
    code: 'model/temperature',
    message: 'this is not a valid temperature',
    expected: 'a number of at least 0',
    got: String(temperature),
  });
}
