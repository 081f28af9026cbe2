/** Products of random shapes against float64, on any backend and vector width. */
import type { Backend } from '../../src/engine/backend-names.js';
import { Engine } from '../../src/engine/index.js';
import type { Width } from '../../src/engine/width.js';
import { Graph } from '../../src/math/graph/node.js';
import { contract } from '../../src/math/ops/contract.js';
import { RandomStream } from '../../src/util/random.js';

export interface Products {
  readonly cases: number;
  readonly seed: number;
  /** On webasm. */
  readonly width?: Width;
}

/** Of both factors; the result is [b, j]. */
const LAYOUTS = ['bk,kj', 'bk,jk', 'kb,kj', 'kb,jk'] as const;
/** Most of an axis; one of the three is longer in some cases. */
const [SHORT, LONG] = [70, 400];
/** Cases of an engine, whose memory is freed only as a whole. */
const CASES = 50;
/** Half the distance of two float32 numbers, relative. */
const UNIT = 2 ** -24;

/** The products that are wrong, in words. */
export async function wrongProducts(backend: Backend, { cases, seed, width }: Products): Promise<string[]> {
  const wrong: string[] = [];
  let engine: Engine | undefined;
  for (let number = 0; number < cases; number++) {
    if (number % CASES === 0) {
      await engine?.close();
      engine = await Engine.start(backend, { width });
    }
    const found = await wrongProduct(engine!, RandomStream.of(seed, `product ${number}`));
    if (found !== undefined) wrong.push(`case ${number} of seed ${seed}, ${found}`);
  }
  await engine?.close();
  return wrong;
}

async function wrongProduct(engine: Engine, random: RandomStream): Promise<string | undefined> {
  const sizes = [0, 1, 2].map(() => 1 + random.integer(SHORT));
  if (random.integer(4) === 0) sizes[random.integer(3)] = 1 + random.integer(LONG);
  const [b, j, k] = sizes;
  const layout = LAYOUTS[random.integer(LAYOUTS.length)];
  const [first, second] = layout.split(',');
  const extent: Readonly<Record<string, number>> = { b, j, k };
  const shapeOf = (letters: string) => [...letters].map(letter => extent[letter]);
  const numbers = (count: number) => Float32Array.from({ length: count }, () => 2 * random.uniform() - 1);
  const values = { x: numbers(b * k), y: numbers(k * j) };
  const graph = new Graph();
  const [x, y] = [graph.input('x', shapeOf(first)), graph.input('y', shapeOf(second))];
  const outputs = new Map([['z', contract(`${layout}->bj`, x, y)]]);
  const { z } = await engine.compile({ graph, outputs }).run(values);
  await engine.arrays.read(z);
  for (let row = 0; row < b; row++)
    for (let column = 0; column < j; column++) {
      let [sum, magnitude] = [0, 0];
      for (let i = 0; i < k; i++) {
        const product =
          values.x[first === 'bk' ? row * k + i : i * b + row] *
          values.y[second === 'kj' ? i * j + column : column * k + i];
        sum += product;
        magnitude += Math.abs(product);
      }
      // of any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, 3.1)
      const most = (k + 1) * UNIT * magnitude;
      const value = z[row * j + column];
      if (!(Math.abs(value - sum) <= most))
        return `${layout} of [${b}, ${k}] and [${k}, ${j}]: ${value} at [${row}, ${column}], not ${sum}`;
    }
  return undefined;
}
